// The allow-list: what may stand in a SELECT that runs row by row.
#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "sql/function_kinds.h"
#include "sql/select.h"

namespace sluice::sql {
namespace {

// Offset of the first of `keywords` outside of parentheses: the tree has no positions for clauses.
size_t clause_offset(const Select& select, std::initializer_list<std::string_view> keywords) {
  const auto& tokens = *select.tokens;
  for (size_t i = select.statement.select_first_token; i < select.statement.select_last_token; ++i) {
    if (tokens[i].is_symbol("(") || tokens[i].is_symbol("[")) i = matching_close(tokens, i);
    for (auto keyword : keywords) {
      if (tokens[i].is_word(keyword)) return tokens[i].begin;
    }
  }
  return select.statement.select_begin;
}

class Checker {
 public:
  explicit Checker(const Select& select) : select_(select), near_(select.statement.select_begin) {}

  std::optional<Refusal> node(const Json& node) {
    std::string type = node.value("type", "");
    if (type == "SET_OPERATION_NODE") {
      return at_clause({"union", "intersect", "except"}, "UNION, INTERSECT and EXCEPT need all rows of both sides");
    }
    if (type != "SELECT_NODE") return at_clause({"with", "recursive"}, "only a plain SELECT works row by row");
    if (!node["cte_map"]["map"].empty()) {
      return at_clause({"with"}, "WITH defines a query of its own; write it as one SELECT");
    }
    for (const auto& modifier : node["modifiers"]) {
      if (auto found = this->modifier(modifier.value("type", ""))) return found;
    }
    if (!node["group_expressions"].empty() || !node["group_sets"].empty()) {
      return at_clause({"group"}, "GROUP BY needs all rows");
    }
    if (!node["having"].is_null()) return at_clause({"having"}, "HAVING needs all rows");
    if (!node["qualify"].is_null())
      return at_clause({"qualify"}, "QUALIFY filters a window, which needs more than one row");
    if (!node["sample"].is_null()) return at_clause({"using", "tablesample"}, "a sample is different each time");
    for (const auto& item : node["select_list"]) {
      if (auto found = expression(item)) return found;
    }
    if (!node["where_clause"].is_null()) return expression(node["where_clause"]);
    return std::nullopt;
  }

  std::optional<Refusal> expression(const Json& node) {
    near_ = offset_of(node, select_, near_);
    std::string kind = node.value("class", "");
    if (kind == "WINDOW") return here("a window function needs more than one row");
    if (kind == "SUBQUERY") return here("a subquery is a query of its own; use a lookup JOIN");
    if (kind == "FUNCTION") {
      if (auto found = function(node)) return found;
    } else if (kind == "COLUMN_REF") {
      return column(node);
    } else if (kind == "PARAMETER") {
      return here("parameters ($1, ?) have no value here; use ${NAME} and --var");
    } else if (!is_allowed(kind)) {
      return here(fmt::format("{} is not known to work row by row", to_lower(kind)));
    }
    return children(node);
  }

 private:
  static bool is_allowed(std::string_view kind) {
    static constexpr std::array<std::string_view, 11> kAllowed = {"BETWEEN",    "CASE",        "CAST",     "COLLATE",
                                                                  "COMPARISON", "CONJUNCTION", "CONSTANT", "LAMBDA",
                                                                  "LAMBDA_REF", "OPERATOR",    "STAR"};
    return std::find(kAllowed.begin(), kAllowed.end(), kind) != kAllowed.end();
  }

  std::optional<Refusal> modifier(const std::string& type) {
    if (type == "DISTINCT_MODIFIER") return at_clause({"distinct"}, "DISTINCT needs all rows");
    if (type == "ORDER_MODIFIER") return at_clause({"order"}, "ORDER BY needs all rows");
    if (type == "LIMIT_MODIFIER" || type == "LIMIT_PERCENT_MODIFIER") {
      return at_clause({"limit", "offset", "fetch"}, "LIMIT and OFFSET count over all rows");
    }
    return Refusal{fmt::format("{} needs all rows", to_lower(type)), near_};
  }

  std::optional<Refusal> function(const Json& node) {
    std::string name = node.value("function_name", "");
    bool aggregate = node.value("distinct", false) || !node["filter"].is_null() ||
                     (node.contains("order_bys") && !node["order_bys"]["orders"].empty());
    if (to_lower(name) == "age" && node["children"].size() == 1) {
      return here("age() of one time counts from today, not from the row; give it two times");
    }
    switch (aggregate ? FunctionKind::aggregate : kind_of_function(name)) {
      case FunctionKind::row_wise:
        return std::nullopt;
      case FunctionKind::aggregate:
        return here(fmt::format("{}() is an aggregate, which needs all rows", shown(name)));
      case FunctionKind::is_volatile:
        return here(
            fmt::format("{}() gives a different value each time, so that a replay after a crash would deliver "
                        "other rows; derive the value from columns, as in md5(…)",
                        name));
      case FunctionKind::clock:
        return here(fmt::format("{}() is the time of the query, not of the row; use a time column", name));
      case FunctionKind::unknown:
        break;
    }
    auto near = nearest_function(name);
    return here(near.empty()
                    ? fmt::format("function {}() is not known to work row by row", name)
                    : fmt::format("function {}() is not known to work row by row; did you mean {}()?", name, near));
  }

  static std::string shown(const std::string& name) { return name == "count_star" ? "count" : name; }

  std::optional<Refusal> column(const Json& node) {
    const auto& names = node["column_names"];
    if (names.size() != 1) return std::nullopt;
    std::string name = names[0].get<std::string>();
    // These need no parentheses.
    static constexpr std::array<std::string_view, 5> kClocks = {"current_date", "current_time", "current_timestamp",
                                                                "localtime", "localtimestamp"};
    if (std::find(kClocks.begin(), kClocks.end(), to_lower(name)) == kClocks.end()) return std::nullopt;
    return here(fmt::format("{} is the time of the query, not of the row; use a time column", name));
  }

  std::optional<Refusal> children(const Json& node) {
    for (const auto& [key, value] : node.items()) {
      if (value.is_object() && value.contains("class")) {
        if (auto found = expression(value)) return found;
      } else if (value.is_object() || value.is_array()) {
        if (key == "value" || key == "cast_type") continue;  // constants and types hold no expressions
        if (auto found = children(value)) return found;
      }
    }
    return std::nullopt;
  }

  std::optional<Refusal> here(std::string reason) const { return Refusal{std::move(reason), near_}; }
  std::optional<Refusal> at_clause(std::initializer_list<std::string_view> keywords, std::string reason) const {
    return Refusal{std::move(reason), clause_offset(select_, keywords)};
  }

  const Select& select_;
  size_t near_;
};

}  // namespace

std::optional<Refusal> find_stateful(const Json& node, const Select& select) { return Checker(select).node(node); }

}  // namespace sluice::sql
