// What the format battery (run over all formats by app/conformance_test) does not ask.
#include "format/avro/avro.h"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <gtest/gtest.h>

#include "port/conformance/format_battery.h"

namespace sluice::conformance {
namespace {

INSTANTIATE_TEST_SUITE_P(Avro, FormatBattery, testing::Values(FormatCase{"avro", avro_format(), {}}));
INSTANTIATE_TEST_SUITE_P(
    SmallBlocks, FormatBattery,
    testing::Values(FormatCase{
        "avro", avro_format(), {}, {{"block_bytes", {"1KB", "the test"}}, {"compression", {"snappy", "the test"}}}}));

class AvroFormatTest : public testing::Test {
 protected:
  static std::unique_ptr<Format> format(const RawOptions& raw = {}) {
    auto descriptor = avro_format();
    return value_of(
        descriptor.create(value_of(OptionValues::parse("avro", descriptor.options, OptionScope::sink, raw))));
  }

  static BatchPtr rows(int64_t first, int64_t count) {
    arrow::Int64Builder ids;
    arrow::StringBuilder texts;
    for (int64_t i = first; i < first + count; ++i) {
      EXPECT_TRUE(ids.Append(i).ok() && texts.Append("row " + std::to_string(i)).ok());
    }
    auto schema = arrow::schema({arrow::field("id", arrow::int64()), arrow::field("text", arrow::utf8())});
    return arrow::RecordBatch::Make(schema, count, {*ids.Finish(), *texts.Finish()});
  }

  std::string encoded(const BatchPtr& batch) {
    auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
    auto encoder =
        value_of(format({{"block_bytes", {"1KB", "the test"}}})->create_encoder(context_, batch->schema(), out));
    expect_ok(encoder->write(*batch));
    expect_ok(encoder->finish());
    return out->Finish().ValueOrDie()->ToString();
  }

  static Input input(const std::string& content, int64_t begin = 0, int64_t end = INT64_MAX) {
    Input made;
    made.name = "a.avro";
    made.file = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(content));
    made.begin = begin;
    made.end = end;
    return made;
  }

  // The ids that come out, and the error that ends it.
  std::vector<int64_t> ids(Format& from, Input in, std::string* error = nullptr) {
    std::vector<int64_t> found;
    ReadRequest request;
    request.batch_rows = 64;
    auto decoder = value_of(from.create_decoder(context_, {rows(0, 0)->schema(), request, false}));
    auto take = [&] {
      auto batch = value_of(decoder->take(nullptr));
      if (batch == nullptr) return;
      const auto& column = static_cast<const arrow::Int64Array&>(*batch->column(0));
      for (int64_t i = 0; i < column.length(); ++i) found.push_back(column.Value(i));
    };
    const int64_t begin = in.begin;
    expect_ok(decoder->open(context_, std::move(in)));
    for (;;) {
      auto step = decoder->step(context_);
      take();
      if (!step.ok()) {
        EXPECT_EQ(decoder->reached(), begin + std::ssize(found));
        if (error != nullptr) *error = step.error().message();
        return found;
      }
      EXPECT_EQ(step->position, begin + std::ssize(found));
      if (step->at_end) return found;
    }
  }

  TestContext context_;
};

TEST_F(AvroFormatTest, PiecesBetweenCutsHoldEveryRowOnce) {
  auto content = encoded(rows(0, 2000));
  auto reader = format();
  auto cuts = value_of(reader->cuts(context_, input(content), 3000));
  ASSERT_GT(cuts.size(), 4U);
  cuts.insert(cuts.begin(), 0);
  cuts.push_back(INT64_MAX);
  std::vector<int64_t> all;
  for (size_t i = 0; i + 1 < cuts.size(); ++i) {
    auto part = ids(*reader, input(content, cuts[i], cuts[i + 1]));
    EXPECT_EQ(part, ids(*format(), input(content, cuts[i], cuts[i + 1])));  // also where nobody looked for cuts
    all.insert(all.end(), part.begin(), part.end());
  }
  ASSERT_EQ(all.size(), 2000U);
  for (int64_t i = 0; i < 2000; ++i) ASSERT_EQ(all[static_cast<size_t>(i)], i);
}

TEST_F(AvroFormatTest, EveryRowIsAPlaceToBeginAndToEnd) {
  auto content = encoded(rows(0, 300));
  auto reader = format();
  for (int64_t at = 0; at <= 300; ++at) {
    EXPECT_EQ(std::ssize(ids(*reader, input(content, 0, at))), at);
    EXPECT_EQ(std::ssize(ids(*reader, input(content, at))), 300 - at);
  }
}

TEST_F(AvroFormatTest, WhatCameBeforeTheDamageIsHandedOut) {
  auto content = encoded(rows(0, 1000));
  std::string error;
  auto found = ids(*format(), input(content.substr(0, content.size() - 100)), &error);
  EXPECT_NE(error.find("a.avro is damaged: block "), std::string::npos) << error;
  EXPECT_NE(error.find(fmt::format("after row {}: it announces", found.size())), std::string::npos) << error;
  ASSERT_GT(found.size(), 800U);
  for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i], static_cast<int64_t>(i));
}

TEST_F(AvroFormatTest, AShorterFileThanBeforeIsAnError) {
  auto content = encoded(rows(0, 10));
  auto decoder = value_of(format()->create_decoder(context_, {rows(0, 0)->schema(), {}, false}));
  auto opened = decoder->open(context_, input(content, 11));
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().what, "a.avro: has been read up to row 11 before and has 10 rows now");
}

TEST_F(AvroFormatTest, RowsAreCountedWithoutReadingThem) {
  ReadRequest request;
  request.columns.emplace();
  auto decoder = value_of(format()->create_decoder(context_, {rows(0, 0)->schema(), request, false}));
  expect_ok(decoder->open(context_, input(encoded(rows(0, 1000)))));
  int64_t count = 0;
  for (bool at_end = false; !at_end;) {
    at_end = value_of(decoder->step(context_)).at_end;
    if (auto batch = value_of(decoder->take(nullptr)); batch != nullptr) count += batch->num_rows();
  }
  EXPECT_EQ(count, 1000);
}

TEST_F(AvroFormatTest, LevelsAreChecked) {
  auto descriptor = avro_format();
  auto refused = [&](const char* codec, const char* level) {
    RawOptions raw{{"compression", {codec, "here"}}, {"compression_level", {level, "here"}}};
    return descriptor.create(value_of(OptionValues::parse("avro", descriptor.options, OptionScope::sink, raw)));
  };
  EXPECT_EQ(refused("snappy", "3").error().what, "here: compression_level has no meaning for compression snappy");
  EXPECT_EQ(refused("zstd", "23").error().what, "here: compression_level of zstd goes from 1 to 22, not 23");
  EXPECT_TRUE(refused("deflate", "12").ok());
  EXPECT_TRUE(refused("gzip", "12").ok());
}

}  // namespace
}  // namespace sluice::conformance
