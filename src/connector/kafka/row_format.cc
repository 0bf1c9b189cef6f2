#include "connector/kafka/row_format.h"

#include <algorithm>

#include <arrow/type.h>

#include "batch/change.h"
#include "batch/schema.h"
#include "connector/kafka/new_fields.h"

namespace sluice::kafka {
namespace {

bool is_bytes_alone(const PayloadChoice& choice) {
  return choice.descriptor->name == "text" || choice.descriptor->name == "raw";
}

}  // namespace

Result<SchemaPtr> RowFormat::describe(Context& context, std::span<const Payload> values,
                                      std::span<const Payload> keys) {
  value_format_ = TRY(settings_.value.create(settings_.topic_name(), false));
  value_full_ =
      TRY(value_format_->infer(context, values).while_doing("finding out the schema of " + settings_.subject()));
  if (settings_.debezium) {
    plan_.envelope = TRY(read_envelope(*value_full_).while_doing("reading " + settings_.subject()));
    value_full_ = plan_.envelope->rows;
  }
  if (settings_.key.descriptor != nullptr) {
    key_format_ = TRY(settings_.key.create(settings_.topic_name(), true));
    key_full_ = TRY(key_format_->infer(context, keys).while_doing("finding out the keys of " + settings_.subject()));
    const bool alone = is_bytes_alone(settings_.key) && key_full_->num_fields() == 1;
    key_type_ = alone ? key_full_->field(0)->type() : arrow::struct_(key_full_->fields());
    plan_.key_is_struct = !alone;
  }
  return take_value(value_full_);
}

Result<RowFormat::RowsOfValues> RowFormat::rows_of(const SchemaPtr& value) const {
  if (plan_.envelope) return RowsOfValues{value, std::nullopt};
  // A field of the user's named _op would make changes of plain messages: deletes, in a table.
  TRY(refuse_reserved_columns(*value, settings_.where + ": the messages of " + settings_.subject()));
  if (!settings_.keyed) return RowsOfValues{value, std::nullopt};
  auto key = key_columns(*value, *key_full_, !plan_.key_is_struct, settings_.key_names);
  if (!key.ok()) return user_error("{}: key: {}", settings_.where, key.error().what);
  auto schema = keyed_schema(*value, key.value());
  return RowsOfValues{std::move(schema), std::move(key).value()};
}

Result<SchemaPtr> RowFormat::take_value(SchemaPtr value) {
  auto rows = TRY(rows_of(value));
  full_ = TRY(with_metadata(rows.schema));
  value_full_ = std::move(value);
  rows_full_ = std::move(rows.schema);
  plan_.keyed = std::move(rows.key);
  return full_;
}

Result<SchemaPtr> RowFormat::with_metadata(const SchemaPtr& rows) const {
  auto fields = rows->fields();
  for (const auto column : settings_.metadata) {
    const std::string name(name_of(column));
    if (rows->GetFieldIndex(name) >= 0) {
      return user_error("{}: the messages of {} have a column '{}' of their own; leave it out of metadata",
                        settings_.where, settings_.subject(), name);
    }
    fields.push_back(arrow::field(name, type_of(column, key_type_)));
  }
  return arrow::schema(std::move(fields));
}

Result<SchemaPtr> RowFormat::wider(Context& context, std::span<const Payload> values) {
  constexpr int kColumnsMax = 1000;  // beyond that names are data: keys of a map, say
  Wider found;
  found.format = TRY(settings_.value.create(settings_.topic_name(), false));
  auto seen = found.format->infer(context, values);
  bool more = false;
  if (seen.ok() && plan_.envelope) {
    found.envelope = with_new_fields(plan_.envelope->message, *seen.value());
    more = found.envelope != plan_.envelope->message;
    auto reading = read_envelope(*seen.value());
    seen = reading.ok() ? Result<SchemaPtr>(reading.value().rows) : Result<SchemaPtr>(reading.error());
  }
  if (!seen.ok()) {
    if (seen.error().fault == Fault::user || seen.error().fault == Fault::refused) return SchemaPtr();
    return seen;
  }
  const auto value = with_new_fields(value_full_, *seen.value());
  more = more || value != value_full_;
  if (!more || value->num_fields() > kColumnsMax) return SchemaPtr();
  const auto rows = rows_of(value);
  if (!rows.ok()) return SchemaPtr();  // a name that is taken
  auto full = with_metadata(rows.value().schema);
  if (!full.ok()) return SchemaPtr();  // likewise
  std::lock_guard lock(mutex_);
  wider_ = std::move(found);
  return full;
}

Result<SchemaPtr> RowFormat::adopt(const SchemaPtr& schema, bool ours) {
  CHECK(value_format_ != nullptr);
  SchemaPtr message = plan_.envelope ? plan_.envelope->message : nullptr;
  if (std::lock_guard lock(mutex_); ours && wider_.format != nullptr) {
    value_format_ = std::move(wider_.format);
    message = std::move(wider_.envelope);
  }
  std::vector<std::shared_ptr<arrow::Field>> fields;
  for (const auto& field : schema->fields()) {
    const bool metadata = std::any_of(std::begin(kMetadataColumns), std::end(kMetadataColumns),
                                      [&](const auto& one) { return one.first == field->name(); });
    const bool of_rows = rows_full_->GetFieldIndex(field->name()) >= 0;
    const bool of_value = value_full_->GetFieldIndex(field->name()) >= 0;
    if (of_value || (!metadata && !of_rows)) fields.push_back(field);  // what came to be is the value's
  }
  SchemaPtr value = arrow::schema(std::move(fields));
  if (plan_.envelope) {
    // The envelope of those rows.
    std::vector<std::shared_ptr<arrow::Field>> row;
    for (const auto& field : value->fields()) {
      if (!is_change_column(field->name())) row.push_back(field);
    }
    std::vector<std::shared_ptr<arrow::Field>> envelope;
    for (const auto& field : message->fields()) {
      const bool image = field->name() == "before" || field->name() == "after";
      envelope.push_back(image ? field->WithType(arrow::struct_(row)) : field);
    }
    plan_.envelope = TRY(read_envelope(*arrow::schema(std::move(envelope))));
    plan_.value.schema = plan_.envelope->message;  // also where rows are as before and plan() is not called
    value = plan_.envelope->rows;
  }
  return take_value(std::move(value));
}

// What is asked for beside the value's columns, behind `fields`, which are those.
void RowFormat::add_metadata(const ReadRequest& request, arrow::FieldVector fields) {
  plan_.wants_key = plan_.keyed.has_value();
  for (const auto column : settings_.metadata) {
    const std::string name(name_of(column));
    const bool asked = !request.columns || std::any_of(request.columns->begin(), request.columns->end(),
                                                       [&](const auto& path) { return path.front() == name; });
    if (!asked) continue;
    plan_.columns.push_back({-1, column});
    plan_.wants_key = plan_.wants_key || column == MetadataColumn::key;
    fields.push_back(full_->GetFieldByName(name));
  }
  plan_.schema = arrow::schema(std::move(fields));
}

// Values that are changes are decoded whole; of their rows the columns that are asked for come out, and the change
// columns.
Source::Planned RowFormat::plan_changes(const ReadRequest& request) {
  ReadRequest all = request;
  all.columns.reset();
  all.filter.clear();
  all.limit.reset();
  all.collect_rejects = true;
  plan_.value = {plan_.envelope ? plan_.envelope->message : value_full_, all, true};
  plan_.before_images = request.before_images;
  arrow::FieldVector fields;
  for (int i = 0; i < rows_full_->num_fields(); ++i) {
    const auto& field = rows_full_->field(i);
    const bool asked = !request.columns || is_change_column(field->name()) ||
                       std::any_of(request.columns->begin(), request.columns->end(),
                                   [&](const auto& path) { return path.front() == field->name(); });
    if (!asked) continue;
    plan_.columns.push_back({i, {}});
    fields.push_back(field);
  }
  add_metadata(request, std::move(fields));
  Source::Planned out;
  out.schema = plan_.schema;
  out.pushed.columns = true;
  out.pushed.filter_exact.assign(request.filter.size(), false);
  return out;
}

Result<Source::Planned> RowFormat::plan(const ReadRequest& request) {
  CHECK(full_ != nullptr);
  plan_.columns.clear();
  plan_.key = {key_full_, {}, true};
  plan_.collect_rejects = request.collect_rejects;
  plan_.adds_columns = adds_columns_;
  if (plan_.envelope || plan_.keyed) return plan_changes(request);
  const auto is_metadata = [&](const std::string& name) { return value_full_->GetFieldIndex(name) < 0; };
  // The value's part of the request.
  ReadRequest of_value = request;
  of_value.filter.clear();
  of_value.limit.reset();
  of_value.collect_rejects = true;  // the place of a bad message is told here, also where it ends the pipeline
  std::vector<size_t> pushed_filter;
  for (size_t i = 0; i < request.filter.size(); ++i) {
    if (is_metadata(request.filter[i].column.front())) continue;
    of_value.filter.push_back(request.filter[i]);
    pushed_filter.push_back(i);
  }
  if (request.columns) {
    of_value.columns.emplace();
    for (const auto& path : *request.columns) {
      if (!is_metadata(path.front())) of_value.columns->push_back(path);
    }
  }
  auto planned = TRY(value_format_->plan(value_full_, of_value));
  Source::Planned out;
  out.pushed.columns = planned.pushed.columns || !request.columns;
  out.pushed.notes = planned.pushed.notes;
  out.pushed.filter_exact.resize(request.filter.size());
  for (size_t i = 0; i < pushed_filter.size(); ++i) {
    out.pushed.filter_exact[pushed_filter[i]] =
        i < planned.pushed.filter_exact.size() && planned.pushed.filter_exact[i];
  }
  plan_.value = {value_full_, of_value, true};
  for (int i = 0; i < planned.schema->num_fields(); ++i) plan_.columns.push_back({i, {}});
  add_metadata(request, planned.schema->fields());
  out.schema = plan_.schema;
  return out;
}

Result<std::unique_ptr<RowDecoder>> RowFormat::create_decoder(Context& context,
                                                              const std::atomic<bool>& one_partition) {
  auto value = TRY(value_format_->create_decoder(context, plan_.value));
  std::unique_ptr<PayloadDecoder> key;
  if (plan_.wants_key) key = TRY(key_format_->create_decoder(context, plan_.key));
  return std::make_unique<RowDecoder>(
      plan_, std::move(value), std::move(key), one_partition,
      [this](Context& inner, std::span<const Payload> values) { return wider(inner, values); });
}

}  // namespace sluice::kafka
