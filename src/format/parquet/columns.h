// A Parquet file's columns as Sluice sees them, and which of them a request needs.
#pragma once

#include <memory>
#include <vector>

#include <parquet/arrow/schema.h>

#include "base/result.h"
#include "batch/schema.h"
#include "port/pushdown.h"

namespace sluice::parquet_format_detail {

// The types that the rest of Sluice works with: no large, view, dictionary, half-float or small-decimal types;
// Parquet's ENUM is text.
TypePtr plain_type(const parquet::arrow::SchemaField& field, const parquet::SchemaDescriptor& columns);
SchemaPtr plain_schema(const parquet::arrow::SchemaManifest& manifest);

// Casts every column that is not of its plain type yet. Text that is not UTF-8 is an error naming the column.
Result<BatchPtr> make_plain(const BatchPtr& batch, const SchemaPtr& plain);

// The leaf columns (Parquet's numbering) that hold the fields of `wanted`; those that the file lacks are left out.
std::vector<int> leaves_of(const parquet::arrow::SchemaManifest& manifest, const arrow::Schema& wanted);

// The leaf that `path` leads to through structs. Null: the file has no such column.
const parquet::arrow::SchemaField* find_leaf(const parquet::arrow::SchemaManifest& manifest, const ColumnPath& path);

}  // namespace sluice::parquet_format_detail
