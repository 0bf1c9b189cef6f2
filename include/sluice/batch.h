// Rows travel as Arrow record batches. Who does not want to build those by hand gives and takes JSON.
#pragma once

#include <memory>
#include <span>
#include <string>

#include <arrow/type_fwd.h>

#include "sluice/result.h"

namespace sluice {

using SchemaPtr = std::shared_ptr<arrow::Schema>;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

// One JSON object per row. Without a schema, types are inferred from these rows; with one, a value that does not fit is
// an error that names row and column.
Result<BatchPtr> batch_from_json(std::span<const std::string> objects, const SchemaPtr& schema = nullptr);

// One line of JSON per row.
Result<std::string> batch_to_json(const BatchPtr& batch);

// 'id BIGINT, tags VARCHAR[], user STRUCT(id BIGINT, city VARCHAR)': SQL's type names.
Result<SchemaPtr> parse_columns(std::string_view text);

}  // namespace sluice
