// Simple predicates on Arrow arrays, with DuckDB's semantics: NULL is never true, NaN equals itself and is the
// greatest.
#pragma once

#include <cstdint>
#include <vector>

#include "port/pushdown.h"

namespace arrow {
class Array;
}

namespace sluice::sql {

bool can_compare(const arrow::DataType& type, Predicate::Op op);

// Clears keep[i] where row i of `column` does not satisfy the predicate, whose values are of the column's type.
void narrow(const arrow::Array& column, const Predicate& predicate, std::vector<uint8_t>& keep);

}  // namespace sluice::sql
