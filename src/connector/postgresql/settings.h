// What a location and its options say, once: how to connect, and what a source or a sink is to do.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "port/registry.h"
#include "postgres/target.h"
#include "postgres/type.h"

namespace sluice::postgresql {

using postgres::Connection;
using postgres::Target;

std::span<const OptionSpec> option_specs();

struct TableName {
  std::string schema;
  std::string name;
  [[nodiscard]] std::string quoted() const;
  [[nodiscard]] std::string plain() const { return schema + "." + name; }
  bool operator==(const TableName&) const = default;
  auto operator<=>(const TableName&) const = default;
};
// "orders" in `schema`, or "sales.orders".
TableName parse_table(const std::string& text, const std::string& schema);

enum class SnapshotMode { initial, never, only };

struct SourceSettings {
  Target target;
  std::string where;     // the call, for errors
  std::string pipeline;  // empty outside of one
  bool streaming = false;
  bool cdc = false;
  std::optional<TableName> table;   // exactly one table
  std::string schema;               // else every table of it …
  std::vector<std::string> tables;  // … that matches one of these patterns (* and ?); none: all
  std::string query;
  std::vector<std::string> columns;  // only these; none: all
  std::string condition;             // where := '…', as SQL
  int64_t batch_rows = 0;            // 0: the default of the request
  int64_t split_rows = 0;
  std::string slot;
  std::string publication;
  SnapshotMode snapshot = SnapshotMode::initial;
  Millis heartbeat{0};
  int proto = 0;  // 0: the newest the server has
  postgres::TypePolicy types;
};
Result<SourceSettings> source_settings(const ConnectorRequest& request);

enum class TableExists { error, append, replace };

struct SinkSettings {
  Target target;
  std::string where;
  std::string pipeline;
  std::string schema;  // may hold {schema}
  std::string table;   // may hold {table}
  bool upsert = false;
  bool mode_given = false;
  std::vector<std::string> key;  // empty: the table's primary key
  bool create_table = true;
  bool allow_lossy = false;
  bool one_off = false;
  TableExists if_exists = TableExists::append;  // for one_off only

  [[nodiscard]] bool many_tables() const;
  [[nodiscard]] TableName table_for(const TableId& id) const;
};
Result<SinkSettings> sink_settings(const ConnectorRequest& request);

}  // namespace sluice::postgresql
