// Which row groups cannot hold a row that passes a filter, by the statistics in the file's footer.
#pragma once

#include <vector>

#include <arrow/scalar.h>
#include <parquet/arrow/schema.h>
#include <parquet/metadata.h>

#include "port/pushdown.h"

namespace sluice::parquet_format_detail {

// False only when no row of the row group satisfies all predicates. Statistics that are missing, inexact or of a type
// that does not compare with the literal prove nothing. NaN counts as greater than every number, as in DuckDB.
bool may_match(const parquet::FileMetaData& metadata, const parquet::arrow::SchemaManifest& manifest, int row_group,
               const std::vector<Predicate>& filter);

// <0, 0, >0; empty when the two cannot be compared exactly (types apart, NULL, NaN).
std::optional<int> compare(const arrow::Scalar& a, const arrow::Scalar& b);

}  // namespace sluice::parquet_format_detail
