// A SELECT that works row by row, as flow's RowTransform: passed through on Arrow arrays where it only picks columns,
// else one prepared DuckDB statement per lane.
#pragma once

#include <memory>

#include "port/transform.h"
#include "sql/select.h"

namespace sluice::sql {

std::unique_ptr<RowTransform> make_row_select(std::shared_ptr<const Select> select, std::shared_ptr<LazyEngine> engine);

}  // namespace sluice::sql
