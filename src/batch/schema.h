// Arrow schemas as Sluice uses them: the shared type mapping, widening, and unification of files whose schemas differ.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <arrow/type_fwd.h>

#include "base/result.h"

namespace sluice {

using SchemaPtr = std::shared_ptr<arrow::Schema>;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;
using TypePtr = std::shared_ptr<arrow::DataType>;

// 'id BIGINT, tags VARCHAR[], user STRUCT(id BIGINT, city VARCHAR), price DECIMAL(12,2)': DuckDB's type names. Column
// names may be double-quoted; NOT NULL may follow a type. UUID and JSON are read as text (utf8), HUGEINT as
// DECIMAL(38,0), TIMESTAMPTZ as timestamp[us, UTC]. Errors name the column and the position (bytes, from 1).
Result<SchemaPtr> parse_columns(std::string_view text);
Result<TypePtr> parse_type(std::string_view text);
// The inverse, in DuckDB's spelling; what `sluice schema` and every error message print.
std::string type_name(const arrow::DataType& type);

// The narrowest type that holds every value of both without loss (int32+int64 → int64, int64+double → error unless
// exact is not needed: int64 does not fit a double, so it is refused; null+T → T; decimals grow; timestamps take the
// finer unit; structs unify by field name; lists by element). Refused pairs come back as Fault::user naming both types.
Result<TypePtr> widen(const TypePtr& a, const TypePtr& b);

// Union by column name (case-sensitive), order of first appearance; columns missing on one side become nullable.
// The error names the column and both types.
Result<SchemaPtr> unify(const SchemaPtr& a, const SchemaPtr& b);

// Casts `batch` to `schema` by column name: missing columns become null, widening casts are exact, a value that does
// not fit is Fault::user naming column, row (0-based in the batch) and value. Zero-copy where the types are equal; the
// batch itself where the schemas are. Columns that `schema` lacks are left out. Narrowing within a family (numbers,
// text, dates and timestamps, …) is allowed where every value is exact; across families it is an error, also for "1"
// → 1.
Result<BatchPtr> conform(const BatchPtr& batch, const SchemaPtr& schema);

// Reserved names of change columns (_op, _ts, _pos, …) in user data are an error, never a guess.
Result<void> refuse_reserved_columns(const arrow::Schema& schema, std::string_view where);

}  // namespace sluice
