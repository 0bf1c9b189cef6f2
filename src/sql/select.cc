#include "sql/select.h"

#include <algorithm>
#include <functional>

#include <nlohmann/json.hpp>

namespace sluice::sql {
namespace {

Names names_of(const Json& column_ref) { return column_ref["column_names"].get<Names>(); }

bool is_column(const Json& node) { return node.is_object() && node.value("class", "") == "COLUMN_REF"; }

std::string scaled(const std::string& digits, int scale) {
  if (scale == 0) return digits;
  bool negative = digits.starts_with('-');
  std::string text = negative ? digits.substr(1) : digits;
  if (text.size() <= static_cast<size_t>(scale)) text.insert(0, static_cast<size_t>(scale) + 1 - text.size(), '0');
  text.insert(text.size() - static_cast<size_t>(scale), 1, '.');
  return (negative ? "-" : "") + text;
}

std::optional<Literal> constant(const Json& node) {
  const auto& value = node["value"];
  if (value.value("is_null", true) || !value.contains("value")) return std::nullopt;
  std::string type = value["type"].value("id", "");
  const auto& content = value["value"];
  if (type == "VARCHAR" && content.is_string()) return Literal{Literal::Kind::text, content.get<std::string>()};
  if (type == "INTEGER" || type == "BIGINT" || type == "DOUBLE") {
    const auto kind = type == "DOUBLE" ? Literal::Kind::floating : Literal::Kind::number;
    if (content.is_number()) return Literal{kind, content.dump()};
  }
  if (type == "DECIMAL" && content.is_number_integer()) {
    return Literal{Literal::Kind::number, scaled(content.dump(), value["type"]["type_info"].value("scale", 0))};
  }
  return std::nullopt;
}

std::optional<Literal> literal(const Json& node) {
  if (node.value("class", "") == "CONSTANT") return constant(node);
  if (node.value("class", "") != "CAST" || node.value("try_cast", false)) return std::nullopt;
  if (node["child"].value("class", "") != "CONSTANT") return std::nullopt;
  auto inner = constant(node["child"]);
  if (!inner || inner->kind != Literal::Kind::text) return std::nullopt;
  std::string type = node["cast_type"].value("id", "");
  if (type == "BOOLEAN" && (inner->text == "t" || inner->text == "f")) {
    return Literal{Literal::Kind::boolean, inner->text == "t" ? "true" : "false"};
  }
  if (type == "DATE") return Literal{Literal::Kind::date, inner->text};
  if (type == "TIMESTAMP") return Literal{Literal::Kind::timestamp, inner->text};
  if (type == "TIMESTAMP WITH TIME ZONE") return Literal{Literal::Kind::timestamptz, inner->text};
  return std::nullopt;
}

std::optional<Predicate::Op> comparison(std::string_view type, bool swapped) {
  using Op = Predicate::Op;
  if (type == "COMPARE_EQUAL") return Op::eq;
  if (type == "COMPARE_NOTEQUAL") return Op::ne;
  if (type == "COMPARE_LESSTHAN") return swapped ? Op::gt : Op::lt;
  if (type == "COMPARE_LESSTHANOREQUALTO") return swapped ? Op::ge : Op::le;
  if (type == "COMPARE_GREATERTHAN") return swapped ? Op::lt : Op::gt;
  if (type == "COMPARE_GREATERTHANOREQUALTO") return swapped ? Op::le : Op::ge;
  return std::nullopt;
}

// One conjunct as predicates (BETWEEN gives two), or false.
bool simple_operator(const Json& node, std::vector<SimplePredicate>& out) {
  std::string type = node.value("type", "");
  const auto& children = node["children"];
  if (children.empty() || !is_column(children[0])) return false;
  Names column = names_of(children[0]);
  if (type == "OPERATOR_IS_NULL" || type == "OPERATOR_IS_NOT_NULL") {
    auto op = type == "OPERATOR_IS_NULL" ? Predicate::Op::is_null : Predicate::Op::is_not_null;
    out.push_back({std::move(column), op, {}});
    return true;
  }
  if (type == "OPERATOR_NOT") {
    out.push_back({std::move(column), Predicate::Op::eq, {{Literal::Kind::boolean, "false"}}});
    return true;
  }
  if (type != "COMPARE_IN" || children.size() < 2) return false;
  SimplePredicate predicate{std::move(column), Predicate::Op::in, {}};
  for (size_t i = 1; i < children.size(); ++i) {
    auto value = literal(children[i]);
    if (!value) return false;
    predicate.literals.push_back(std::move(*value));
  }
  out.push_back(std::move(predicate));
  return true;
}

bool simple_conjunct(const Json& node, std::vector<SimplePredicate>& out) {
  std::string kind = node.value("class", "");
  if (kind == "COLUMN_REF") {
    out.push_back({names_of(node), Predicate::Op::eq, {{Literal::Kind::boolean, "true"}}});
    return true;
  }
  if (kind == "OPERATOR") return simple_operator(node, out);
  if (kind == "COMPARISON") {
    bool swapped = !is_column(node["left"]);
    const auto& column = swapped ? node["right"] : node["left"];
    auto op = comparison(node.value("type", ""), swapped);
    auto value = literal(swapped ? node["left"] : node["right"]);
    if (!is_column(column) || !op || !value) return false;
    out.push_back({names_of(column), *op, {std::move(*value)}});
    return true;
  }
  if (kind == "BETWEEN" && node.value("type", "") == "COMPARE_BETWEEN" && is_column(node["input"])) {
    auto low = literal(node["lower"]);
    auto high = literal(node["upper"]);
    if (!low || !high) return false;
    out.push_back({names_of(node["input"]), Predicate::Op::ge, {std::move(*low)}});
    out.push_back({names_of(node["input"]), Predicate::Op::le, {std::move(*high)}});
    return true;
  }
  return false;
}

void read_filter(const Json& where, SelectInfo& info) {
  if (where.is_null()) return;
  if (where.value("type", "") == "CONJUNCTION_AND") {
    for (const auto& child : where["children"]) read_filter(child, info);
  } else if (!simple_conjunct(where, info.filter)) {
    info.filter_is_simple = false;
  }
}

bool is_bare_star(const Json& node) {
  return node.value("class", "") == "STAR" && !node.value("columns", false) && node["expr"].is_null() &&
         node["exclude_list"].empty() && node["qualified_exclude_list"].empty() && node["replace_list"].empty() &&
         node["rename_list"].empty();
}

// * EXCLUDE (…) REPLACE (…)
bool keeps_names(const Json& node) {
  return node.value("class", "") == "STAR" && !node.value("columns", false) && node["rename_list"].empty();
}

bool calls(const Json& node, std::string_view function) {
  if (node.is_object() && node.value("function_name", Json()) == function) return true;
  if (!node.is_object() && !node.is_array()) return false;
  return std::any_of(node.begin(), node.end(), [&](const Json& child) { return calls(child, function); });
}

bool contains_star(const Json& node) {
  if (node.is_object() && node.value("class", Json()) == "STAR") return true;
  if (!node.is_object() && !node.is_array()) return false;
  return std::any_of(node.begin(), node.end(), contains_star);
}

// o.*, COLUMNS(o.*), o.* EXCLUDE (…)
bool has_star_of(const Json& node, std::string_view relation) {
  if (node.is_object() && node.value("class", Json()) == "STAR") {
    if (equals_ignoring_case(node.value("relation_name", ""), relation)) return true;
  }
  if (!node.is_object() && !node.is_array()) return false;
  return std::any_of(node.begin(), node.end(), [&](const Json& child) { return has_star_of(child, relation); });
}

// Is it NULL where a column in it is? Casts and operators are, and few functions are known to be here.
bool keeps_nulls(const Json& node) {
  const std::string kind = node.value("class", "");
  if (kind == "COLUMN_REF" || kind == "CONSTANT") return true;
  if (kind == "STAR") {
    const auto& replaced = node["replace_list"];
    return std::all_of(replaced.begin(), replaced.end(), [](const Json& entry) { return keeps_nulls(entry["value"]); });
  }
  if (kind == "CAST") return keeps_nulls(node["child"]);
  const std::string name = node.value("function_name", "");
  const bool known = name == "lower" || name == "upper" || name == "trim" || name == "md5" || name == "sha256";
  if (kind != "FUNCTION" || (!known && !node.value("is_operator", false))) return false;
  const auto& children = node["children"];
  return std::all_of(children.begin(), children.end(), keeps_nulls);
}

void columns_below(const Json& node, std::vector<Names>& out) {
  if (node.is_object() && node.value("class", Json()) == "COLUMN_REF") out.push_back(names_of(node));
  if (!node.is_object() && !node.is_array()) return;
  for (const auto& child : node) columns_below(child, out);
}

std::vector<Names> columns_in(const Json& node) {
  std::vector<Names> out;
  columns_below(node, out);
  return out;
}

// * EXCLUDE (…) REPLACE (…)
SelectItem read_star(const Json& node) {
  SelectItem item{SelectItem::Kind::opaque, node.value("relation_name", ""), {}, ""};
  item.keeps_names = true;
  for (const auto& name : node["exclude_list"]) item.excluded.push_back(name.get<std::string>());
  for (const auto& name : node["qualified_exclude_list"]) item.excluded.push_back(name["column"].get<std::string>());
  for (const auto& entry : node["replace_list"]) {
    const auto& value = entry["value"];
    item.replaced.push_back({entry["key"].get<std::string>(), !keeps_nulls(value), columns_in(value)});
  }
  return item;
}

SelectItem read_item(const Json& node) {
  using Kind = SelectItem::Kind;
  std::string alias = node.value("alias", "");
  if (is_bare_star(node)) return {Kind::star, node.value("relation_name", ""), {}, ""};
  if (is_column(node)) return {Kind::column, "", names_of(node), alias};
  if (keeps_names(node)) return read_star(node);
  if (contains_star(node) || calls(node, "unnest")) {
    return {Kind::opaque, "", {}, alias, !keeps_nulls(node), contains_star(node)};
  }
  return {Kind::computed, "", {}, alias, !keeps_nulls(node), false, columns_in(node)};
}

void read_items(const Json& list, SelectInfo& info) {
  for (const auto& node : list) info.items.push_back(read_item(node));
  info.plain = std::all_of(info.items.begin(), info.items.end(), [](const SelectItem& item) {
    return item.kind == SelectItem::Kind::star || item.kind == SelectItem::Kind::column;
  });
}

// All column references below `node`; a star, and what counts or groups columns without their names, makes it all.
void read_columns(const Json& node, SelectInfo& info) {
  if (node.is_object()) {
    std::string kind = node.contains("class") && node["class"].is_string() ? node["class"].get<std::string>() : "";
    if (kind == "STAR" || kind == "POSITIONAL_REFERENCE") info.all_columns = true;
    const Json type = node.value("type", Json());
    if (type == "PIVOT" || type == "SHOW_REF") info.all_columns = true;  // what PIVOT does not name it groups by
    if (kind == "COLUMN_REF") info.columns.push_back(names_of(node));
    if (node.contains("using_columns")) {
      for (const auto& name : node["using_columns"]) info.columns.push_back({name.get<std::string>()});
    }
    if (node.value("ref_type", Json()) == "NATURAL") info.all_columns = true;
    if (node.contains("column_name_alias") && !node["column_name_alias"].empty()) info.all_columns = true;
  }
  if (node.is_object() || node.is_array()) {
    for (const auto& child : node) read_columns(child, info);
  }
}

// AS t(a, b)
bool names_columns(const Json& from) { return !from.value("column_name_alias", Json::array()).empty(); }

// Names of AS t(a, b) are DuckDB's to resolve: a column of ours may have the same one.
void leave_names_to_duckdb(SelectInfo& info) {
  for (auto& item : info.items) {
    if (item.kind == SelectItem::Kind::computed) {
      item.reads.reset();
    } else {
      const bool fills =
          std::any_of(item.replaced.begin(), item.replaced.end(), [](const auto& r) { return r.fills_nulls; });
      item = {SelectItem::Kind::opaque, "", {}, item.alias, item.fills_nulls || fills, true};
    }
  }
  info.plain = false;
  info.filter.clear();
  info.filter_is_simple = false;
}

// FROM as a chain of lookup joins: a JOIN b ON … JOIN c ON …
class FromReader {
 public:
  FromReader(const Json& tree, const Select& select, SelectInfo& info) : tree_(tree), select_(select), info_(info) {}

