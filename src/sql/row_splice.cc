// The text of a row-wise SELECT as DuckDB gets it.
#include <algorithm>
#include <array>

#include "sql/lane_query.h"

namespace sluice::sql {
namespace {

bool ends_condition(const Token& token) {
  static constexpr std::array<std::string_view, 18> kWords = {
      "where", "group", "having", "window", "qualify", "order",   "limit", "offset",      "join",
      "inner", "left",  "right",  "full",   "cross",   "natural", "using", "tablesample", "asof"};
  return token.is_symbol(",") || token.is_symbol(")") ||
         std::any_of(kWords.begin(), kWords.end(), [&](auto word) { return token.is_word(word); });
}

size_t token_at(const Select& select, size_t offset) {
  const auto& tokens = *select.tokens;
  auto found = std::lower_bound(tokens.begin(), tokens.end(), offset,
                                [](const Token& token, size_t value) { return token.begin < value; });
  return static_cast<size_t>(found - tokens.begin());
}

// o JOIN c ON o.x = c.y  becomes  o POSITIONAL JOIN c: our lookup hands out both sides aligned row by row. DuckDB then
// resolves o.id, c.name, *, o.* itself. It becomes o alone where c has no columns.
void make_positional(const Select& select, const InputRef& right, const std::string& call,
                     std::vector<Splice>& splices) {
  const auto& tokens = *select.tokens;
  size_t first = token_at(select, right.begin);
  while (!tokens[first].is_word("join")) --first;
  size_t join_end = tokens[first].end;
  auto is_kind = [](const Token& t) { return t.is_word("inner") || t.is_word("left") || t.is_word("outer"); };
  while (is_kind(tokens[first - 1])) --first;
  const size_t begin = tokens[first].begin;
  if (!call.empty()) splices.push_back({begin, join_end, "POSITIONAL JOIN"});

  size_t condition = token_at(select, right.end);
  while (!tokens[condition].is_word("on") && !tokens[condition].is_word("using")) ++condition;
  size_t end = condition + 1;
  while (end < select.statement.select_last_token && !ends_condition(tokens[end])) {
    if (tokens[end].is_symbol("(")) end = matching_close(tokens, end);
    ++end;
  }
  splices.push_back({call.empty() ? begin : tokens[condition].begin, tokens[end - 1].end, ""});
}

Result<Splice> ride_along(const Select& select, const std::vector<std::string>& columns) {
  const auto& tokens = *select.tokens;
  std::string text;
  for (const auto& column : columns) text += ", " + quote_identifier(select.info.inputs[0].alias) + '.' + column;
  size_t at = select.statement.select_first_token;
  if (tokens[at].is_word("from")) {
    return user_error("{}: write SELECT … FROM … to read changes", select.script->position(tokens[at].begin));
  }
  for (; at < select.statement.select_last_token; ++at) {
    if (tokens[at].is_word("from")) return Splice{tokens[at - 1].end, tokens[at - 1].end, text};
    if (tokens[at].is_symbol("(") || tokens[at].is_symbol("[")) at = matching_close(tokens, at);
  }
  return bug("a SELECT that reads an input has no FROM");
}

}  // namespace

Result<std::vector<Splice>> splice_row_wise(const Select& select, const std::vector<std::string>& calls,
                                            const std::vector<std::string>& riding_columns, const Assembly* reduced) {
  std::vector<Splice> splices;
  for (size_t i = 0; i < select.info.inputs.size(); ++i) {
    const auto& input = select.info.inputs[i];
    if (calls[i].empty()) continue;
    std::string alias = input.needs_alias ? " AS " + quote_identifier(input.alias) : "";
    splices.push_back({input.begin, input.end, calls[i] + alias});
  }
  for (const auto& lookup : select.info.lookups) {
    make_positional(select, select.info.inputs[lookup.input], calls[lookup.input], splices);
  }
  if (reduced != nullptr) {
    auto list = reduced->splices(select);
    splices.insert(splices.end(), list.begin(), list.end());
  } else if (!riding_columns.empty()) {
    splices.push_back(TRY(ride_along(select, riding_columns)));
  }
  return splices;
}

}  // namespace sluice::sql
