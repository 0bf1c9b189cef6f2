// The copy that a change stream begins with: which pieces of which tables are still to be read, one snapshot for all of
// them, and what of it is delivered. Begun anew by each start(); used like the source that owns it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "connector/postgresql/followed_tables.h"
#include "connector/postgresql/held_snapshot.h"
#include "connector/postgresql/snapshot.h"
#include "port/source.h"

namespace sluice::postgresql {

class SnapshotCopy {
 public:
  SnapshotCopy(const SourceSettings& settings, FollowedTables& tables) : settings_(settings), tables_(tables) {}

  void begin_anew();
  // A slot was made just now: `leader` keeps its snapshot, which is the one to copy.
  void use_snapshot(std::unique_ptr<Connection> leader, std::string exported);
  // What is missing of the tables, as pieces to hand out. `from`: where the stream begins; it is told of columns that
  // are gone.
  Result<void> plan(Context& context, const Positions& durable, StreamPosition& from, int64_t batch_rows,
                    int64_t batch_bytes);

  // A table that the snapshot has otherwise than its schema is known: its rows would lack what the stream, which leaves
  // out what the snapshot saw, does not bring either. Nothing is handed out then.
  [[nodiscard]] const std::optional<SchemaChange>& schema_change() const { return schema_change_; }

  // Pieces to read now: of tables that can only be read whole first, in one epoch, then those of the others.
  void hand_out(std::vector<Split>& out);
  [[nodiscard]] bool all_handed_out() const { return waiting_.empty(); }
  [[nodiscard]] bool delivered() const { return waiting_.empty() && awaited_.empty(); }
  void end() { held_.reset(); }

  Result<std::unique_ptr<Reader>> create_reader(Context& context, std::span<const Split> splits);
  Result<void> settle(const SplitId& split, const Position& position);
  // Tables that can only be read whole are being read: an epoch holds all of them or nothing. From any thread.
  [[nodiscard]] bool reading_whole() const { return reading_whole_ > 0; }

 private:
  using Missing = std::map<std::string, std::vector<KeyRange>>;
  Result<void> hold(Context& context, const Missing& missing);
  void describe_plan(Context& context, const StreamPosition& from, int64_t batch_rows, int64_t batch_bytes);
  Result<void> cut(Context& context, const Missing& missing, StreamPosition& from);
  Result<void> follow_key(FollowedTable& followed, const Table& now) const;
  Result<std::optional<SchemaChange>> follow(Context& context, const FollowedTable& followed, const Table& now,
                                             StreamPosition& from);

  const SourceSettings& settings_;
  FollowedTables& tables_;
  std::shared_ptr<SnapshotPlan> plan_;
  std::unique_ptr<Connection> leader_;  // a new slot's, until its snapshot is held
  std::string exported_;
  HeldSnapshot::Ptr held_;
  std::optional<SchemaChange> schema_change_;
  std::vector<Chunk> waiting_;  // that are not handed out yet
  std::map<SplitId, Chunk> handed_out_;
  std::map<SplitId, Position> awaited_;  // of those that are not delivered yet: what they end at
  std::atomic<int> reading_whole_{0};
};

}  // namespace sluice::postgresql