  std::optional<Refusal> read(const Json& from) {
    std::string type = from.value("type", "");
    if (!from["sample"].is_null()) return refuse(from, "a sample is different each time");
    if (type == "JOIN") return join(from);
    if (type == "TABLE_FUNCTION" || type == "BASE_TABLE") return leaf(from);
    if (type == "SUBQUERY") return refuse(from, "a subquery in FROM is a query of its own; write it as one SELECT");
    if (type == "EMPTY") return refuse(from, "it reads from nothing; FROM takes a connector call such as file('…')");
    return refuse(from, fmt::format("{} in FROM is not known to work row by row", to_lower(type)));
  }

 private:
  std::optional<Refusal> refuse(const Json& node, std::string reason) const {
    return Refusal{std::move(reason), offset_of(node, select_, select_.statement.select_begin)};
  }

  std::optional<size_t> input_at(const Json& node) const {
    size_t offset = offset_of(node, select_, 0);
    for (size_t i = 0; i < info_.inputs.size(); ++i) {
      if (info_.inputs[i].begin == offset) return i;
    }
    return std::nullopt;
  }

  std::optional<Refusal> leaf(const Json& from) {
    if (!input_at(from)) return refuse(from, "only connectors can be read row by row");
    if (from.value("with_ordinality", "WITHOUT_ORDINALITY") != "WITHOUT_ORDINALITY") {
      return refuse(from, "WITH ORDINALITY counts over all rows");
    }
    return std::nullopt;
  }

