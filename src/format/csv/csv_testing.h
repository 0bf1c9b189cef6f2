// What the csv tests share: text in, rows out.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include "format/csv/csv.h"
#include "port/registry.h"

namespace sluice::csv {

// Hands out at most `most` bytes a read.
class SlowStream final : public arrow::io::InputStream {
 public:
  SlowStream(std::string data, int64_t most) : data_(std::move(data)), most_(most) {}
  arrow::Status Close() override { return closed_ = true, arrow::Status::OK(); }
  [[nodiscard]] bool closed() const override { return closed_; }
  [[nodiscard]] arrow::Result<int64_t> Tell() const override { return at_; }
  arrow::Result<int64_t> Read(int64_t bytes, void* to) override {
    bytes = std::min({bytes, most_, static_cast<int64_t>(data_.size()) - at_});
    std::memcpy(to, data_.data() + at_, static_cast<size_t>(bytes));
    at_ += bytes;
    return bytes;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t bytes) override {
    std::string part(static_cast<size_t>(std::min(bytes, most_)), '\0');
    ARROW_ASSIGN_OR_RAISE(int64_t read, Read(bytes, part.data()));
    part.resize(static_cast<size_t>(read));
    return arrow::Buffer::FromString(std::move(part));
  }

 private:
  std::string data_;
  int64_t most_;
  int64_t at_ = 0;
  bool closed_ = false;
};

using Options = std::vector<std::pair<std::string, std::string>>;

class CsvTest : public ::testing::Test {
 protected:
  Metrics metrics_;
  Budget budget_{1 << 30};
  Registry registry_;
  Context context_{{}, system_clock(), Log(), metrics_, budget_, registry_, ""};

  static Result<std::unique_ptr<Format>> make(const Options& options, OptionScope side = OptionScope::source,
                                              FormatDescriptor format = csv_format()) {
    RawOptions raw;
    for (const auto& [name, value] : options) raw[name] = {value, "test"};
    return format.create(TRY(OptionValues::parse(format.name, format.options, side, raw)));
  }

  struct Decoded {
    BatchPtr batch;
    std::vector<Reject> rejects;
    std::vector<int64_t> positions;
  };
  struct How {
    SchemaPtr schema = nullptr;  // null: inferred
    ReadRequest request = {};
    bool collect_rejects = false;
    bool tail = false;
    int64_t read_bytes = INT64_MAX;
    int64_t begin = 0;
    int64_t end = INT64_MAX;
    bool count_lines = false;
  };

  Input input(const std::string& text, const How& how) {
    Input input;
    input.name = "a.csv";
    auto begin = static_cast<size_t>(how.begin);
    input.stream = std::make_shared<SlowStream>(text.substr(begin), how.read_bytes);
    input.begin = how.begin;
    input.end = how.end;
    input.tail = how.tail;
    if (begin > 0) input.head = text.substr(0, Input::head_bytes);
    if (how.count_lines) {
      input.count_lines_before = [before = text.substr(0, begin)] {
        return Result<int64_t>(std::count(before.begin(), before.end(), '\n'));
      };
    }
    return input;
  }
  Result<SchemaPtr> infer(const std::string& text, const Options& options = {}) {
    auto format = TRY(make(options));
    return format->infer(context_, input(text, {}));
  }
  Result<Decoded> decode(const std::string& text, const Options& options, How how) {
    auto format = TRY(make(options));
    if (how.schema == nullptr) how.schema = TRY(format->infer(context_, input(text, {})));
    auto decoder = TRY(format->create_decoder(context_, {how.schema, how.request, how.collect_rejects}));
    TRY(decoder->open(context_, input(text, how)));
    Decoded decoded;
    arrow::RecordBatchVector batches;
    while (true) {
      auto step = TRY(decoder->step(context_));
      decoded.positions.push_back(step.position);
      if (!step.full && !step.at_end) continue;
      auto batch = TRY(decoder->take(&decoded.rejects));
      if (batch != nullptr) {
        EXPECT_TRUE(batch->ValidateFull().ok()) << batch->ValidateFull();
        EXPECT_LE(batch->num_rows(), how.request.batch_rows);
        batches.push_back(batch);
      }
      if (step.at_end) break;
    }
    if (!batches.empty()) decoded.batch = arrow::ConcatenateRecordBatches(batches).ValueOrDie();
    return decoded;
  }
  Result<Decoded> decode(const std::string& text, const Options& options = {}) { return decode(text, options, How{}); }

  // Rows as "a|b|NULL", joined with " / ".
  static std::string show(const BatchPtr& batch) {
    if (batch == nullptr) return "nothing";
    std::string out;
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      if (row > 0) out += " / ";
      for (int i = 0; i < batch->num_columns(); ++i) {
        if (i > 0) out += "|";
        auto value = batch->column(i)->GetScalar(row).ValueOrDie();
        out += value->is_valid ? value->ToString() : "NULL";
      }
    }
    return out;
  }
  std::string rows(const std::string& text, const Options& options = {}) {
    auto decoded = decode(text, options);
    return decoded.ok() ? show(decoded->batch) : "error: " + decoded.error().message();
  }
  static std::string types(const SchemaPtr& schema) {
    std::string out;
    for (const auto& field : schema->fields())
      out += (out.empty() ? "" : ", ") + field->name() + " " + type_name(*field->type());
    return out;
  }
};

}  // namespace sluice::csv
