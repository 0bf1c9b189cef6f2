// The tables that a change stream follows: what the catalog says of them, the schemas they are delivered with, and the
// types of their columns. Planned while nothing runs; find_type() is called by the reader's thread.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "connector/postgresql/catalog.h"
#include "connector/postgresql/snapshot.h"
#include "port/source.h"

namespace sluice::postgresql {

struct FollowedTable {
  TableId id;
  Table table;
  std::optional<SortedKey> key;
  TableCoverage coverage;
  SchemaPtr full;              // all its columns, and the change columns
  SchemaPtr delivered;         // what was asked for of them
  bool before_images = false;  // ReadRequest::before_images
};
using FollowedByName = std::map<std::string, FollowedTable>;  // by TableName::plain()

class FollowedTables {
 public:
  explicit FollowedTables(const SourceSettings& settings) : settings_(settings) {}

  // Reads the catalog once; every reason why the tables cannot be followed is found here.
  Result<void> describe(Context& context);
  [[nodiscard]] FollowedByName& all() { return tables_; }
  [[nodiscard]] const FollowedByName& all() const { return tables_; }
  // Null: there is none. With a single table every id is its.
  FollowedTable* find(const TableId& id);
  // A table that was made since and is one of those that are asked for; nothing: there is none. One that cannot be
  // followed is told of once.
  Result<std::optional<FollowedTable>> find_new(Context& context);
  void add(FollowedTable table);
  // By TableName::plain(): those of which nothing was delivered.
  [[nodiscard]] Result<std::set<std::string>> fresh(const Positions& durable) const;
  Result<Source::Planned> plan(FollowedTable& table, const ReadRequest& request) const;

  // As `key` of a table; of one that the catalog has now.
  [[nodiscard]] std::optional<SortedKey> key_of(const Table& table) const {
    return SortedKey::of(table, is_copied_only());
  }

  // Can everything be asked for in binary?
  [[nodiscard]] bool have_binary_form() const;
  // From the catalog of today: types are never changed once they are made, only dropped. In a `binary` stream a type
  // that has no binary form is Fault::transient: the next stream is one of text.
  Result<postgres::Type> find_type(uint32_t oid, int32_t typmod, bool binary, const std::stop_token& stop);
  // As above: what was there before columns were added. Those of which it cannot be known are warned of.
  Result<MissingValues> find_missing(uint32_t table, const std::vector<std::string>& added, const Log& log,
                                     const std::stop_token& stop);
  void disconnect();  // the connection obeys the stop token it was made with

 private:
  [[nodiscard]] bool is_copied_only() const { return settings_.snapshot == SnapshotMode::only; }
  Result<void> check_server(Connection& connection) const;
  Result<void> check(const Connection& connection, const Table& table) const;

  Result<FollowedTable> describe(Connection& connection, const TableName& name);
  Result<Connection*> connected(const std::stop_token& stop);

  const SourceSettings& settings_;
  FollowedByName tables_;
  std::atomic<bool> text_only_{false};  // a type without a binary form came up
  std::mutex mutex_;                    // of those below
  postgres::TypeCatalog types_;
  std::unique_ptr<Connection> connection_;
  std::set<TableName> left_out_;  // by find_new()
};

}  // namespace sluice::postgresql
