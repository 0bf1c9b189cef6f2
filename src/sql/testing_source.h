// A source of batches held in memory, for tests of the SQL layer: memory('name') in a Registry of their own.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <arrow/json/from_string.h>

#include "port/registry.h"

namespace sluice::sql::testing {

struct Table {
  SchemaPtr schema;
  arrow::RecordBatchVector batches;
  ReadRequest request;      // what was asked for last
  std::vector<bool> exact;  // what to answer for filters; the batches are not filtered
};
using Tables = std::map<std::string, Table>;
inline Tables& tables() {
  static Tables all;
  return all;
}

class MemoryReader : public Reader {
 public:
  MemoryReader(const Table& table, SchemaPtr schema) : table_(table), schema_(std::move(schema)) {}
  Result<Event> next(Context&, Deadline) override {
    if (at_ == table_.batches.size()) return Event(End{});
    Rows rows;
    arrow::ArrayVector columns;
    const auto& batch = table_.batches[at_++];
    for (const auto& field : schema_->fields()) columns.push_back(batch->GetColumnByName(field->name()));
    rows.batch = arrow::RecordBatch::Make(schema_, batch->num_rows(), columns);
    return Event(std::move(rows));
  }

 private:
  const Table& table_;
  SchemaPtr schema_;
  size_t at_ = 0;
};

// Applies projection of top-level columns only.
class MemorySource : public Source {
 public:
  explicit MemorySource(testing::Table& table) : table_(table), schema_(table.schema) {}
  [[nodiscard]] SourceTraits traits() const override { return {}; }
  Result<SchemaPtr> fetch_schema(Context&) override { return table_.schema; }
  Result<Planned> plan(Context&, const ReadRequest& request) override {
    table_.request = request;
    if (request.columns) {
      arrow::FieldVector fields;
      for (const auto& path : *request.columns) {
        auto field = table_.schema->GetFieldByName(path[0]);
        if (field == nullptr) return user_error("no column '{}'", path[0]);
        bool known = std::any_of(fields.begin(), fields.end(), [&](const auto& f) { return f->name() == path[0]; });
        if (!known) fields.push_back(field);
      }
      schema_ = arrow::schema(fields);
    }
    auto exact = table_.exact;
    exact.resize(request.filter.size(), false);
    return Planned{schema_, {request.columns.has_value(), exact, false, {}}};
  }
  Result<void> start(Context&, const Positions&) override { return {}; }
  Result<SplitEvents> poll_splits(Context&, Deadline) override {
    SplitEvents events;
    events.added.push_back({"all", 0, ""});
    events.finished = true;
    return events;
  }
  Result<std::unique_ptr<Reader>> create_reader(Context&, std::span<const Split>) override {
    return std::unique_ptr<Reader>(std::make_unique<MemoryReader>(table_, schema_));
  }

 private:
  testing::Table& table_;
  SchemaPtr schema_;
};

inline Result<std::unique_ptr<Source>> make_memory_source(const Registry&, const ConnectorRequest& request) {
  auto found = tables().find(request.location.path);
  if (found == tables().end()) return user_error("{}: no such table '{}'", request.where, request.location.path);
  return std::unique_ptr<Source>(std::make_unique<MemorySource>(found->second));
}

inline void add_table(const std::string& name, const SchemaPtr& schema, const std::vector<std::string>& batches) {
  testing::Table table;
  table.schema = schema;
  for (const auto& json : batches) {
    auto array = arrow::json::ArrayFromJSONString(arrow::struct_(schema->fields()), json);
    table.batches.push_back(*arrow::RecordBatch::FromStructArray(array.ValueOrDie()));
  }
  tables()[name] = std::move(table);
}

// file('name') reads tables()["name"]; `sink` accepts anything.
struct World {
  Metrics metrics;
  Budget memory{1LL << 30};
  Registry registry;
  Context context;

  World() : context{{}, system_clock(), Log(), metrics, memory, registry, ""} {
    ConnectorDescriptor file;
    file.name = "file";
    file.schemes = {"file"};
    file.create_source = make_memory_source;
    static const OptionSpec kSinkOnly{.name = "partition_by", .scope = OptionScope::sink};
    static const OptionSpec kSecret{.name = "token", .kind = OptionKind::secret};
    static const OptionSpec kKey{.name = "key", .kind = OptionKind::list, .scope = OptionScope::sink};
    file.options = {kSinkOnly, kSecret, kKey};
    registry.add(file);
  }
};

}  // namespace sluice::sql::testing
