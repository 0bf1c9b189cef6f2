// A column or struct field by indices, for the hot path.
#pragma once

#include <memory>
#include <vector>

#include "batch/schema.h"
#include "port/pushdown.h"

namespace sluice::sql {

using FieldPath = std::vector<int>;

FieldPath field_path(const ColumnPath& path, const arrow::Schema& schema);
TypePtr type_at(const FieldPath& path, const arrow::Schema& schema);

// The array the path leads to, without copying values; a field of a NULL struct is NULL.
Result<std::shared_ptr<arrow::Array>> follow(const arrow::RecordBatch& batch, const FieldPath& path);

}  // namespace sluice::sql
