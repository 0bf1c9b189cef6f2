// What PostgreSQL's catalog says of tables.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "connector/postgresql/settings.h"
#include "postgres/decode.h"

namespace sluice::postgresql {

// What a page holds when nobody has analysed the table.
inline constexpr double kRowsPerPage = 50;

// pg_class.relreplident: what an UPDATE or DELETE carries of the old row.
enum class ReplicaIdentity { primary_key, nothing, full, index };

// A leaf of a partitioned table.
struct Partition {
  TableName name;
  int64_t pages = 0;
  double rows = -1;
  // The ALTER TABLE that gives it the root's replica identity; empty: it logs what that says, or more. What a root has
  // is not passed on to partitions, and it is theirs that decides what the log holds.
  std::string identity_mend;
};

struct Table {
  uint32_t oid = 0;
  TableName name;
  bool is_heap = false;         // has ctids to cut by: no view, foreign table or other access method
  bool is_partitioned = false;  // the root of a partitioned table
  ReplicaIdentity identity = ReplicaIdentity::primary_key;
  std::vector<postgres::Column> columns;  // in the table's order, without dropped ones; in_key: the primary key
  std::vector<std::string> identity_columns;
  std::vector<Partition> partitions;
  int64_t pages = 0;  // of 8 kB, as the file system has them now
  double rows = -1;   // the planner's estimate; -1: never analysed

  [[nodiscard]] std::vector<std::string> key() const;
  // Behind FROM, for the rows whose changes come under its name: those of tables that inherit from it come under
  // theirs.
  [[nodiscard]] std::string from() const { return (is_partitioned ? "" : "ONLY ") + name.quoted(); }
};

// Fault::user with the nearest name when there is none.
Result<Table> find_table(Connection& connection, postgres::TypeCatalog& types, const TableName& name);
// The tables a source reads: the one it names, or those of its schema that match its patterns (partitions aside).
Result<std::vector<TableName>> matching_tables(Connection& connection, const SourceSettings& settings);
// By column: what rows have in it that were there when it was added, as text. From the catalog of today.
using MissingValues = std::map<std::string, std::string>;
struct AddedColumns {
  MissingValues values;
  // Columns with a default of which that is not known: each row computed its own, or the table was rewritten since.
  std::vector<std::string> unknown;
};
Result<AddedColumns> find_missing_values(Connection& connection, uint32_t table);
// The columns of any SELECT.
Result<std::vector<postgres::Column>> describe_query(Connection& connection, postgres::TypeCatalog& types,
                                                     const std::string& query);

}  // namespace sluice::postgresql