  std::optional<Refusal> join(const Json& from) {
    if (auto found = read(from["left"])) return found;
    const auto& right = from["right"];
    auto input = input_at(right);
    std::string type = from.value("join_type", "");
    if (!input) return refuse(right, "the right side of a lookup JOIN is a connector call");
    if (from.value("ref_type", "") != "REGULAR" || (type != "INNER" && type != "LEFT")) {
      return refuse(from, "only JOIN and LEFT JOIN with an equality condition are lookups");
    }
    if (names_columns(right) || names_columns(from["left"]))
      return refuse(right, "column aliases (AS t(a, b)) do not work in a lookup");
    Lookup lookup;
    lookup.input = *input;
    lookup.keep_unmatched = type == "LEFT";
    lookup.offset = offset_of(from, select_, info_.inputs[*input].begin);
    lookup.using_columns = from["using_columns"].get<Names>();
    for (const auto& name : lookup.using_columns) lookup.keys.push_back({{name}, {name}});
    if (auto found = columns_of_using(lookup)) return found;
    if (!from["condition"].is_null()) {
      if (auto found = condition(from["condition"], *input, lookup)) return found;
    }
    if (lookup.keys.empty()) return refuse(from, "a lookup JOIN needs an equality of columns in ON");
    info_.lookups.push_back(std::move(lookup));
    return std::nullopt;
  }

