#include "format/text/text_payload.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "port/registry.h"

namespace sluice {
namespace {

using Messages = std::vector<std::optional<std::string>>;

class TextPayloadTest : public ::testing::Test {
 protected:
  Metrics metrics_;
  Budget budget_{1 << 30};
  Registry registry_;
  Context context_{{}, system_clock(), Log(), metrics_, budget_, registry_, ""};

  static std::unique_ptr<PayloadFormat> make(const PayloadDescriptor& payload, const std::string& column = "") {
    RawOptions raw;
    if (!column.empty()) raw["column"] = {column, "test"};
    return payload.create(OptionValues::parse("kafka", payload.options, OptionScope::both, raw).value(), {"t", false})
        .value();
  }
  Result<DecodedPayloads> decode(PayloadFormat& format, const Messages& messages, bool collect_rejects = true) {
    DecoderOptions options;
    options.schema = TRY(format.infer(context_, {}));
    options.collect_rejects = collect_rejects;
    auto decoder = TRY(format.create_decoder(context_, options));
    std::vector<Payload> payloads;
    for (const auto& m : messages) payloads.push_back(m ? Payload(std::string_view(*m)) : std::nullopt);
    auto decoded = TRY(decoder->decode(context_, payloads));
    EXPECT_TRUE(decoded.batch->ValidateFull().ok());
    return decoded;
  }
  Result<EncodedPayloads> encode(PayloadFormat& format, const BatchPtr& batch) {
    EncodedPayloads out;
    TRY(TRY(format.create_encoder(context_, batch->schema()))->encode(context_, *batch, out));
    return out;
  }
};

TEST_F(TextPayloadTest, TextIsOneColumnAndATombstoneIsNull) {
  auto format = make(text_payload());
  auto decoded = decode(*format, {"héllo\n", "", std::nullopt, "x"}).value();
  EXPECT_EQ(decoded.batch->schema()->ToString(), "value: string");
  EXPECT_EQ(decoded.batch->column(0)->ToString(), "[\n  \"héllo\n\",\n  \"\",\n  null,\n  \"x\"\n]");
  EXPECT_TRUE(decoded.payload_of.empty());
}

TEST_F(TextPayloadTest, WhatIsNotUtf8IsBadEvenWhereItsNeighbourWouldCompleteIt) {
  auto format = make(text_payload());
  auto decoded = decode(*format, {"a", "\xc3", "\xa9", std::nullopt, "b"}).value();
  EXPECT_EQ(decoded.batch->column(0)->ToString(), "[\n  \"a\",\n  null,\n  \"b\"\n]");
  EXPECT_EQ(decoded.payload_of, (std::vector<int64_t>{0, 3, 4}));
  ASSERT_EQ(decoded.bad.size(), 2U);
  EXPECT_EQ(decoded.bad[1].index, 2);
  EXPECT_EQ(decode(*format, {"\xff"}, false).error().what,
            "message 1: the bytes are not UTF-8; read them with format := raw");
}

TEST_F(TextPayloadTest, RawBytesComeAndGoAsTheyAre) {
  auto format = make(raw_payload(), "body");
  Messages messages = {std::string("\0\xff", 2), std::nullopt, ""};
  auto decoded = decode(*format, messages).value();
  EXPECT_EQ(decoded.batch->schema()->ToString(), "body: binary");
  auto out = encode(*format, decoded.batch).value();
  EXPECT_EQ(out.bytes, std::string("\0\xff", 2));
  EXPECT_EQ(out.ends, (std::vector<int64_t>{2, 2, 2}));
  EXPECT_EQ(out.absent, (std::vector<int64_t>{1}));
}

TEST_F(TextPayloadTest, WritingTakesTheOnlyColumnOrTheNamedOne) {
  auto one = arrow::schema({arrow::field("id", arrow::int64())});
  auto two = arrow::schema({arrow::field("id", arrow::int64()), arrow::field("value", arrow::utf8())});
  auto none = arrow::schema({arrow::field("id", arrow::int64()), arrow::field("b", arrow::binary())});
  EXPECT_TRUE(make(text_payload())->validate_schema(*one).ok());
  EXPECT_TRUE(make(text_payload())->validate_schema(*two).ok());
  EXPECT_TRUE(make(text_payload(), "id")->validate_schema(*two).ok());
  EXPECT_EQ(make(text_payload())->validate_schema(*none).error().what,
            "text is one column, and there are the columns id, b; name one with column");
  EXPECT_EQ(make(raw_payload())->validate_schema(*one).error().what,
            "column 'id' is a BIGINT and raw needs a BLOB or VARCHAR; cast it");
  arrow::Int64Builder ids;
  ASSERT_TRUE(ids.AppendValues({-12, 7}).ok());
  auto out = encode(*make(text_payload()), arrow::RecordBatch::Make(one, 2, {ids.Finish().ValueOrDie()})).value();
  EXPECT_EQ(out.bytes, "-127");
  EXPECT_EQ(out.ends, (std::vector<int64_t>{3, 4}));
}

}  // namespace
}  // namespace sluice
