// What the planner knows of a SELECT after reading its syntax tree: its inputs, whether it works row by row, and the
// parts that readers or our own operators can take over. Names are as written; schemas come later.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "port/plan.h"
#include "sql/engine.h"
#include "sql/lexer.h"
#include "sql/script.h"
#include "sql/statements.h"

namespace sluice::sql {

using Json = nlohmann::json;
using Names = std::vector<std::string>;  // o.user.city → {"o", "user", "city"}

struct Literal {
  // `number` is exact (INTEGER, BIGINT, DECIMAL), `floating` is a DOUBLE such as 1e-1.
  enum class Kind { number, floating, text, boolean, date, timestamp, timestamptz };
  Kind kind = Kind::text;
  std::string text;
};

// A conjunct of WHERE that compares one column with literals.
struct SimplePredicate {
  Names column;
  Predicate::Op op = Predicate::Op::eq;
  std::vector<Literal> literals;
};

// An item of a SELECT list.
struct SelectItem {
  enum class Kind {
    star,      // * or o.*
    column,    // passes a column through
    computed,  // one value per row
    opaque,    // several columns or rows: * EXCLUDE (…), COLUMNS(…), unnest(…)
  };
  Kind kind = Kind::opaque;
  std::string relation;  // of o.*
  Names column;
  std::string alias;         // empty: the column's last name, or what DuckDB calls it
  bool fills_nulls = false;  // computed: may have a value where a column that it reads is NULL, as coalesce(…) has
  bool reads_all = false;    // opaque: columns come out computed or under other names, f(COLUMNS(*)), * RENAME (…)
  std::optional<std::vector<Names>> reads = std::nullopt;  // computed: the columns in it; nothing: we cannot tell

  // Of * EXCLUDE (…) REPLACE (…), which is opaque, too, though its columns are known.
  struct Replaced {
    std::string name;
    bool fills_nulls = false;
    std::optional<std::vector<Names>> reads;
  };
  bool keeps_names = false;
  std::vector<std::string> excluded = {};
  std::vector<Replaced> replaced = {};
};

// A connector call in FROM (or a name defined earlier in the file), and the text that stands for it.
struct InputRef {
  Endpoint endpoint;
  std::string alias;         // as columns are qualified: what stands after AS, else the connector or the name itself
  bool needs_alias = false;  // nothing is written after it: the replacement has to say it
  size_t begin = 0;          // bytes in Script::text()
  size_t end = 0;
};

struct Lookup {
  size_t input = 0;                           // into SelectInfo::inputs: the bounded side
  bool keep_unmatched = false;                // LEFT JOIN
  std::vector<std::pair<Names, Names>> keys;  // left column, right column
  Names using_columns;
  size_t offset = 0;
};

struct Refusal {
  std::string reason;  // continues "… cannot run row by row: "
  size_t offset = 0;
};

struct SelectInfo {
  std::vector<InputRef> inputs;  // in the order of the text
  std::optional<Refusal> not_row_wise;
  std::vector<Lookup> lookups;  // in join order; inputs[0] drives
  std::vector<SimplePredicate> filter;
  bool filter_is_simple = true;  // `filter` is all of WHERE
  bool has_where = false;
  std::vector<SelectItem> items;
  bool plain = false;                 // they are all stars and columns
  bool all_columns = false;           // * somewhere, or a use we cannot follow
  std::vector<Names> columns;         // every column reference
  std::optional<int64_t> flow_limit;  // LIMIT n of a row-wise query: flow makes the cut, no DuckDB is needed
  std::optional<int64_t> limit;       // of a query that is otherwise row-wise, without WHERE
};

// A statement's SELECT with what was read out of it. Shared by the transforms made from it.
struct Select {
  std::shared_ptr<const Script> script;
  std::shared_ptr<const std::vector<Token>> tokens;
  Statement statement;
  SelectInfo info;

  [[nodiscard]] std::string text() const {
    return script->text().substr(statement.select_begin, statement.select_end - statement.select_begin);
  }
};

// DuckDB's syntax tree of `text` (the statement's SELECT, or as many bytes that read the same to DuckDB), or its
// complaint with our position.
Result<Json> parse_select_tree(Connection& connection, const Script& script, const Statement& statement,
                               const std::string& text);

// Fills everything but `inputs` (see planner.cc), which have to be there already, in order.
SelectInfo analyse_select(const Json& node, const Select& select, std::vector<InputRef> inputs);

// Why this cannot run row by row, or nothing. Allow-list over the tree.
std::optional<Refusal> find_stateful(const Json& node, const Select& select);

// Byte offset into Script::text() of a tree's node, or `fallback` where DuckDB keeps none.
size_t offset_of(const Json& node, const Select& select, size_t fallback);

}  // namespace sluice::sql
