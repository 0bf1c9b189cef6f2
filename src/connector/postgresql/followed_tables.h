// The tables that a change stream follows: what the catalog says of them, the schemas they are delivered with, and the
// types of their columns. Planned while nothing runs; find_type() is called by the reader's thread.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
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
  Result<Source::Planned> plan(FollowedTable& table, const ReadRequest& request) const;

  // Can everything be asked for in binary?
  [[nodiscard]] bool have_binary_form() const;
  // From the catalog of today: types are never changed once they are made, only dropped. In a `binary` stream a type
  // that has no binary form is Fault::transient: the next stream is one of text.
  Result<postgres::Type> find_type(uint32_t oid, int32_t typmod, bool binary, const std::stop_token& stop);
  void disconnect();  // the connection obeys the stop token it was made with

 private:
  Result<void> check(const Connection& connection, const Table& table) const;

  const SourceSettings& settings_;
  FollowedByName tables_;
  std::atomic<bool> text_only_{false};  // a type without a binary form came up
  std::mutex mutex_;                    // of the two below
  postgres::TypeCatalog types_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace sluice::postgresql
