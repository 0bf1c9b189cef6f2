// Parquet files in memory, for tests.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include "format/parquet/parquet.h"
#include "port/registry.h"

namespace sluice::parquet_format_detail {

class ParquetTest : public ::testing::Test {
 protected:
  static std::unique_ptr<Format> format(const RawOptions& raw = {}, OptionScope side = OptionScope::sink) {
    auto descriptor = parquet_format();
    return descriptor.create(OptionValues::parse("parquet", descriptor.options, side, raw).value()).value();
  }
  static RawOptions options(const std::map<std::string, std::string>& given) {
    RawOptions raw;
    for (const auto& [name, value] : given) raw[name] = {value, "the test"};
    return raw;
  }

  // Rows as JSON arrays: [[1, "a"], [2, null]].
  static BatchPtr batch(const SchemaPtr& schema, const std::string& json) {
    auto rows = arrow::json::ArrayFromJSONString(arrow::struct_(schema->fields()), json).ValueOrDie();
    return arrow::RecordBatch::FromStructArray(rows).ValueOrDie()->ReplaceSchemaMetadata(nullptr);
  }

  std::shared_ptr<arrow::Buffer> encode(const SchemaPtr& schema, const std::vector<BatchPtr>& batches,
                                        const RawOptions& raw = {}) {
    auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
    auto encoder = format(raw)->create_encoder(context_, schema, out).value();
    for (const auto& rows : batches) {
      auto written = encoder->write(*rows);
      EXPECT_TRUE(written.ok()) << written.error().what;
    }
    auto finished = encoder->finish();
    EXPECT_TRUE(finished.ok()) << finished.error().what;
    return out->Finish().ValueOrDie();
  }

  static Input input(const std::shared_ptr<arrow::Buffer>& bytes, int64_t begin = 0) {
    Input input;
    input.name = "data/a.parquet";
    input.file = std::make_shared<arrow::io::BufferReader>(bytes);
    input.begin = begin;
    return input;
  }

  // All rows of the files, batch by batch.
  Result<std::vector<BatchPtr>> decode(const std::vector<Input>& inputs, const ReadRequest& request = {},
                                       SchemaPtr schema = nullptr) {
    auto reader = format({}, OptionScope::source);
    if (schema == nullptr) schema = TRY(reader->infer(context_, inputs[0]));
    DecoderOptions decoder_options;
    decoder_options.schema = schema;
    decoder_options.request = request;
    auto decoder = TRY(reader->create_decoder(context_, decoder_options));
    std::vector<BatchPtr> batches;
    auto take = [&]() -> Result<void> {
      if (auto rows = TRY(decoder->take(nullptr)); rows != nullptr) batches.push_back(rows);
      return {};
    };
    positions_.clear();
    for (const auto& one : inputs) {
      TRY(decoder->open(context_, one));
      for (bool at_end = false; !at_end;) {
        auto step = TRY(decoder->step(context_));
        positions_.push_back(step.position);
        at_end = step.at_end;
        if (step.full) TRY(take());
      }
    }
    TRY(take());
    return batches;
  }
  Result<BatchPtr> decode_one(const std::shared_ptr<arrow::Buffer>& bytes, const ReadRequest& request = {},
                              int64_t begin = 0) {
    auto batches = TRY(decode({input(bytes, begin)}, request));
    if (batches.empty()) return BatchPtr();
    auto joined = arrow::ConcatenateRecordBatches(batches);
    EXPECT_TRUE(joined.ok());
    return *joined;
  }

  std::stop_source stop_;
  Metrics metrics_;
  Budget budget_{64 << 20};
  Registry registry_;
  Context context_{stop_.get_token(), system_clock(), Log(), metrics_, budget_, registry_, "orders"};
  std::vector<int64_t> positions_;  // of every step of the last decode()
};

}  // namespace sluice::parquet_format_detail
