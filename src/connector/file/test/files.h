// A folder, a registry and the few steps that flow does with a source or a sink.
#pragma once

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "batch/arrow_result.h"
#include "connector/file/file_connector.h"
#include "format/csv/csv.h"
#include "format/json/json_format.h"
#include "format/parquet/parquet.h"
#include "format/text/text.h"
#include "port/conformance/expect.h"
#include "port/conformance/scratch_folder.h"
#include "port/conformance/test_context.h"
#include "store/local/local.h"

namespace sluice::file {

using conformance::expect_error;
using conformance::expect_ok;
using conformance::value_of;
using Options = std::map<std::string, std::string>;

// What a run of a source delivered.
struct Delivered {
  std::vector<BatchPtr> batches;
  std::vector<Reject> rejects;
  Positions positions;
  int splits = 0;
  std::vector<std::string> notes;

  [[nodiscard]] int64_t rows() const {
    int64_t count = 0;
    for (const auto& batch : batches) count += batch->num_rows();
    return count;
  }
  // One column's values as text, in the order they came.
  [[nodiscard]] std::vector<std::string> column(const std::string& name) const {
    std::vector<std::string> out;
    for (const auto& batch : batches) {
      auto column = batch->GetColumnByName(name);
      if (column == nullptr) {
        ADD_FAILURE() << "no column " << name << " in " << batch->schema()->ToString();
        return out;
      }
      for (int64_t i = 0; i < column->length(); ++i) out.push_back((*column->GetScalar(i))->ToString());
    }
    return out;
  }
};

class Files : public testing::Test {
 protected:
  Files() {
    auto& registry = context_.registry();
    registry.add(local_store());
    registry.add(json_format());
    registry.add(csv_format());
    registry.add(parquet_format());
    registry.add(text_format());
    registry.add(file_connector());
  }

  std::string put(const std::string& name, const std::string& content) {
    auto path = folder_.file(name);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  // Ascii in utf-16, little endian.
  static std::string wide(const std::string& text, bool from_the_start = true) {
    std::string out = from_the_start ? "\xFF\xFE" : "";
    for (char c : text) out += {c, '\0'};
    return out;
  }
  void append(const std::string& name, const std::string& content) {
    std::ofstream(folder_.file(name), std::ios::binary | std::ios::app) << content;
  }
  std::string content(const std::string& name) {
    std::ifstream in(folder_.file(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::vector<std::string> files_in(const std::string& name) {
    std::vector<std::string> out;
    if (!std::filesystem::exists(folder_.file(name))) return out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.file(name))) {
      if (entry.is_regular_file()) out.push_back(std::filesystem::relative(entry.path(), folder_.file(name)).string());
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  ConnectorRequest request(const std::string& name, const Options& options) {
    ConnectorRequest request;
    request.location = value_of(parse_location(folder_.path() + "/" + name, "file"));
    for (const auto& [key, value] : options) request.options[key] = {value, "the test"};
    request.where = "test.sql:1:1";
    request.pipeline = "battery";
    return request;
  }
  Result<std::unique_ptr<Source>> source(const std::string& name, const Options& options = {}) {
    return context_.registry().create_source(request(name, options));
  }
  Result<std::unique_ptr<Sink>> sink(const std::string& name, const Options& options = {}, bool one_off = false) {
    auto made = request(name, options);
    made.one_off = one_off;
    return context_.registry().create_sink(made);
  }

  // Reads what the splits hold now; a watching source's readers end, too, when there is nothing more.
  Result<void> drain(Source& source, const std::vector<Split>& splits, Delivered& into) {
    auto reader = TRY(create_paced_reader(context_, source, splits));
    into.splits += static_cast<int>(splits.size());
    for (;;) {
      auto event = TRY(reader->next(context_, system_clock().steady() + Millis(1000)));
      if (std::holds_alternative<End>(event)) return {};
      if (std::holds_alternative<Idle>(event)) continue;
      auto& rows = std::get<Rows>(event);
      if (rows.batch != nullptr && rows.batch->num_rows() > 0) into.batches.push_back(rows.batch);
      for (auto& reject : rows.rejects) into.rejects.push_back(std::move(reject));
      for (auto& step : rows.progress) into.positions[step.split] = step.upto;
    }
  }
  Result<Delivered> read(Source& source, const Positions& durable = {}, const ReadRequest& request = {}) {
    Delivered out;
    auto planned = TRY(source.plan(context_, request));
    out.notes = planned.pushed.notes;
    TRY(source.start(context_, durable));
    out.positions = durable;
    for (;;) {
      auto events = TRY(source.poll_splits(context_, system_clock().steady() + Millis(100)));
      if (!events.added.empty()) TRY(drain(source, events.added, out));
      if (events.finished) break;
    }
    for (const auto& batch : out.batches) EXPECT_TRUE(batch->schema()->Equals(*planned.schema)) << batch->ToString();
    return out;
  }
  Result<Delivered> read(const std::string& name, const Options& options = {}, const Positions& durable = {},
                         const ReadRequest& request = {}) {
    auto made = TRY(source(name, options));
    return read(*made, durable, request);
  }

  // As if the files had been read from a device with another number.
  static Positions on_another_device(Positions positions, int device = 77) {
    for (auto& [id, position] : positions) {
      auto json = nlohmann::json::parse(position.token);
      const auto version = json.at("version").get<std::string>();
      json["version"] = fmt::format("{}{}", device, version.substr(version.find(':')));
      position.token = json.dump();
    }
    return positions;
  }

  conformance::ScratchFolder folder_;
  conformance::TestContext context_;
};

}  // namespace sluice::file
