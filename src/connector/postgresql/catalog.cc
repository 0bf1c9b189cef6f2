#include "connector/postgresql/catalog.h"

#include <algorithm>
#include <map>

namespace sluice::postgresql {
namespace {

using postgres::quote_text;

Error no_such_table(Connection& connection, const TableName& name) {
  auto rows = connection.query(
      "SELECT relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
      "WHERE nspname = $1 AND relkind IN ('r','p','v','m','f') ORDER BY 1 LIMIT 1000",
      {name.schema});
  if (!rows.ok()) return std::move(rows).error();
  std::vector<std::string> names;
  for (int i = 0; i < rows->rows(); ++i) names.emplace_back(rows->text(i, 0));
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const auto near = nearest(name.name, candidates);
  if (!near.empty()) {
    return user_error("{}: there is no table '{}'; did you mean '{}.{}'?", connection.where(), name.plain(),
                      name.schema, near);
  }
  if (names.empty()) return user_error("{}: there is no table in schema '{}'", connection.where(), name.schema);
  return user_error("{}: there is no table '{}'", connection.where(), name.plain());
}

ReplicaIdentity identity_of(std::string_view code) {
  if (code == "n") return ReplicaIdentity::nothing;
  if (code == "f") return ReplicaIdentity::full;
  return code == "i" ? ReplicaIdentity::index : ReplicaIdentity::primary_key;
}

Result<void> read_columns(Connection& connection, postgres::TypeCatalog& types, Table* table) {
  auto rows = TRY(connection.query(
      fmt::format("SELECT a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attgenerated <> '', "
                  "coalesce(a.attnum = ANY(pk.indkey), false), coalesce(a.attnum = ANY(ri.indkey), false), "
                  "pg_catalog.format_type(a.atttypid, a.atttypmod) "
                  "FROM pg_catalog.pg_attribute a "
                  "LEFT JOIN pg_catalog.pg_index pk ON pk.indrelid = a.attrelid AND pk.indisprimary "
                  "LEFT JOIN pg_catalog.pg_index ri ON ri.indrelid = a.attrelid AND ri.indisreplident "
                  "WHERE a.attrelid = {} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
                  table->oid)));
  for (int i = 0; i < rows.rows(); ++i) {
    postgres::Column column;
    column.name = rows.text(i, 0);
    column.type = TRY(
        types.find(connection, static_cast<uint32_t>(rows.integer(i, 1)), static_cast<int32_t>(rows.integer(i, 2))));
    column.not_null = rows.text(i, 3) == "t";
    column.generated = rows.text(i, 4) == "t";
    column.in_key = rows.text(i, 5) == "t";
    column.declared = rows.text(i, 7);
    const bool in_identity = table->identity == ReplicaIdentity::full ||
                             (table->identity == ReplicaIdentity::primary_key && column.in_key) ||
                             (table->identity == ReplicaIdentity::index && rows.text(i, 6) == "t");
    if (in_identity) table->identity_columns.push_back(column.name);
    table->columns.push_back(std::move(column));
  }
  return {};
}

// `index` is the partition's part of the index that is the root's identity.
std::string identity_mend(const Table& root, const TableName& leaf, std::string_view index) {
  std::string identity = "FULL";
  if (root.identity == ReplicaIdentity::primary_key) identity = "DEFAULT";
  if (root.identity == ReplicaIdentity::index && !index.empty()) identity = "USING INDEX " + postgres::quote(index);
  return fmt::format("ALTER TABLE {} REPLICA IDENTITY {}", leaf.quoted(), identity);
}

Result<void> read_partitions(Connection& connection, Table* table) {
  std::string identity;
  for (const auto& name : table->identity_columns) identity += (identity.empty() ? "" : ", ") + quote_text(name);
  auto rows = TRY(connection.query(fmt::format(
      "SELECT n.nspname, c.relname, pg_catalog.pg_relation_size(c.oid) / current_setting('block_size')::int, "
      "c.reltuples, c.relkind = 'r' AND CASE c.relreplident WHEN 'f' THEN false WHEN 'n' THEN true ELSE {1} OR "
      "EXISTS (SELECT FROM unnest(ARRAY[{2}]::text[]) AS wanted WHERE wanted NOT IN (SELECT a.attname "
      "FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey) "
      "WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END)) END, "
      "(SELECT own.relname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class own ON own.oid = i.indexrelid "
      "WHERE i.indrelid = c.oid AND pg_catalog.pg_partition_root(i.indexrelid) = "
      "(SELECT indexrelid FROM pg_catalog.pg_index WHERE indrelid = {0} AND indisreplident)) "
      "FROM pg_catalog.pg_partition_tree({0}) p JOIN pg_catalog.pg_class c ON c.oid = p.relid "
      "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE p.isleaf ORDER BY 1, 2",
      table->oid, table->identity == ReplicaIdentity::full ? "true" : "false", identity)));
  for (int i = 0; i < rows.rows(); ++i) {
    Partition leaf;
    leaf.name = {std::string(rows.text(i, 0)), std::string(rows.text(i, 1))};
    leaf.pages = rows.integer(i, 2);
    leaf.rows = std::atof(std::string(rows.text(i, 3)).c_str());
    if (rows.text(i, 4) == "t") leaf.identity_mend = identity_mend(*table, leaf.name, rows.text(i, 5));
    table->partitions.push_back(std::move(leaf));
  }
  return {};
}

}  // namespace

std::vector<std::string> Table::key() const {
  std::vector<std::string> out;
  for (const auto& column : columns) {
    if (column.in_key) out.push_back(column.name);
  }
  return out;
}

Result<Table> find_table(Connection& connection, postgres::TypeCatalog& types, const TableName& name) {
  auto rows = TRY(connection.query(
      "SELECT c.oid, c.relkind, c.relreplident, "
      "CASE WHEN c.relkind IN ('r','m') THEN pg_catalog.pg_relation_size(c.oid) / current_setting('block_size')::int "
      "ELSE 0 END, c.reltuples, c.relam = 2 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
      "c.relnamespace "
      "WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r','p','v','m','f')",
      {name.schema, name.name}));
  if (rows.rows() != 1) return no_such_table(connection, name);
  Table table;
  table.oid = static_cast<uint32_t>(rows.integer(0, 0));
  table.name = name;
  const char kind = rows.text(0, 1)[0];
  table.is_heap = rows.text(0, 5) == "t";
  table.is_partitioned = kind == 'p';
  table.identity = identity_of(rows.text(0, 2));
  table.pages = rows.integer(0, 3);
  table.rows = std::atof(std::string(rows.text(0, 4)).c_str());
  TRY(read_columns(connection, types, &table));
  if (table.is_partitioned) TRY(read_partitions(connection, &table));
  return table;
}

Result<std::vector<TableName>> matching_tables(Connection& connection, const SourceSettings& settings) {
  if (settings.table) return std::vector{*settings.table};
  std::string condition;
  for (const auto& pattern : settings.tables) {
    std::string like;
    for (char c : pattern) {
      if (c == '%' || c == '_' || c == '\\') like += '\\';
      like += c == '*' ? '%' : c == '?' ? '_' : c;
    }
    condition += fmt::format("{}c.relname LIKE {}", condition.empty() ? "" : " OR ", quote_text(like));
  }
  auto rows = TRY(connection.query(fmt::format(
      "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
      "WHERE n.nspname = {} AND c.relkind IN ('r','p') AND NOT c.relispartition AND c.relpersistence = 'p' AND ({}) "
      "ORDER BY 1",
      quote_text(settings.schema), condition.empty() ? "true" : condition)));
  std::vector<TableName> names;
  for (int i = 0; i < rows.rows(); ++i) names.push_back({settings.schema, std::string(rows.text(i, 0))});
  if (names.empty()) {
    return user_error("{}: no table of schema '{}' matches {}", connection.where(), settings.schema,
                      settings.tables.empty() ? std::string("*") : fmt::format("{}", fmt::join(settings.tables, ", ")));
  }
  return names;
}

// A constant default is kept in the catalog and rows stay as they were (attmissingval); any other one is computed for
// each row. Of a partitioned table its partitions have it.
Result<AddedColumns> find_missing_values(Connection& connection, uint32_t table) {
  constexpr int kMissingValues = 120'000;
  AddedColumns out;
  if (connection.server_version() < kMissingValues) return out;
  auto rows = TRY(connection.query(fmt::format(
      "SELECT a.attname, max((a.attmissingval::text::text[])[1]), bool_or(a.atthasdef OR a.attidentity <> '') "
      "FROM pg_catalog.pg_attribute a WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND "
      "a.attrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree({0}) UNION SELECT {0}) GROUP BY 1",
      table)));
  for (int i = 0; i < rows.rows(); ++i) {
    std::string name(rows.text(i, 0));
    if (!rows.is_null(i, 1)) {
      out.values.emplace(std::move(name), rows.text(i, 1));
    } else if (rows.text(i, 2) == "t") {
      out.unknown.push_back(std::move(name));
    }
  }
  return out;
}

Result<std::vector<postgres::Column>> describe_query(Connection& connection, postgres::TypeCatalog& types,
                                                     const std::string& query) {
  auto described = TRY(connection.describe(query));
  std::vector<postgres::Column> columns;
  for (int i = 0; i < described.columns(); ++i) {
    postgres::Column column;
    column.name = described.column_name(i);
    for (const auto& other : columns) {
      if (other.name == column.name) {
        return user_error("{}: the query has two columns '{}'; give one another name with AS", connection.where(),
                          column.name);
      }
    }
    column.type = TRY(types.find(connection, described.column_type(i), described.column_typmod(i)));
    columns.push_back(std::move(column));
  }
  if (columns.empty()) return user_error("{}: the query returns no columns; it has to be a SELECT", connection.where());
  return columns;
}

}  // namespace sluice::postgresql
