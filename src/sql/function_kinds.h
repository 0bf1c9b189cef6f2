// Which of DuckDB's functions a row-wise SELECT may call: an allow-list.
#pragma once

#include <string_view>

namespace sluice::sql {

enum class FunctionKind {
  row_wise,     // the same result for the same row, always
  aggregate,    // needs more than one row
  is_volatile,  // random(), uuid()
  clock,        // now(), current_date
  unknown,
};

FunctionKind kind_of_function(std::string_view name);      // without case
std::string_view nearest_function(std::string_view name);  // among the row-wise ones; empty when nothing is near

}  // namespace sluice::sql
