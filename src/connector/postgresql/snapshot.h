// The rows that were there before the stream: how tables are cut into pieces, what of them is delivered, and which
// changes of the stream a piece already holds. Why this is exact: docs/decisions/0007-snapshot-hand-over.md.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connector/postgresql/catalog.h"
#include "connector/postgresql/change_position.h"
#include "port/source.h"
#include "postgres/pgoutput.h"

namespace sluice::postgresql {

// A key whose order here is the server's: every column of the primary key is an integer, date, timestamp or uuid. And
// every change carries it.
class SortedKey {
 public:
  // Nothing: the table has no such key and can only be read whole. Where nothing is followed (`is_copied_only`), no
  // change has to carry it.
  static std::optional<SortedKey> of(const Table& table, bool is_copied_only);

  // Keys of the one mean the same in the other: integers of another width do.
  [[nodiscard]] bool is_like(const SortedKey& other) const;

  [[nodiscard]] const std::vector<postgres::Column>& columns() const { return columns_; }
  [[nodiscard]] std::string column_list() const;  // "id", "no"
  // SQL for a range: ("id", "no") >= (1, 2) AND …; empty when it has no bounds.
  [[nodiscard]] std::string condition(const KeyRange& range) const;
  // One value of the stream, in either form.
  [[nodiscard]] Result<KeyValue> value(size_t column, const postgres::pgoutput::Value& value) const;
  // A row of a batch whose columns `indexes` are the key's.
  [[nodiscard]] Key row_of(const arrow::RecordBatch& batch, int64_t row, const std::vector<int>& indexes) const;
  // What the server prints for each key column.
  [[nodiscard]] Result<Key> parse(const std::vector<std::string>& texts) const;

 private:
  std::vector<postgres::Column> columns_;
};

struct Chunk {
  SplitId id;
  TableId table;
  KeyRange range;
  bool whole = false;  // the table has no sorted key: not resumable in parts
  int64_t bytes = 0;
  size_t order = 0;  // among all that are handed out
};

// A transaction of the stream.
struct Committed {
  uint32_t xid = 0;
  Lsn lsn = 0;  // where its commit record begins
};

// What of one table's snapshot is delivered.
class TableCoverage {
 public:
  Result<void> add(const ChunkPosition& delivered);
  // What is not delivered yet, in order; one range without bounds when nothing is.
  [[nodiscard]] std::vector<KeyRange> missing() const;
  [[nodiscard]] bool is_empty() const { return pieces_.empty() && !broken_; }
  // A part of a table without a sorted key is delivered: it has to be read anew, into an emptied target.
  [[nodiscard]] bool is_broken() const { return broken_; }

  // Pieces by key that somebody without the key cannot judge changes by: those from `place` on may be in one.
  [[nodiscard]] bool needs_key(Lsn place) const;

  // Could any change of this transaction be in a piece already?
  [[nodiscard]] bool sees(const Committed& transaction) const;
  // Does the piece that `key` is in hold what this transaction did? A table without a sorted key is one piece.
  [[nodiscard]] bool holds(const Key& key, const Committed& transaction) const;
  [[nodiscard]] bool all_see(const Committed& transaction) const;

 private:
  struct Piece {
    KeyRange range;
    std::optional<XidSnapshot> snapshot;  // none: the slot's own
    Lsn log_end = 0;                      // 0: not known
    // Pieces are kept for as long as the stream is followed, and ids of transactions come again after 2^32: what the
    // snapshot saw had its commit in the log by then.
    [[nodiscard]] bool sees(const Committed& transaction) const {
      return snapshot && (log_end == 0 || transaction.lsn < log_end) && snapshot->sees(transaction.xid);
    }
  };
  std::vector<Piece> pieces_;
  bool broken_ = false;
};

// Cuts `range` of a table into pieces of about `rows` rows, by a sample of its keys. `connection` is in the transaction
// that reads.
Result<std::vector<KeyRange>> cut_range(Connection& connection, const Table& table, const SortedKey& key,
                                        const KeyRange& range, int64_t rows);

// What a reader of pieces needs to know.
struct SnapshotPlan {
  struct Read {
    Table table;
    std::optional<SortedKey> key;
    SchemaPtr schema;  // of the batches
  };
  std::map<TableId, Read> tables;
  std::string seen;       // pg_current_snapshot() of it; empty: the slot's own
  Lsn log_end = 0;        // when it was taken; 0: the slot's own
  int64_t taken_at = 0;   // microseconds since 1970
  ChangePlace place;      // of its rows, before every streamed change
  Progress stream;        // goes with every batch, so that the stream's beginning is saved with the first piece
  std::string condition;  // the option `where`
  postgres::TypePolicy types;
  int64_t batch_rows = 0;
  int64_t batch_bytes = 0;
  std::atomic<int>* reading_whole = nullptr;  // chunks that have to be in one epoch and are not read to their ends yet
};
std::unique_ptr<Reader> snapshot_reader(std::shared_ptr<Connection> connection,
                                        std::shared_ptr<const SnapshotPlan> plan, std::vector<Chunk> chunks);
// The token that the last batch of a chunk carries.
Position end_of(const Chunk& chunk, const SnapshotPlan& plan);

}  // namespace sluice::postgresql
