// Names in a SELECT against a schema, as DuckDB resolves them: without case, qualified by alias or not.
#pragma once

#include <optional>

#include "port/pushdown.h"
#include "sql/select.h"

namespace sluice::sql {

struct ResolvedName {
  ColumnPath path;        // as the schema spells it; empty: the whole row
  TypePtr type;           // of what the path leads to
  bool complete = false;  // every name was used; else the rest reaches into a map, list or JSON value
};

// Nothing when the name is no column of this input: an alias of the SELECT list, a lambda's parameter, another input's.
std::optional<ResolvedName> resolve(const Names& names, std::string_view alias, const arrow::Schema& schema);

// The exact name first, else the only one that differs just by case; -1.
int find_field(const arrow::FieldVector& fields, const std::string& name);

// Numbers names that were there before, as DuckDB does in a subquery: id, id_1. Names that occur once stay.
SchemaPtr with_unique_names(const SchemaPtr& schema);

// Sorted by schema order, without paths that another one contains. Never empty: counting rows needs a column, the
// cheapest.
std::vector<ColumnPath> needed_columns(const std::vector<Names>& used, std::string_view alias,
                                       const arrow::Schema& schema, bool* whole_row);

// "Referenced column "itm" not found …" in our words, with the nearest of all columns: DuckDB only sees those that were
// asked for. Any other message comes back unchanged.
std::string with_candidates(const std::string& message, const std::vector<SchemaPtr>& schemas);

// The predicate with its literals as values of the column's type, or nothing where DuckDB's comparison could differ.
std::optional<Predicate> resolve_predicate(const SimplePredicate& predicate, std::string_view alias,
                                           const arrow::Schema& schema);

}  // namespace sluice::sql
