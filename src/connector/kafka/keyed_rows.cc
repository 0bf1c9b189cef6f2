#include "connector/kafka/keyed_rows.h"

#include <algorithm>

#include <arrow/api.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>

#include "batch/arrow_result.h"
#include "batch/change.h"
#include "connector/kafka/new_fields.h"

namespace sluice::kafka {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

bool is_tombstone(const rd_kafka_message_t& message) { return message.payload == nullptr; }

Result<ArrayPtr> taken(const ArrayPtr& values, arrow::Int64Builder& indices) {
  return to_result(
      arrow::compute::Take(*values, *TRY(to_result(indices.Finish())), arrow::compute::TakeOptions::NoBoundsCheck()));
}

// The cells of tombstones; null elsewhere.
Result<ArrayPtr> of_tombstones(const ArrayPtr& cells, const MessageRows& rows) {
  arrow::Int64Builder indices;
  for (int64_t i = 0; i < rows.rows(); ++i) {
    TRY(to_result(is_tombstone(rows.at(i)) ? indices.Append(i) : indices.AppendNull()));
  }
  return taken(cells, indices);
}

// `cells`, with those of tombstones out of `others`.
Result<ArrayPtr> merged(const ArrayPtr& cells, const ArrayPtr& others, const MessageRows& rows) {
  arrow::Int64Builder indices;
  for (int64_t i = 0; i < rows.rows(); ++i) {
    TRY(to_result(indices.Append(is_tombstone(rows.at(i)) ? rows.rows() + i : i)));
  }
  return taken(TRY(to_result(arrow::Concatenate({cells, others}))), indices);
}

// `cells` as `type`; those that it cannot hold are null, and their rows in `bad`.
Result<ArrayPtr> converted(const ArrayPtr& cells, const KeyColumn& column,
                           std::vector<std::pair<int64_t, std::string>>& bad) {
  auto whole = arrow::compute::Cast(*cells, column.type);
  if (whole.ok()) return *whole;
  arrow::ArrayVector single;
  for (int64_t i = 0; i < cells->length(); ++i) {
    auto one = arrow::compute::Cast(*cells->Slice(i, 1), column.type);
    if (!one.ok()) {
      bad.emplace_back(i, fmt::format("its key is no {} for column '{}'", type_name(*column.type), column.name));
      one = arrow::MakeArrayOfNull(column.type, 1);
    }
    single.push_back(TRY(to_result(std::move(one))));
  }
  return to_result(arrow::Concatenate(single));
}

Result<ArrayPtr> ops_of(const MessageRows& rows) {
  arrow::StringBuilder builder;
  for (int64_t i = 0; i < rows.rows(); ++i) {
    TRY(to_result(builder.Append(is_tombstone(rows.at(i)) ? "delete" : "update")));
  }
  return to_result(builder.Finish());
}

Result<ArrayPtr> positions_of_rows(const MessageRows& rows, std::string_view split) {
  arrow::StringBuilder builder;
  for (int64_t i = 0; i < rows.rows(); ++i) {
    TRY(to_result(builder.Append(change_position(split, rows.at(i).offset))));
  }
  return to_result(builder.Finish());
}

}  // namespace

std::string change_position(std::string_view split, int64_t offset) { return fmt::format("{}/{:020}", split, offset); }

Result<std::vector<KeyColumn>> key_columns(const arrow::Schema& value, const arrow::Schema& key, bool bytes_alone,
                                           std::span<const std::string> names) {
  std::vector<KeyColumn> out;
  if (bytes_alone && names.size() != 1) {
    return user_error("name the one column that the messages' keys are, or a key_format that has columns");
  }
  const auto count = names.empty() ? static_cast<size_t>(key.num_fields()) : names.size();
  for (size_t i = 0; i < count; ++i) {
    const std::string& name = names.empty() ? key.field(static_cast<int>(i))->name() : names[i];
    const int at = bytes_alone ? 0 : key.GetFieldIndex(name);
    if (at < 0) {
      return user_error("the messages' keys have no column '{}'; they have {}", name,
                        fmt::join(key.field_names(), ", "));
    }
    const int same = value.GetFieldIndex(name);
    out.push_back({name, at, same, type_read(same >= 0 ? value.field(same)->type() : key.field(at)->type())});
  }
  return out;
}

SchemaPtr keyed_schema(const arrow::Schema& value, std::span<const KeyColumn> key) {
  arrow::FieldVector fields;
  for (const auto& field : value.fields()) fields.push_back(field->WithNullable(true));
  for (const auto& column : key) {
    if (column.value < 0) fields.push_back(arrow::field(column.name, column.type));
  }
  fields.push_back(arrow::field(std::string(kOpColumn), arrow::utf8()));
  fields.push_back(arrow::field(std::string(kTsColumn), type_of(MetadataColumn::timestamp, nullptr)));
  fields.push_back(arrow::field(std::string(kPosColumn), arrow::utf8()));
  return arrow::schema(std::move(fields));
}

Result<KeyedColumns> keyed_columns(std::span<const KeyColumn> columns, const arrow::RecordBatch& value,
                                   const arrow::RecordBatch& key, const MessageRows& rows, std::string_view split) {
  KeyedColumns out;
  out.value = value.columns();
  bool deletes = false;
  for (int64_t i = 0; i < rows.rows(); ++i) {
    if (!is_tombstone(rows.at(i))) continue;
    deletes = true;
    if (rows.at(i).key == nullptr) {
      out.bad.emplace_back(i, "the message has neither key nor value, so that it deletes nothing");
    }
  }
  for (const auto& column : columns) {
    const auto& cells = key.column(column.key);
    if (column.value < 0) {
      out.more.push_back(TRY(converted(cells, column, out.bad)));
    } else if (deletes) {  // where there is a value, that says the column
      const auto deleted = TRY(converted(TRY(of_tombstones(cells, rows)), column, out.bad));
      auto& array = out.value[static_cast<size_t>(column.value)];
      array = TRY(merged(array, deleted, rows));
    }
  }
  out.more.push_back(TRY(ops_of(rows)));
  out.more.push_back(TRY(metadata_array(MetadataColumn::timestamp, rows)));
  out.more.push_back(TRY(positions_of_rows(rows, split)));
  std::sort(out.bad.begin(), out.bad.end());
  const auto same_row = [](const auto& a, const auto& b) { return a.first == b.first; };
  out.bad.erase(std::unique(out.bad.begin(), out.bad.end(), same_row), out.bad.end());
  return out;
}

}  // namespace sluice::kafka
