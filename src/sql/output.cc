#include "sql/output.h"

#include <arrow/api.h>
#include <arrow/c/bridge.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>

#include "batch/arrow_result.h"

namespace sluice::sql {
namespace {

Error arrow_failure(duckdb_error_data data) {
  const auto& api = loaded_duckdb();
  Owned<duckdb_error_data> owned(data, api.destroy_error_data);
  return user_error("the result cannot leave DuckDB: {}", parse_duck_error(api.error_data_message(data)).message);
}

TypePtr plain_type(const TypePtr& type) {
  if (type->id() != arrow::Type::DICTIONARY) return type;
  return static_cast<const arrow::DictionaryType&>(*type).value_type();
}

std::vector<Owned<duckdb_logical_type>> children_of(const DuckApi& api, duckdb_logical_type type) {
  std::vector<Owned<duckdb_logical_type>> out;
  const auto add = [&](duckdb_logical_type child) { out.emplace_back(child, api.destroy_logical_type); };
  switch (api.get_type_id(type)) {
    case DUCKDB_TYPE_LIST:
      add(api.list_type_child_type(type));
      break;
    case DUCKDB_TYPE_ARRAY:
      add(api.array_type_child_type(type));
      break;
    case DUCKDB_TYPE_MAP:
      add(api.map_type_key_type(type));
      add(api.map_type_value_type(type));
      break;
    case DUCKDB_TYPE_STRUCT:
      for (idx_t i = 0; i < api.struct_type_child_count(type); ++i) add(api.struct_type_child_type(type, i));
      break;
    case DUCKDB_TYPE_UNION:
      for (idx_t i = 0; i < api.union_type_member_count(type); ++i) add(api.union_type_member_type(type, i));
      break;
    default:
      break;
  }
  return out;
}

// The type in `type` whose values Arrow would get as something else: a time without its zone, a number as bytes. Empty:
// none.
std::string_view type_without_arrow(const DuckApi& api, duckdb_logical_type type) {
  switch (api.get_type_id(type)) {
    case DUCKDB_TYPE_TIME_TZ:
      return "TIME WITH TIME ZONE";
    case DUCKDB_TYPE_UHUGEINT:
      return "UHUGEINT";
    case DUCKDB_TYPE_BIT:
      return "BIT";
    case DUCKDB_TYPE_BIGNUM:
      return "BIGNUM";
    default:
      break;
  }
  for (const auto& child : children_of(api, type)) {
    if (const auto found = type_without_arrow(api, child.get()); !found.empty()) return found;
  }
  return {};
}

}  // namespace

Result<OutputColumns> OutputColumns::make(Connection& connection, duckdb_prepared_statement statement) {
  const auto& api = connection.api();
  OutputColumns output{Owned<duckdb_arrow_options>(api.destroy_arrow_options)};
  api.connection_get_arrow_options(connection.handle(), output.options_.out());
  idx_t count = api.prepared_statement_column_count(statement);
  std::vector<Owned<duckdb_logical_type>> owned;
  std::vector<duckdb_logical_type> types;
  std::vector<std::string> names;
  std::vector<const char*> name_pointers;
  for (idx_t i = 0; i < count; ++i) {
    owned.emplace_back(api.prepared_statement_column_logical_type(statement, i), api.destroy_logical_type);
    types.push_back(owned.back().get());
    const char* name = api.prepared_statement_column_name(statement, i);
    names.emplace_back(name);
    api.free(const_cast<char*>(name));
    const auto foreign = type_without_arrow(api, types.back());
    if (!foreign.empty()) {
      return user_error("column '{}' holds values of type {}, which cannot leave DuckDB; CAST them to VARCHAR",
                        names.back(), foreign);
    }
  }
  for (const auto& name : names) name_pointers.push_back(name.c_str());
  ArrowSchema schema{};
  auto error = api.to_arrow_schema(output.options_.get(), types.data(), name_pointers.data(), count, &schema);
  if (error != nullptr) return arrow_failure(error);
  output.raw_ = TRY(to_result(arrow::ImportSchema(&schema)));
  arrow::FieldVector fields;
  for (const auto& field : output.raw_->fields())
    fields.push_back(arrow::field(field->name(), plain_type(field->type())));
  output.schema_ = arrow::schema(fields);
  return output;
}

Result<BatchPtr> OutputColumns::convert(duckdb_data_chunk chunk) const {
  ArrowArray array{};
  auto error = loaded_duckdb().data_chunk_to_arrow(options_.get(), chunk, &array);
  if (error != nullptr) return arrow_failure(error);
  auto batch = TRY(to_result(arrow::ImportRecordBatch(&array, raw_)));
  arrow::ArrayVector columns = batch->columns();
  for (auto& column : columns) {
    if (column->type_id() != arrow::Type::DICTIONARY) continue;
    const auto& dictionary = static_cast<const arrow::DictionaryArray&>(*column);
    column = TRY(to_result(arrow::compute::Take(*dictionary.dictionary(), *dictionary.indices())));
  }
  return arrow::RecordBatch::Make(schema_, batch->num_rows(), std::move(columns));
}

Result<BatchPtr> OutputColumns::join(const arrow::RecordBatchVector& batches) const {
  if (batches.empty()) return to_result(arrow::RecordBatch::MakeEmpty(schema_));
  if (batches.size() == 1) return batches.front();
  return to_result(arrow::ConcatenateRecordBatches(batches));
}

}  // namespace sluice::sql
