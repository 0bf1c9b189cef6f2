// What every PayloadFormat has to do. A test includes this and says which rows it can hold:
//
//   INSTANTIATE_TEST_SUITE_P(Json, PayloadBattery, testing::Values(PayloadCase{"json", json_payload(), rows}));
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <arrow/api.h>

#include "port/conformance/payload_expect.h"
#include "port/conformance/scratch_folder.h"
#include "port/conformance/test_context.h"

namespace sluice::conformance {

struct PayloadCase {
  std::string name;
  PayloadDescriptor descriptor;
  BatchPtr rows;  // three or more; null: nobody has said which
  std::function<GivenOptions(const ScratchFolder& folder)> options = [](const ScratchFolder&) {
    return GivenOptions();
  };
  std::vector<std::string> bad = {};  // bytes that are none of its messages; empty: any bytes are one
  friend void PrintTo(const PayloadCase& item, std::ostream* out) { *out << item.name; }
};

class PayloadBattery : public testing::TestWithParam<PayloadCase> {
 protected:
  void SetUp() override {
    ASSERT_NE(GetParam().rows, nullptr) << "no rows are given that the payload format can hold";
    format_ = value_of(make_payload(GetParam().descriptor, GetParam().options(folder_)));
    ASSERT_NE(format_, nullptr);
  }

  static const BatchPtr& rows() { return GetParam().rows; }
  Messages messages() {
    auto encoded = value_of(encode(context_, *format_, rows()));
    return {encoded.begin(), encoded.end()};
  }
  SchemaPtr schema_of(const Messages& messages) { return value_of(format_->infer(context_, views(messages))); }
  static std::string row_of_nulls(const SchemaPtr& schema) {
    arrow::ArrayVector columns;
    for (const auto& field : schema->fields()) columns.push_back(*arrow::MakeArrayOfNull(field->type(), 1));
    return shown(*arrow::RecordBatch::Make(schema, 1, std::move(columns)));
  }

  ScratchFolder folder_;
  TestContext context_;
  std::unique_ptr<PayloadFormat> format_;
};

TEST_P(PayloadBattery, WhatIsWrittenIsReadBack) {
  const auto written = messages();
  ASSERT_EQ(written.size(), static_cast<size_t>(rows()->num_rows()));
  const auto read = value_of(decode(context_, *format_, written));
  EXPECT_EQ(read.rows, shown(*rows()));
  EXPECT_TRUE(read.bad.empty());
}

TEST_P(PayloadBattery, ADecoderGoesOnFromCallToCall) {
  const auto written = messages();
  const auto schema = schema_of(written);
  auto decoder = value_of(format_->create_decoder(context_, {schema, {}, false}));
  std::string read;
  for (const auto& message : written) {
    read += shown(*value_of(decoder->decode(context_, views({message}))).batch);
    EXPECT_EQ(value_of(decoder->decode(context_, {})).batch->num_rows(), 0);
  }
  EXPECT_EQ(read, shown(*rows()));
}

TEST_P(PayloadBattery, AMessageWithoutBytesIsARowOfNulls) {
  auto written = messages();
  const auto schema = schema_of(written);
  written.insert(written.begin() + 1, std::nullopt);
  const auto read = value_of(decode(context_, *format_, written, {}, schema));
  EXPECT_EQ(read.rows, shown(*rows()->Slice(0, 1)) + row_of_nulls(schema) + shown(*rows()->Slice(1)));
}

TEST_P(PayloadBattery, BadMessagesAreNamedAndTheOthersRead) {
  if (GetParam().bad.empty()) GTEST_SKIP() << "any bytes are a message";
  for (const auto& bad : GetParam().bad) {
    auto written = messages();
    const auto schema = schema_of(written);
    written.insert(written.begin() + 1, bad);
    const auto read = value_of(decode(context_, *format_, written, {}, schema));
    EXPECT_EQ(read.rows, shown(*rows()));
    ASSERT_EQ(read.bad.size(), 1U);
    EXPECT_THAT(read.bad[0], testing::StartsWith("1: "));
    ASSERT_EQ(read.payload_of.size(), static_cast<size_t>(rows()->num_rows()));
    EXPECT_EQ(read.payload_of[0], 0);
    EXPECT_EQ(read.payload_of[1], 2);
  }
}

TEST_P(PayloadBattery, ABadMessageIsAnErrorWhereNobodyCollectsThem) {
  for (const auto& bad : GetParam().bad) {
    const auto written = messages();
    const auto schema = schema_of(written);
    auto decoder = value_of(format_->create_decoder(context_, {schema, {}, false}));
    expect_error(decoder->decode(context_, views({written[0], bad})), Fault::user, "message 2");
    EXPECT_EQ(shown(*value_of(decoder->decode(context_, views(written))).batch), shown(*rows()));
  }
}

TEST_P(PayloadBattery, AProjectionThatIsPromisedIsKept) {
  const auto written = messages();
  const auto schema = schema_of(written);
  const auto& last = schema->field(schema->num_fields() - 1);
  ReadRequest request;
  request.columns = {{last->name()}};
  const auto planned = value_of(format_->plan(schema, request));
  if (!planned.pushed.columns) GTEST_SKIP() << "columns are not pushed";
  ASSERT_TRUE(planned.schema->Equals(*arrow::schema({last})));
  const auto only =
      arrow::RecordBatch::Make(arrow::schema({last}), rows()->num_rows(), {rows()->GetColumnByName(last->name())});
  EXPECT_EQ(value_of(decode(context_, *format_, written, request, schema)).rows, shown(*only));
}

TEST_P(PayloadBattery, AnEncoderAppends) {
  auto encoder = value_of(format_->create_encoder(context_, rows()->schema()));
  EncodedPayloads out;
  expect_ok(encoder->encode(context_, *rows(), out));
  const std::string once = out.bytes;
  const auto ends = out.ends;
  EXPECT_EQ(ends.back(), static_cast<int64_t>(once.size()));
  EXPECT_TRUE(std::is_sorted(ends.begin(), ends.end()));
  expect_ok(encoder->encode(context_, *rows()->Slice(1), out));
  EXPECT_EQ(out.bytes, once + once.substr(static_cast<size_t>(ends[0])));
  EXPECT_EQ(out.ends.size(), 2 * ends.size() - 1);
}

TEST_P(PayloadBattery, WithNothingToLearnFromAnErrorSaysWhatToGive) {
  auto bare = make_payload(GetParam().descriptor, {});
  if (!bare.ok()) {
    expect_error(bare, Fault::user);
    return;
  }
  auto inferred = bare.value()->infer(context_, {});
  if (!inferred.ok()) expect_error(inferred, Fault::user, "schema");
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PayloadBattery);

}  // namespace sluice::conformance
