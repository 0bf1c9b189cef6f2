// A SELECT that needs all rows of its inputs (joins, aggregates, ORDER BY), as flow's BoundedQuery: one DuckDB query
// that pulls its inputs and spills to disk when they do not fit.
#pragma once

#include <memory>

#include "port/transform.h"
#include "sql/select.h"

namespace sluice::sql {

std::unique_ptr<BoundedQuery> make_bounded_select(std::shared_ptr<const Select> select);

}  // namespace sluice::sql
