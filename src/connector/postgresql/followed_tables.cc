#include "connector/postgresql/followed_tables.h"

#include <algorithm>

#include <arrow/type.h>

#include "connector/postgresql/change_builder.h"
#include "connector/postgresql/publication.h"
#include "connector/postgresql/slot.h"

namespace sluice::postgresql {

Result<void> FollowedTables::check_server(Connection& connection) const {
  if (is_copied_only()) return {};
  const auto server = TRY(server_state(connection));
  if (server.wal_level != "logical") {
    return user_error(
        "{}: changes cannot be followed with wal_level = {}; set wal_level = logical in postgresql.conf and restart "
        "the server",
        connection.where(), server.wal_level);
  }
  if (!server.may_replicate) {
    return user_error(
        "{}: this role may not replicate; ALTER ROLE … REPLICATION, or GRANT rds_replication where the server has that",
        connection.where());
  }
  return {};
}

namespace {

Result<void> check_partitions(const Connection& connection, const Table& table) {
  constexpr size_t kNamed = 20;
  std::vector<std::string> mends;
  for (const auto& leaf : table.partitions) {
    if (!leaf.identity_mend.empty()) mends.push_back(leaf.identity_mend);
  }
  if (mends.empty()) return {};
  const size_t more = mends.size() - std::min(mends.size(), kNamed);
  mends.resize(mends.size() - more);
  return user_error(
      "{}: the REPLICA IDENTITY of {} does not hold for its partitions, and it is theirs that says what an UPDATE or "
      "DELETE tells of the old row; {}{}",
      connection.where(), table.name.plain(), fmt::join(mends, "; "),
      more == 0 ? std::string() : fmt::format("; and so on for {} more", more));
}

}  // namespace

Result<void> FollowedTables::check(const Connection& connection, const Table& table) const {
  const std::string name = table.name.plain();
  const bool has_identity = table.identity != ReplicaIdentity::nothing &&
                            (table.identity != ReplicaIdentity::primary_key || !table.identity_columns.empty());
  if (!has_identity && !is_copied_only()) {
    return user_error(
        "{}: {} has {}, so that the server refuses its UPDATEs and DELETEs once it is published; give it a primary key "
        "or ALTER TABLE {} REPLICA IDENTITY FULL",
        connection.where(), name,
        table.identity == ReplicaIdentity::nothing ? "REPLICA IDENTITY NOTHING" : "no primary key",
        table.name.quoted());
  }
  if (!is_copied_only()) TRY(check_partitions(connection, table));
  for (const auto& column : table.columns) {
    if (is_change_column(column.name)) {
      return user_error("{}: column '{}' of {} has a name that is reserved for change data; rename it",
                        connection.where(), column.name, name);
    }
  }
  return {};
}

Result<FollowedTable> FollowedTables::describe(Connection& connection, const TableName& name) {
  Table table = TRY(find_table(connection, types_, name));
  if (!table.is_heap && !table.is_partitioned) {
    return user_error("{}: {} is no table, and only tables have changes to follow", connection.where(), name.plain());
  }
  TRY(check(connection, table));
  if (!settings_.columns.empty()) {
    std::erase_if(table.columns, [&](const auto& column) {
      const auto& asked = settings_.columns;
      return !column.in_key && std::find(asked.begin(), asked.end(), column.name) == asked.end();
    });
  }
  std::erase_if(table.columns, [](const auto& column) { return !is_delivered(column); });
  FollowedTable followed;
  followed.id = {name.schema, name.name};
  followed.key = key_of(table);
  followed.full = change_schema(table, settings_.types);
  followed.delivered = followed.full;
  followed.table = std::move(table);
  return followed;
}

Result<void> FollowedTables::describe(Context& context) {
  if (!tables_.empty()) return {};
  auto connection = TRY(settings_.target.connect(context.stop));
  TRY(check_server(*connection));
  std::lock_guard lock(mutex_);
  std::vector<Table> tables;
  std::vector<FollowedTable> found;
  for (const auto& name : TRY(matching_tables(*connection, settings_))) {
    found.push_back(TRY(describe(*connection, name)));
    tables.push_back(found.back().table);
  }
  if (!settings_.publication.empty() && !is_copied_only()) TRY(check_publication(*connection, settings_, tables));
  for (auto& table : found) add(std::move(table));
  return {};
}

void FollowedTables::add(FollowedTable table) {
  const std::string name = table.table.name.plain();
  tables_.emplace(name, std::move(table));
}

Result<std::set<std::string>> FollowedTables::fresh(const Positions& durable) const {
  std::set<std::string> out;
  for (const auto& [name, table] : tables_) out.insert(name);
  for (const auto& [split, position] : durable) {
    if (split != kStreamSplit) out.erase(TRY(ChunkPosition::parse(split, position)).table);
  }
  return out;
}

Result<std::optional<FollowedTable>> FollowedTables::find_new(Context& context) {
  std::lock_guard lock(mutex_);
  Connection& connection = *TRY(connected(context.stop));
  auto found = [&]() -> Result<std::optional<FollowedTable>> {
    for (const auto& name : TRY(matching_tables(connection, settings_))) {
      if (tables_.contains(name.plain())) continue;
      auto table = describe(connection, name);
      auto checked = table.ok() ? check_publication(connection, settings_, {table->table}) : Result<void>();
      if (table.ok() && checked.ok()) return std::optional(std::move(table).value());
      const Error error = table.ok() ? std::move(checked).error() : std::move(table).error();
      if (error.fault == Fault::transient) return error;
      if (!left_out_.insert(name).second) continue;
      context.log.warn("a new table is not followed", {{"table", name.plain()}, {"because", error.message()}});
    }
    return std::optional<FollowedTable>();
  }();
  if (!found.ok()) connection_.reset();
  return found;
}

FollowedTable* FollowedTables::find(const TableId& id) {
  if (settings_.table) return &tables_.begin()->second;
  for (auto& [name, table] : tables_) {
    if (table.id == id) return &table;
  }
  return nullptr;
}

namespace {

// Which changes of a key the stream does not tell as such; empty: none.
std::string key_note(const Table& table) {
  const auto key = table.key();
  if (key.empty() && table.identity == ReplicaIdentity::full) {
    return fmt::format(
        "{}: without a primary key every UPDATE is one of the same row; give the sink the columns that tell rows apart "
        "as its key",
        table.name.plain());
  }
  const auto& identity = table.identity_columns;
  const bool is_sent = std::all_of(key.begin(), key.end(), [&](const std::string& column) {
    return std::find(identity.begin(), identity.end(), column) != identity.end();
  });
  if (is_sent) return {};
  return fmt::format(
      "{}: the primary key is not in the replica identity, so that a change of it alone is not seen; a sink's key "
      "should be {}",
      table.name.plain(), fmt::join(identity, ", "));
}

}  // namespace

Result<Source::Planned> FollowedTables::plan(FollowedTable& table, const ReadRequest& request) const {
  Source::Planned planned;
  planned.pushed.filter_exact.assign(request.filter.size(), false);
  table.delivered = table.full;
  table.before_images = request.before_images;
  if (request.columns) {
    arrow::FieldVector fields;
    for (const auto& field : table.full->fields()) {
      const bool asked = std::any_of(request.columns->begin(), request.columns->end(),
                                     [&](const ColumnPath& path) { return path.at(0) == field->name(); });
      if (asked || is_change_column(field->name())) fields.push_back(field);
    }
    table.delivered = arrow::schema(std::move(fields));
    planned.pushed.columns = true;
  }
  planned.schema = table.delivered;
  if (is_copied_only()) return planned;
  planned.pushed.notes.push_back(fmt::format("slot {}, publication {}", settings_.slot, settings_.publication));
  if (auto note = key_note(table.table); !note.empty()) planned.pushed.notes.push_back(std::move(note));
  if (table.full->GetFieldIndex(std::string(kUnchangedColumn)) >= 0) {
    planned.pushed.notes.push_back(fmt::format(
        "{}: an UPDATE does not carry large values that it left as they were; _unchanged names them. A sink "
        "that cannot merge needs ALTER TABLE {} REPLICA IDENTITY FULL",
        table.table.name.plain(), table.table.name.quoted()));
  }
  return planned;
}

bool FollowedTables::have_binary_form() const {
  if (text_only_) return false;
  for (const auto& [name, table] : tables_) {
    for (const auto& column : table.table.columns) {
      if (!postgres::has_binary_form(column.type, settings_.types)) return false;
    }
  }
  return true;
}

Result<postgres::Type> FollowedTables::find_type(uint32_t oid, int32_t typmod, bool binary,
                                                 const std::stop_token& stop) {
  std::lock_guard lock(mutex_);
  TRY(connected(stop));
  auto found = types_.find(*connection_, oid, typmod);
  if (!found.ok()) {
    connection_.reset();
    return found;
  }
  if (binary && !postgres::has_binary_form(*found, settings_.types)) {
    text_only_ = true;
    return transient("{}: a column of type {} came up, which is read in its text form; reading again from there",
                     settings_.target.where, found->name);
  }
  return found;
}

Result<MissingValues> FollowedTables::find_missing(uint32_t table, const std::vector<std::string>& added,
                                                   const Log& log, const std::stop_token& stop) {
  std::lock_guard lock(mutex_);
  TRY(connected(stop));
  auto found = find_missing_values(*connection_, table);
  if (!found.ok()) {
    connection_.reset();
    return std::move(found).error();
  }
  for (const auto& column : found->unknown) {
    if (std::find(added.begin(), added.end(), column) == added.end()) continue;
    log.warn("a column was added whose default each row computes: rows that were delivered before have NULL there",
             {{"column", column}, {"copy_again", "sluice reset"}});
  }
  return std::move(found->values);
}

Result<Connection*> FollowedTables::connected(const std::stop_token& stop) {
  if (connection_ != nullptr && connection_->alive()) return connection_.get();
  connection_ = TRY(settings_.target.connect(stop));
  TRY(connection_->query("SET lock_timeout = '1s'"));  // the stream does not wait for somebody's ALTER TABLE
  return connection_.get();
}

void FollowedTables::disconnect() {
  std::lock_guard lock(mutex_);
  connection_.reset();
}

}  // namespace sluice::postgresql