  // Our lookup hands out the columns of USING on its left side only.
  std::optional<Refusal> columns_of_using(const Lookup& lookup) const {
    const auto& alias = info_.inputs[lookup.input].alias;
    const auto& names = lookup.using_columns;
    const auto is_using = [&](const std::string& name) {
      return std::any_of(names.begin(), names.end(), [&](const auto& u) { return equals_ignoring_case(u, name); });
    };
    const bool named = std::any_of(info_.columns.begin(), info_.columns.end(), [&](const Names& column) {
      if (!equals_ignoring_case(column[0], alias)) return false;
      if (column.size() > 1) return is_using(column[1]);
      // The whole row, or a column that is called so: a stream finds out when it sees the columns (lookup_join.cc).
      return select_.statement.kind != PipelineKind::stream && !is_using(column[0]);
    });
    if (names.empty() || (!named && !has_star_of(tree_, alias))) return std::nullopt;
    return Refusal{
        fmt::format("a lookup has columns of USING from its left side only; write ON …, or name {} without {}",
                    fmt::join(names, ", "), alias),
        lookup.offset};
  }

  std::optional<Refusal> condition(const Json& node, size_t input, Lookup& lookup) {
    if (node.value("type", "") == "CONJUNCTION_AND") {
      for (const auto& child : node["children"]) {
        if (auto found = condition(child, input, lookup)) return found;
      }
      return std::nullopt;
    }
    const char* rule = "a lookup's ON compares columns of both sides with '=' and AND; move other conditions to WHERE";
    if (node.value("type", "") != "COMPARE_EQUAL" || !is_column(node["left"]) || !is_column(node["right"])) {
      return refuse(node, rule);
    }
    Names left = names_of(node["left"]);
    Names right = names_of(node["right"]);
    std::string_view alias = info_.inputs[input].alias;
    auto is_right = [&](const Names& names) { return names.size() > 1 && equals_ignoring_case(names[0], alias); };
    if (alias.empty() || is_right(left) == is_right(right)) {
      return refuse(node, "a lookup's ON needs its right side named: JOIN file('…') AS c ON o.id = c.id");
    }
    if (is_right(left)) std::swap(left, right);
    right.erase(right.begin());
    lookup.keys.push_back({std::move(left), std::move(right)});
    return std::nullopt;
  }

