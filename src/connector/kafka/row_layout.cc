#include "connector/kafka/row_layout.h"

#include <algorithm>

#include <arrow/type.h>

#include "batch/change.h"
#include "connector/kafka/envelope.h"
#include "connector/kafka/metadata_columns.h"

namespace sluice::kafka {
namespace {

bool is_text(const arrow::DataType& type) {
  return type.id() == arrow::Type::STRING || type.id() == arrow::Type::BINARY;
}

// MAP(text, text|binary), or a list of STRUCT(key, value) as the source makes them.
bool is_headers(const arrow::DataType& type) {
  if (type.id() != arrow::Type::MAP && type.id() != arrow::Type::LIST) return false;
  const auto& pair = *type.field(0)->type();
  return pair.id() == arrow::Type::STRUCT && pair.num_fields() == 2 &&
         pair.field(0)->type()->id() == arrow::Type::STRING && is_text(*pair.field(1)->type());
}

Result<int> find(const arrow::Schema& schema, const std::string& name, const OptionValues& options,
                 const char* option) {
  const int index = schema.GetFieldIndex(name);
  if (index >= 0) return index;
  return user_error("{}: {} names column '{}', which the rows do not have; they have {}", options.where(option), option,
                    name, fmt::join(schema.field_names(), ", "));
}

Result<void> find_metadata(const arrow::Schema& schema, const SinkSettings& settings, RowLayout& layout) {
  const OptionValues& options = settings.options;
  const auto wrong = [&](const char* option, int index, const char* wanted) {
    return user_error("{}: {} needs {}, and column '{}' is {}", options.where(option), option, wanted,
                      schema.field(index)->name(), type_name(*schema.field(index)->type()));
  };
  if (!settings.headers_column.empty()) {
    layout.headers = TRY(find(schema, settings.headers_column, options, "headers"));
    if (!is_headers(*schema.field(layout.headers)->type())) {
      return wrong("headers", layout.headers, "a MAP(VARCHAR, VARCHAR) or a list of STRUCT(key VARCHAR, value BLOB)");
    }
  }
  if (!settings.timestamp_column.empty()) {
    layout.timestamp = TRY(find(schema, settings.timestamp_column, options, "timestamp"));
    if (schema.field(layout.timestamp)->type()->id() != arrow::Type::TIMESTAMP) {
      return wrong("timestamp", layout.timestamp, "a TIMESTAMP");
    }
  }
  if (!settings.partition_column.empty()) {
    layout.partition = TRY(find(schema, settings.partition_column, options, "partition"));
    const auto id = schema.field(layout.partition)->type()->id();
    if (id != arrow::Type::INT32 && id != arrow::Type::INT64) return wrong("partition", layout.partition, "an INTEGER");
  }
  return {};
}

SchemaPtr schema_of(const arrow::Schema& schema, const std::vector<int>& columns) {
  arrow::FieldVector fields;
  for (const int column : columns) fields.push_back(schema.field(column));
  return arrow::schema(std::move(fields));
}

}  // namespace

Result<RowLayout> row_layout(const arrow::Schema& schema, const SinkSettings& settings) {
  RowLayout layout;
  for (const auto& name : settings.key) layout.key.push_back(TRY(find(schema, name, settings.options, "key")));
  TRY(find_metadata(schema, settings, layout));
  const int op = schema.GetFieldIndex(std::string(kOpColumn));
  const bool plain = settings.envelope == Envelope::plain;
  layout.upsert = settings.upsert || (!settings.mode_given && plain && op >= 0 && !layout.key.empty());
  if (layout.upsert || !plain) {
    layout.op = op;
    layout.unchanged = schema.GetFieldIndex(std::string(kUnchangedColumn));
  }
  for (int i = 0; i < schema.num_fields(); ++i) {
    const std::string& name = schema.field(i)->name();
    if (i == layout.headers || i == layout.timestamp || i == layout.partition) continue;
    if ((layout.upsert || !plain) && is_change_column(name)) continue;
    // The key that a message came with is its key again, and nothing else.
    if (name == kKeyColumn && std::find(layout.key.begin(), layout.key.end(), i) != layout.key.end()) continue;
    layout.value.push_back(i);
  }
  if (layout.value.empty()) return user_error("{}: no column is left for the messages' values", settings.where);
  layout.key_schema = schema_of(schema, layout.key);
  layout.value_schema = plain ? schema_of(schema, layout.value) : envelope_schema(schema, layout.value);
  return layout;
}

}  // namespace sluice::kafka
