// A SELECT that works row by row, as flow's RowTransform: passed through on Arrow arrays where it only picks columns,
// else one prepared DuckDB statement per lane.
#pragma once

#include <memory>

#include "port/transform.h"
#include "sql/select.h"

namespace sluice::sql {

// `keys` are the columns that the sink takes a row's key from, as far as the statement says so.
std::unique_ptr<RowTransform> make_row_select(std::shared_ptr<const Select> select, std::shared_ptr<LazyEngine> engine,
                                              std::vector<std::string> keys);

}  // namespace sluice::sql
