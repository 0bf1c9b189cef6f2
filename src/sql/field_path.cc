#include "sql/field_path.h"

#include <arrow/api.h>

#include "batch/arrow_result.h"

namespace sluice::sql {

FieldPath field_path(const ColumnPath& path, const arrow::Schema& schema) {
  FieldPath out{schema.GetFieldIndex(path[0])};
  auto type = schema.field(out[0])->type();
  for (size_t i = 1; i < path.size(); ++i) {
    out.push_back(static_cast<const arrow::StructType&>(*type).GetFieldIndex(path[i]));
    type = TypePtr(type->field(out.back())->type());
  }
  return out;
}

TypePtr type_at(const FieldPath& path, const arrow::Schema& schema) {
  auto type = schema.field(path[0])->type();
  for (size_t i = 1; i < path.size(); ++i) type = TypePtr(type->field(path[i])->type());
  return type;
}

Result<std::shared_ptr<arrow::Array>> follow(const arrow::RecordBatch& batch, const FieldPath& path) {
  auto array = batch.column(path[0]);
  for (size_t i = 1; i < path.size(); ++i) {
    array = TRY(to_result(static_cast<const arrow::StructArray&>(*array).GetFlattenedField(path[i])));
  }
  return array;
}

}  // namespace sluice::sql
