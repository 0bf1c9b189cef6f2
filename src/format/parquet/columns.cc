#include "format/parquet/columns.h"

#include <algorithm>

#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <parquet/schema.h>

#include "batch/arrow_result.h"
#include "batch/plain.h"

namespace sluice::parquet_format_detail {
namespace {

using arrow::Type;
using parquet::arrow::SchemaField;
using parquet::arrow::SchemaManifest;

std::shared_ptr<arrow::Field> plain_field(const SchemaField& field, const parquet::SchemaDescriptor& columns) {
  return field.field->WithType(plain_type(field, columns))->RemoveMetadata();
}

bool contains(const arrow::FieldVector& wanted, const std::string& name, std::shared_ptr<arrow::Field>* found) {
  for (const auto& field : wanted) {
    if (field->name() != name) continue;
    *found = field;
    return true;
  }
  return false;
}

void add_all_leaves(const SchemaField& field, std::vector<int>& leaves) {
  if (field.is_leaf()) leaves.push_back(field.column_index);
  for (const auto& child : field.children) add_all_leaves(child, leaves);
}

int first_leaf(const SchemaField& field) {
  return field.is_leaf() || field.children.empty() ? field.column_index : first_leaf(field.children[0]);
}

void add_leaves(const std::vector<SchemaField>& fields, const arrow::FieldVector& wanted, std::vector<int>& leaves) {
  for (const auto& field : fields) {
    std::shared_ptr<arrow::Field> match;
    if (!contains(wanted, field.field->name(), &match)) continue;
    if (match->type()->id() != Type::STRUCT || field.field->type()->id() != Type::STRUCT) {
      add_all_leaves(field, leaves);
      continue;
    }
    size_t before = leaves.size();
    add_leaves(field.children, match->type()->fields(), leaves);
    // A struct with none of the wanted fields in this file is still NULL or not: any leaf of it tells.
    if (leaves.size() == before) leaves.push_back(first_leaf(field));
  }
}

}  // namespace

TypePtr plain_type(const SchemaField& field, const parquet::SchemaDescriptor& columns) {
  const auto& type = field.field->type();
  if (field.is_leaf()) {
    const auto& logical = columns.Column(field.column_index)->logical_type();
    if (logical != nullptr && logical->is_enum()) return arrow::utf8();
    return sluice::plain_type(type);
  }
  auto child = [&](size_t i) { return plain_field(field.children[i], columns); };
  switch (type->id()) {
    case Type::STRUCT: {
      arrow::FieldVector fields;
      for (size_t i = 0; i < field.children.size(); ++i) fields.push_back(child(i));
      return arrow::struct_(fields);
    }
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::LIST_VIEW:
    case Type::LARGE_LIST_VIEW:
      return arrow::list(child(0));
    case Type::FIXED_SIZE_LIST:
      return arrow::fixed_size_list(child(0), static_cast<const arrow::FixedSizeListType&>(*type).list_size());
    case Type::MAP: {
      const auto& entries = field.children[0];
      auto key = plain_field(entries.children[0], columns)->WithNullable(false);
      return std::make_shared<arrow::MapType>(std::move(key), plain_field(entries.children[1], columns));
    }
    default:
      return sluice::plain_type(type);
  }
}

SchemaPtr plain_schema(const SchemaManifest& manifest) {
  arrow::FieldVector fields;
  for (const auto& field : manifest.schema_fields) fields.push_back(plain_field(field, *manifest.descr));
  return arrow::schema(std::move(fields));
}

Result<BatchPtr> make_plain(const BatchPtr& batch, const SchemaPtr& plain) {
  arrow::ArrayVector columns = batch->columns();
  for (int i = 0; i < batch->num_columns(); ++i) {
    const auto& type = plain->field(i)->type();
    auto& column = columns[static_cast<size_t>(i)];
    if (column->type()->Equals(*type)) continue;
    auto cast = arrow::compute::Cast(arrow::Datum(column), arrow::compute::CastOptions::Safe(type));
    if (!cast.ok()) {
      return from_arrow(cast.status()).while_doing(fmt::format("reading column {}", plain->field(i)->name()));
    }
    column = cast->make_array();
  }
  return arrow::RecordBatch::Make(plain, batch->num_rows(), std::move(columns));
}

std::vector<int> leaves_of(const SchemaManifest& manifest, const arrow::Schema& wanted) {
  std::vector<int> leaves;
  add_leaves(manifest.schema_fields, wanted.fields(), leaves);
  return leaves;
}

const SchemaField* find_leaf(const SchemaManifest& manifest, const ColumnPath& path) {
  const std::vector<SchemaField>* fields = &manifest.schema_fields;
  const SchemaField* found = nullptr;
  for (const auto& name : path) {
    auto match = std::find_if(fields->begin(), fields->end(),
                              [&](const SchemaField& field) { return field.field->name() == name; });
    if (match == fields->end()) return nullptr;
    found = &*match;
    fields = &match->children;
  }
  return found;
}

}  // namespace sluice::parquet_format_detail
