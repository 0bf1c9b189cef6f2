// What the changes of committed transactions become: batches per table, schema changes and TRUNCATEs, in their order,
// each with the position behind it. Used by the stream reader's thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "connector/postgresql/change_builder.h"
#include "connector/postgresql/change_position.h"
#include "connector/postgresql/followed_tables.h"
#include "port/source.h"

namespace sluice::postgresql {

class ChangeAssembly {
 public:
  struct Options {
    StreamPosition from;
    FollowedByName tables;
    std::vector<std::string> columns;  // the option: no others are looked at; empty: all
    // Types by oid. Called on the reader's thread when the server describes a table.
    std::function<Result<postgres::Type>(uint32_t oid, int32_t typmod)> find_type;
    // What rows that were there before have in columns that were added to a table.
    std::function<Result<MissingValues>(uint32_t table, const std::vector<std::string>& added)> find_missing;
    postgres::TypePolicy types;
  };
  explicit ChangeAssembly(Options options);

  // Transactions come one after the other, in the order of their commits.
  void begin(Lsn commit_lsn, int64_t commit_time, uint32_t xid);
  void commit(Lsn end_lsn);
  [[nodiscard]] bool in_transaction() const { return transaction_.has_value(); }
  // Between transactions: everything that committed before `lsn` has come, and the server's clock was `sent_us`.
  void reached(Lsn lsn, int64_t sent_us);

  Result<void> describe(const postgres::pgoutput::Relation& relation);
  Result<void> insert(const postgres::pgoutput::Insert& change);
  Result<void> update(const postgres::pgoutput::Update& change);
  Result<void> remove(const postgres::pgoutput::Delete& change);
  Result<void> truncate(const postgres::pgoutput::Truncate& change);

  // Hands out the rows that are gathered; source bytes are counted for them.
  Result<void> flush();
  void count_bytes(int64_t bytes) { bytes_ += bytes; }
  // While no rows come: now and then a position of its own.
  void send_progress(SteadyTime now);

  std::optional<Event> take_event();
  [[nodiscard]] bool has_events() const { return !events_.empty(); }
  // Nothing more may come: the schema has to be followed first.
  [[nodiscard]] bool stalled() const { return stalled_; }
  [[nodiscard]] int64_t rows() const { return rows_; }  // gathered
  [[nodiscard]] int64_t bytes() const { return bytes_; }

 private:
  struct Transaction {
    Stamp stamp;  // of the last change
    uint32_t xid = 0;
    [[nodiscard]] Committed committed() const { return {xid, stamp.place.lsn}; }
  };
  // One table as the server described it last.
  struct Described {
    postgres::pgoutput::Relation relation;
    FollowedTable* table = nullptr;        // null: not followed
    FollowedTable* confused = nullptr;     // followed under another name, or this is another table under its name
    std::optional<ChangeBuilder> builder;  // made when the first row comes: only then the description counts
    std::vector<int> key;                  // of the sorted key, by its order: indexes into the relation's columns
    std::vector<bool> identifies;          // columns whose change is a change of the key
  };

  Result<Described*> ready(uint32_t relation);
  [[nodiscard]] Result<void> check_name(const Described& described) const;
  Result<void> prepare(Described& described);
  Result<void> change_key(Described& described, const postgres::pgoutput::Update& change);
  Result<void> add(Described& described, Op op, postgres::pgoutput::Tuple row,
                   std::optional<postgres::pgoutput::Tuple> old);
  [[nodiscard]] Result<bool> is_in_snapshot(const Described& described, postgres::pgoutput::Tuple row) const;
  [[nodiscard]] static bool key_differs(const Described& described, postgres::pgoutput::Tuple before,
                                        postgres::pgoutput::Tuple after);
  [[nodiscard]] bool is_delivered(const FollowedTable& table) const;
  [[nodiscard]] Progress progress() const { return {SplitId(kStreamSplit), position_.token()}; }

  Options options_;
  StreamPosition position_;  // what was handed out
  ChangePlace place_;        // what was read
  int64_t time_us_ = 0;      // of it
  std::optional<Transaction> transaction_;
  std::map<uint32_t, Described> described_;
  std::deque<Event> events_;
  bool stalled_ = false;
  int64_t rows_ = 0;
  int64_t bytes_ = 0;
  SteadyTime progress_at_{};
};

}  // namespace sluice::postgresql
