#include "cli/dead_letter_files.h"

#include <algorithm>
#include <charconv>

#include <arrow/api.h>
#include <arrow/util/base64.h>
#include <nlohmann/json.hpp>

#include "base/ascii.h"
#include "batch/arrow_result.h"
#include "cli/location_input.h"
#include "codec/codec.h"
#include "flow/outlet.h"
#include "sql/endpoint.h"

namespace sluice {
namespace {

Result<std::unique_ptr<Store>> store_of(const Registry& registry, const Endpoint& location) {
  const auto* descriptor = TRY(registry.store(location.request.location.scheme));
  RawOptions own;
  for (const auto& spec : descriptor->options) {
    auto given = location.request.options.find(spec.name);
    if (given != location.request.options.end()) own.insert(*given);
  }
  auto options = TRY(OptionValues::parse(descriptor->scheme, descriptor->options, OptionScope::source, own));
  return descriptor->create(location.request.location, options);
}

std::string text_at(const arrow::RecordBatch& batch, int column, int64_t row) {
  const auto& values = static_cast<const arrow::StringArray&>(*batch.column(column));
  return values.IsNull(row) ? std::string() : values.GetString(row);
}

// Of a payload that is no text `message` has the bytes (flow/outlet.cc).
std::string record_of(const DeadLetter& row) {
  if (row.stage != "read") return row.payload;
  const auto message = nlohmann::json::parse(row.message, nullptr, false);
  if (!message.is_object() || !message.contains("value")) return row.payload;
  const auto& value = message["value"];
  if (!value.is_object() || !value.contains("base64") || !value["base64"].is_string()) return row.payload;
  return arrow::util::base64_decode(value["base64"].get<std::string>()).ValueOr(row.payload);
}

Result<void> append_rows(const BatchPtr& batch, std::vector<DeadLetter>& rows) {
  auto known = TRY(conform(batch, dead_letter_schema()));
  const auto& times = static_cast<const arrow::TimestampArray&>(*known->column(1));
  for (int64_t i = 0; i < known->num_rows(); ++i) {
    DeadLetter row;
    row.pipeline = text_at(*known, 0, i);
    if (times.IsValid(i)) row.at = WallTime(std::chrono::microseconds(times.Value(i)));
    row.reason = text_at(*known, 2, i);
    row.position = text_at(*known, 3, i);
    row.split = text_at(*known, 4, i);
    row.payload = text_at(*known, 5, i);
    row.stage = text_at(*known, 6, i);
    row.message = text_at(*known, 7, i);
    row.record = record_of(row);
    rows.push_back(std::move(row));
  }
  return {};
}

}  // namespace

// The file connector's position of a file that it gave up: "data/a.json.gz (byte 1234)".
std::optional<int64_t> DeadLetter::given_up_at() const {
  if (stage != "read" || payload.empty() || !position.starts_with(payload)) return std::nullopt;
  std::string_view rest = std::string_view(position).substr(payload.size());
  for (std::string_view unit : {" (byte ", " (row "}) {
    if (!rest.starts_with(unit)) continue;
    int64_t at = 0;
    auto [end, error] = std::from_chars(rest.data() + unit.size(), rest.data() + rest.size(), at);
    if (error == std::errc() && std::string_view(end, rest.data() + rest.size()) == ")") return at;
  }
  return std::nullopt;
}

Result<Endpoint> dead_letter_location(const Registry& registry, const PipelineRecord& record) {
  if (record.dead_letters.empty()) {
    return user_error("'{}' has no dead letters: it was not defined WITH (dead_letters := '…'), so a bad row stops it",
                      record.name);
  }
  auto endpoint = TRY(endpoint_of_location(record.dead_letters, record.name));
  return sql::read_back(registry, endpoint, record.dead_letters);
}

Endpoint narrowed_to(Endpoint endpoint, const std::string& object_path) {
  Location& location = endpoint.request.location;
  location.path = object_path;
  // Object stores name objects "bucket/key", and the bucket is the location's host.
  if (!location.hosts.empty() && object_path.starts_with(location.hosts[0].host + "/")) {
    location.path = object_path.substr(location.hosts[0].host.size() + 1);
  }
  endpoint.text = location.redacted();
  return endpoint;
}

std::string columns_text(const arrow::Schema& schema) {
  std::string out;
  for (const auto& field : schema.fields()) {
    if (!out.empty()) out += ", ";
    out += '"';
    for (char c : field->name()) out += c == '"' ? "\"\"" : std::string(1, c);
    out += "\" " + type_name(*field->type());
  }
  return out;
}

bool is_of(const DeadLetter& row, const std::string& pipeline) {
  std::string_view name = row.pipeline;
  if (name == pipeline) return true;
  const std::string replay = pipeline + "_replay";
  if (!name.starts_with(replay)) return false;
  name.remove_prefix(replay.size());
  if (name.empty()) return true;
  return name.size() > 1 && name.front() == '_' &&
         std::all_of(name.begin() + 1, name.end(), [](char c) { return is_digit(c); });
}

bool is_the_files_fault(const Error& error) { return error.fault == Fault::user || error.fault == Fault::refused; }

Result<std::vector<ObjectInfo>> dead_letter_files(Context& context, const Endpoint& location) {
  auto store = TRY(store_of(context.registry, location));
  const auto* descriptor = TRY(context.registry.store(location.request.location.scheme));
  const std::string path = TRY(descriptor->path_of(location.request.location));
  auto found = store->list(context, path, true, {});
  if (!found.ok() && found.error().fault == Fault::user) return std::vector<ObjectInfo>();  // not written to yet
  auto objects = TRY(std::move(found));
  std::erase_if(objects, [&](const ObjectInfo& object) {
    return context.registry.format_of_extension(object.path) == nullptr &&
           context.registry.format_of_extension(strip_extension(object.path)) == nullptr;
  });
  return objects;
}

Result<std::vector<DeadLetter>> read_dead_letters(Context& context, const Endpoint& location, const ObjectInfo& file) {
  Endpoint endpoint = narrowed_to(location, file.path);
  auto& options = endpoint.request.options;
  options["columns"] = RawOption{columns_text(*dead_letter_schema()), "dead-letters"};
  options["hive_partitioning"] = RawOption{"false", "dead-letters"};
  auto source = TRY(context.registry.create_source(endpoint.request));
  TRY(source->plan(context, ReadRequest{}));
  TRY(source->start(context, {}));
  std::vector<Split> splits;
  for (bool finished = false; !finished;) {
    auto events = TRY(source->poll_splits(context, context.clock.steady() + Millis(100)));
    std::move(events.added.begin(), events.added.end(), std::back_inserter(splits));
    finished = events.finished;
  }
  std::vector<DeadLetter> rows;
  if (splits.empty()) return rows;
  auto reader = TRY(source->create_reader(context, splits));
  while (true) {
    auto event = TRY(reader->next(context, context.clock.steady() + Millis(500)));
    if (std::holds_alternative<End>(event)) return rows;
    auto* got = std::get_if<Rows>(&event);
    if (got == nullptr) continue;
    // It would be removed with the others of its file, and never replayed.
    if (!got->rejects.empty()) return user_error("{}: {}", got->rejects[0].where, got->rejects[0].reason);
    if (got->batch != nullptr) TRY(append_rows(got->batch, rows));
  }
}

Result<void> remove_dead_letters(Context& context, const Endpoint& location, const ObjectInfo& file) {
  auto store = TRY(store_of(context.registry, location));
  auto there = TRY(store->stat(context, file.path));
  if (!there.has_value() || there->version != file.version) return {};
  return store->remove(context, file.path);
}

}  // namespace sluice
