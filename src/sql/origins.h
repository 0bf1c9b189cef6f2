// Where the columns of a SELECT's output come from, as far as its list says.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sql/select.h"

namespace sluice::sql {

struct Origin {
  bool known = false;  // nothing below is, where an item stands for columns that only DuckDB knows
  std::string name;    // empty: DuckDB's choice
  int source = -1;     // the column of the first input that passes through
  bool fills_nulls = false;
  std::optional<std::vector<Names>> reads;  // what a computed one is made of; nothing: we cannot tell
};

// The columns that the list makes of the first input; nothing where one of its items is not known.
std::optional<std::vector<Origin>> planned_origins(const SelectInfo& info, const SchemaPtr& input);

// Of each column of `output`. The list is followed from its front and from its end up to an item that is not known, by
// place: names may be there twice.
std::vector<Origin> origins_of(const SelectInfo& info, const std::vector<SchemaPtr>& inputs,
                               const arrow::Schema& output);

// Can it change without the source's own key, which is the columns that are not nullable?
bool is_of_source_key(const Origin& origin, const SelectInfo& info, const arrow::Schema& input);

}  // namespace sluice::sql
