// The table rows land in: its DDL and the statements that write a batch.
#pragma once

#include <string>
#include <vector>

#include <arrow/type_fwd.h>

#include "connector/sqlite/catalog.h"
#include "port/sink.h"
#include "sqlite/database.h"

namespace sluice::sqlite {

enum class TableExists { error, append, replace };

struct SqliteSinkOptions {
  std::string path;
  std::string table;  // may hold {table}
  std::string pipeline;
  bool upsert = false;
  std::vector<std::string> key;
  bool create_table = true;
  bool one_off = false;
  TableExists if_exists = TableExists::append;  // for one_off only

  [[nodiscard]] std::string table_for(const TableId& id) const;
  [[nodiscard]] bool many_tables() const { return table.find("{table}") != std::string::npos; }
};

class TargetTable {
 public:
  TargetTable(const SqliteSinkOptions& options, std::string name) : options_(options), name_(std::move(name)) {}

  // Which columns of `schema` are stored: all, but an upserted table holds states, not changes: no _op, _ts, _pos.
  [[nodiscard]] std::vector<int> stored_columns(const arrow::Schema& schema) const;

  Result<bool> exists(Database& database) const;
  Result<bool> has_rows(Database& database) const;
  Result<void> create(Database& database, const arrow::Schema& schema) const;
  // Does the table have every column, declared so that values come back as they went in, and, for upserts, a unique
  // key? Otherwise Fault::user naming the column and what to do.
  Result<void> check(Database& database, const arrow::Schema& schema) const;
  // Creates it when it is missing and may be created, then checks.
  Result<void> ensure(Database& database, const arrow::Schema& schema) const;
  // Adds the columns that are missing. Idempotent.
  Result<void> extend(Database& database, const arrow::Schema& schema) const;
  // Empties it for if_exists := replace: drops it when this sink may create it again, else deletes its rows.
  Result<void> clear(Database& database) const;

  // Writes all rows of a batch, in order. A row the table refuses is Fault::user naming the row and the constraint.
  Result<void> write(Database& database, const arrow::RecordBatch& batch) const;

 private:
  class Updates;
  [[nodiscard]] std::string insert_sql(const arrow::Schema& schema) const;
  [[nodiscard]] std::string update_sql(const arrow::Schema& schema, const std::vector<int>& columns) const;
  [[nodiscard]] std::string delete_sql() const;
  [[nodiscard]] std::string where_key() const;
  [[nodiscard]] bool is_key(std::string_view column) const;

  const SqliteSinkOptions& options_;
  std::string name_;
};

// Row by row, why a batch's rows cannot be stored at all: (row, reason), ascending.
struct UnstorableRow {
  int64_t row;
  std::string reason;
};
std::vector<UnstorableRow> unstorable_rows(const arrow::RecordBatch& batch, const SqliteSinkOptions& options);

}  // namespace sluice::sqlite
