// A table as a target: made or extended to hold rows of a schema, checked, and then described once, so that lanes and
// the commit thread know how rows become its rows.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "connector/postgresql/catalog.h"
#include "postgres/encode.h"

namespace sluice::postgresql {

struct TargetColumn {
  std::string name;
  postgres::Type type;
  std::string declared;  // its type with its length or precision
  int field = 0;         // where it is in the rows' schema
  bool as_text = false;  // sent as text, cast by the server
  bool in_key = false;
};

// Immutable; shared by lanes and the commit thread.
struct TargetTable {
  TableName name;
  SchemaPtr schema;  // of the rows
  std::vector<TargetColumn> columns;
  std::vector<std::string> key;  // of upserts; else what a new table's primary key was made of, or nothing
  bool upsert = false;
  int op_field = -1;         // upsert only: where _op is, -1: every row is an upsert
  int unchanged_field = -1;  // upsert only: where _unchanged is
  uint64_t serial = 0;       // tells the staging tables of two descriptions apart

  // Rows go into a temporary table first: they are merged by key, or have columns the server casts.
  [[nodiscard]] bool staged() const;
  [[nodiscard]] std::string stage_name() const;
  [[nodiscard]] std::string create_stage() const;
  // COPY … FROM STDIN into the table, or its stage. A staged upsert's rows begin with _sluice_row (bigint, the order of
  // changes), _sluice_delete (boolean) and _sluice_unchanged (text[]).
  [[nodiscard]] std::string copy() const;
  // Moves what is staged into the table: one statement after the other. `unchanged` names the columns that some row
  // left as they were. Statements that begin with SELECT return a row only when something is wrong, and say what.
  [[nodiscard]] std::vector<std::string> merge(bool deletes, const std::set<std::string>& unchanged) const;
};
using TargetPtr = std::shared_ptr<const TargetTable>;

enum class OpenMode {
  use,     // as it is, or made; with create_table missing columns are added
  follow,  // the source's schema changed: columns are also widened, and one that became too narrow is refused
};

// In the connection's transaction, if there is one. Fault::user names the column and what to do.
Result<TargetPtr> open_target(Connection& connection, const SinkSettings& settings, const TableName& name,
                              const SchemaPtr& schema, OpenMode mode);
Result<bool> table_exists(Connection& connection, const TableName& name);
// Asks before it creates: CREATE SCHEMA IF NOT EXISTS needs the right to create also where there is nothing to do.
Result<void> ensure_schema(Connection& connection, const std::string& name);

// Without a database: can rows of this schema be written at all?
Result<void> check_schema(const arrow::Schema& schema, const SinkSettings& settings);

}  // namespace sluice::postgresql
