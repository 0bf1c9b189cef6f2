#include "connector/postgresql/snapshot_copy.h"

#include <algorithm>

#include <arrow/type.h>
#include <arrow/type_traits.h>

#include "connector/postgresql/catalog.h"
#include "connector/postgresql/change_builder.h"
#include "connector/postgresql/schema_follow.h"
#include "connector/postgresql/slot.h"

namespace sluice::postgresql {

void SnapshotCopy::begin_anew() {
  leader_.reset();
  held_.reset();
  schema_change_.reset();
  waiting_.clear();
  awaited_.clear();
  handed_out_.clear();
  reading_whole_ = 0;
  plan_ = std::make_shared<SnapshotPlan>();
}

void SnapshotCopy::use_snapshot(std::unique_ptr<Connection> leader, std::string exported) {
  leader_ = std::move(leader);
  exported_ = std::move(exported);
}

// The slot's own snapshot where it was made just now; else a new one, which holds more than what was there when the
// slot began: its pieces remember what it saw.
Result<void> SnapshotCopy::hold(Context& context, const Missing& missing) {
  HeldSnapshot::Inputs inputs;
  for (const auto& [name, ranges] : missing) inputs.insert(tables_.all().at(name).table.from());
  const bool is_later = leader_ == nullptr;
  held_ = is_later ? TRY(HeldSnapshot::take(context, settings_.target, HeldSnapshot::Which::all_rows, inputs))
                   : TRY(HeldSnapshot::adopt(context, settings_.target, std::move(leader_), exported_, inputs));
  if (is_later && settings_.snapshot != SnapshotMode::only && TRY(is_standby(held_->connection()))) {
    return refused(
        "{}: this is a standby, and no server says which transactions were running in a snapshot of one: a copy that "
        "was interrupted cannot go on here, only one that begins with its slot; drop slot '{}', empty the target and "
        "'sluice reset' the pipeline, or go on at the primary",
        settings_.target.where, settings_.slot);
  }
  return {};
}

void SnapshotCopy::describe_plan(Context& context, const StreamPosition& from, int64_t batch_rows,
                                 int64_t batch_bytes) {
  const auto now = context.clock.wall().time_since_epoch();
  plan_->seen = held_->seen();
  plan_->log_end = held_->log_end();
  plan_->taken_at = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  plan_->place = from.place;
  plan_->stream = {SplitId(kStreamSplit), from.token()};
  plan_->condition = settings_.condition;
  plan_->types = settings_.types;
  plan_->batch_rows = batch_rows;
  plan_->batch_bytes = batch_bytes;
  plan_->reading_whole = &reading_whole_;
}

Result<void> SnapshotCopy::plan(Context& context, const Positions& durable, StreamPosition& from, int64_t batch_rows,
                                int64_t batch_bytes) {
  for (auto& [name, table] : tables_.all()) table.coverage = {};
  for (const auto& [split, position] : durable) {
    if (split == kStreamSplit) continue;
    const auto delivered = TRY(ChunkPosition::parse(split, position));
    auto table = tables_.all().find(delivered.table);
    if (table != tables_.all().end()) TRY(table->second.coverage.add(delivered));
  }
  Missing missing;
  for (const auto& [name, table] : tables_.all()) {
    if (from.no_snapshot) break;
    if (table.coverage.is_broken()) {
      return refused(
          "the copy of {} was interrupted half-way and cannot go on, because its primary key is not made of integers, "
          "dates or uuids, or is not in its replica identity; empty the target and 'sluice reset' the pipeline",
          name);
    }
    if (!table.key && table.coverage.needs_key(from.place.lsn)) {
      return refused(
          "{} was copied in pieces of its primary key, which is another now or is not in its replica identity, so that "
          "it is not known which changes these pieces hold; give it back what it had, or empty the target and 'sluice "
          "reset' the pipeline",
          name);
    }
    if (auto ranges = table.coverage.missing(); !ranges.empty()) missing.emplace(name, std::move(ranges));
  }
  if (missing.empty()) {
    leader_.reset();
    return {};
  }
  TRY(hold(context, missing));
  TRY(cut(context, missing, from));
  describe_plan(context, from, batch_rows, batch_bytes);
  return {};
}

Result<std::optional<SchemaChange>> SnapshotCopy::follow(Context& context, const FollowedTable& followed,
                                                         const Table& now, StreamPosition& from) {
  const std::string name = followed.table.name.plain();
  const auto known = from.dropped.find(name);
  auto step =
      TRY(follow_table(now, followed.full, known == from.dropped.end() ? std::vector<std::string>() : known->second,
                       settings_.columns, settings_.types)
              .while_doing("following table " + name));
  from.dropped.erase(name);
  if (!step.dropped.empty()) from.dropped[name] = std::move(step.dropped);
  if (step.full == followed.full) return std::optional<SchemaChange>();
  // A saved position does not say what its numbers are of.
  for (const auto& column : followed.coverage.is_empty() ? std::vector<std::string>() : now.key()) {
    const auto before = followed.full->GetFieldByName(column);
    const auto after = step.full->GetFieldByName(column);
    if (before == nullptr || before->type()->Equals(after->type()) || arrow::is_integer(before->type()->id())) continue;
    return refused(
        "key column '{}' of {} changed its type while the table was copied, so that it is not known which rows the "
        "pieces hold that are delivered; empty the target and 'sluice reset' the pipeline",
        column, name);
  }
  auto after = TRY(with_missing_values(followed.full, step.full, [&](const std::vector<std::string>& added) {
    return tables_.find_missing(now.oid, added, context.log, context.stop);
  }));
  return std::optional(SchemaChange{followed.id, followed.full, std::move(after)});
}

// Pieces are read by the key that the table has in the snapshot, and those that are delivered have to mean the same.
Result<void> SnapshotCopy::follow_key(FollowedTable& followed, const Table& now) const {
  auto key = tables_.key_of(now);
  const bool is_like = key && followed.key ? key->is_like(*followed.key) : !key && !followed.key;
  if (!is_like && !followed.coverage.is_empty()) {
    return refused(
        "the primary key of {} or its replica identity was changed while the table was copied, so that it is not known "
        "which rows the pieces hold that are delivered; empty the target and 'sluice reset' the pipeline",
        followed.table.name.plain());
  }
  followed.key = std::move(key);
  return {};
}

Result<void> SnapshotCopy::cut(Context& context, const Missing& missing, StreamPosition& from) {
  Connection& connection = held_->connection();
  postgres::TypeCatalog types;
  for (const auto& [name, ranges] : missing) {
    FollowedTable& followed = tables_.all().at(name);
    // As the snapshot has it: columns that were dropped since the schema was learnt cannot be read any more.
    Table now = TRY(find_table(connection, types, followed.table.name));
    schema_change_ = TRY(follow(context, followed, now, from));
    if (schema_change_) {
      waiting_.clear();
      return {};
    }
    TRY(follow_key(followed, now));
    std::erase_if(now.columns, [](const auto& column) { return !is_delivered(column); });
    plan_->tables[followed.id] = {now, followed.key, followed.delivered};
    constexpr int64_t kPageBytes = 8192;
    std::vector<KeyRange> pieces;
    for (const auto& range : ranges) {
      auto ends = followed.key ? TRY(cut_range(connection, now, *followed.key, range, settings_.split_rows))
                               : std::vector{range};
      std::move(ends.begin(), ends.end(), std::back_inserter(pieces));
    }
    for (size_t i = 0; i < pieces.size(); ++i) {
      Chunk chunk{{}, followed.id, std::move(pieces[i]), !followed.key.has_value()};
      chunk.bytes = std::max<int64_t>(1, now.pages * kPageBytes / static_cast<int64_t>(pieces.size()));
      // Named after what it holds: one that is cut otherwise after a restart is another one.
      chunk.id = fmt::format("{} {}", name, text_of(chunk.range));
      waiting_.push_back(std::move(chunk));
    }
  }
  std::stable_partition(waiting_.begin(), waiting_.end(), [](const Chunk& chunk) { return chunk.whole; });
  return {};
}

void SnapshotCopy::hand_out(std::vector<Split>& out) {
  if (waiting_.empty() || !awaited_.empty()) return;
  const bool whole = waiting_.front().whole;
  while (!waiting_.empty() && waiting_.front().whole == whole) {
    Chunk chunk = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    awaited_[chunk.id] = end_of(chunk, *plan_);
    chunk.order = handed_out_.size();
    if (whole) ++reading_whole_;
    out.push_back({chunk.id, chunk.bytes, {}});
    handed_out_[chunk.id] = std::move(chunk);
  }
}

Result<std::unique_ptr<Reader>> SnapshotCopy::create_reader(Context& context, std::span<const Split> splits) {
  std::vector<Chunk> chunks;
  HeldSnapshot::Inputs read;
  for (const auto& split : splits) {
    chunks.push_back(handed_out_.at(split.id));
    read.insert(plan_->tables.at(chunks.back().table).table.from());
  }
  auto session = TRY(held_->session(context, read, chunks.front().order));
  return snapshot_reader(std::move(session), plan_, std::move(chunks));
}

Result<void> SnapshotCopy::settle(const SplitId& split, const Position& position) {
  auto awaited = awaited_.find(split);
  if (awaited == awaited_.end() || awaited->second != position) return {};
  const auto delivered = TRY(ChunkPosition::parse(split, position));
  TRY(tables_.all().at(delivered.table).coverage.add(delivered));
  awaited_.erase(awaited);
  return {};
}

}  // namespace sluice::postgresql
