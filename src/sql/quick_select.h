// A reader for the simplest SELECTs, so that they start without loading DuckDB (20 ms and 40 MB):
// SELECT * | column [AS name], … FROM connector(…) [[AS] alias] [WHERE column OP literal AND …]
// [LIMIT n].
#pragma once

#include <optional>
#include <string>

#include "sql/select.h"

namespace sluice::sql {

struct QuickSelect {
  SelectInfo info;        // without inputs
  size_t call_token = 0;  // where the connector call begins
  std::string alias;      // empty: none written
};

// Nothing for anything else, mistakes included: DuckDB's parser then has the word.
std::optional<QuickSelect> read_quick_select(const std::vector<Token>& tokens, const Statement& statement);

}  // namespace sluice::sql