  const Json& tree_;
  const Select& select_;
  SelectInfo& info_;
};

// LIMIT n [OFFSET m] over rows that come out one for one.
std::optional<int64_t> bare_limit(const Json& node, const Select& select) {
  Json unlimited = node;
  unlimited["modifiers"] = Json::array();
  if (find_stateful(unlimited, select) || calls(node["select_list"], "unnest")) return std::nullopt;
  const auto& modifiers = node["modifiers"];
  if (modifiers.size() != 1 || modifiers[0].value("type", "") != "LIMIT_MODIFIER") return std::nullopt;
  if (!node["where_clause"].is_null()) return std::nullopt;
  auto number = [](const Json& value) -> std::optional<int64_t> {
    if (value.is_null()) return 0;
    if (value.value("class", "") != "CONSTANT" || !value["value"]["value"].is_number_integer()) return std::nullopt;
    return value["value"]["value"].get<int64_t>();
  };
  if (modifiers[0]["limit"].is_null()) return std::nullopt;
  auto limit = number(modifiers[0]["limit"]);
  auto offset = number(modifiers[0]["offset"]);
  if (!limit || !offset || *limit < 0 || *offset < 0 || *limit > INT64_MAX - *offset) return std::nullopt;
  return *limit + *offset;
}

}  // namespace

size_t offset_of(const Json& node, const Select& select, size_t fallback) {
  auto found = node.find("query_location");
  if (found == node.end() || !found->is_number_unsigned()) return fallback;
  auto offset = found->get<uint64_t>();
  if (offset > select.statement.select_end - select.statement.select_begin) return fallback;  // UINT64_MAX: unknown
  return select.statement.select_begin + offset;
}

Result<Json> parse_select_tree(Connection& connection, const Script& script, const Statement& statement,
                               const std::string& text) {
  std::string answer = TRY(connection.query_text("SELECT json_serialize_sql(" + quote_string(text) + ")"));
  auto tree = Json::parse(answer, nullptr, false);
  if (!tree.is_object()) return bug("DuckDB's syntax tree is not JSON");
  if (tree.value("error", false)) {
    size_t offset = statement.select_begin;
    std::string position = tree.value("position", "");
    if (!position.empty() && position.size() < 10) offset += std::stoul(position);
    return user_error("{}: {}", script.position(offset), tree.value("error_message", "syntax error"));
  }
  if (tree["statements"].size() != 1) return bug("one SELECT became {} statements", tree["statements"].size());
  return tree["statements"][0]["node"];
}

SelectInfo analyse_select(const Json& node, const Select& select, std::vector<InputRef> inputs) {
  SelectInfo info;
  info.inputs = std::move(inputs);
  read_columns(node, info);
  info.not_row_wise = find_stateful(node, select);
  if (node.value("type", "") != "SELECT_NODE") {
    info.filter_is_simple = false;
    return info;
  }
  auto from_refusal = FromReader(node, select, info).read(node["from_table"]);
  if (!info.not_row_wise) info.not_row_wise = from_refusal;
  if (info.inputs.size() != info.lookups.size() + 1 || (!info.inputs.empty() && from_refusal)) info.lookups.clear();
  // Which input an unqualified column of WHERE belongs to is only known where there is one, or one drives.
  if (from_refusal)
    info.filter_is_simple = false;
  else
    read_filter(node["where_clause"], info);
  info.has_where = !node["where_clause"].is_null();
  read_items(node["select_list"], info);
  if (names_columns(node["from_table"])) leave_names_to_duckdb(info);
  if (info.inputs.size() == 1 && !from_refusal) info.limit = bare_limit(node, select);
  return info;
}

}  // namespace sluice::sql
