#include "flow/lane.h"

#include <algorithm>

#include <arrow/record_batch.h>

namespace sluice {
namespace {

// How long a lane may be deaf to cuts, drains and closing gates.
constexpr Millis kLaneAttention{100};
// How long a lane waits for one of several readers when none had rows.
constexpr Millis kTurn{5};

Deadline soon(Context& context) { return context.clock.steady() + kLaneAttention; }

// LIMIT without ORDER BY: whoever writes takes from what is left.
void apply_limit(RunShared& shared, Rows& rows) {
  if (rows.batch == nullptr || shared.rows_left.load() == INT64_MAX) return;
  int64_t before = shared.rows_left.fetch_sub(rows.batch->num_rows());
  if (before < rows.batch->num_rows()) rows.batch = rows.batch->Slice(0, std::max<int64_t>(before, 0));
}

// Writes one batch and tells the gate about it.
Result<void> deliver(Context& context, RunShared& shared, Outlet& outlet, Rows rows) {
  apply_limit(shared, rows);
  int64_t count = rows.batch == nullptr ? 0 : rows.batch->num_rows();
  int64_t bytes = rows.source_bytes;
  TRY(outlet.deliver(context, std::move(rows)));
  shared.gate.note_rows(count, bytes);
  if (outlet.wants_cut()) shared.gate.ask_for_cut();
  return {};
}

Result<void> idle(Context& context, RunShared& shared, Outlet& outlet) {
  TRY(outlet.tick(context));
  if (outlet.wants_cut()) shared.gate.ask_for_cut();
  return {};
}

// A writer that wants the cut is full, and the cut comes only when the epoch before is committed: reading on meanwhile
// would fill the memory when the source is faster than the sink's commit.
void await_cut(Context& context, const RunShared& shared, const Outlet& outlet, Epoch epoch) {
  // Rows of one moment are one epoch, however full the writers are; whether they are is known when they come.
  if (shared.one_epoch || shared.source.traits().one_snapshot) return;
  while (outlet.wants_cut() && !shared.gate.closed() && !shared.gate.cut_wanted(epoch)) {
    if (!context.clock.sleep(Millis(1), context.stop)) return;
  }
}

// Ends the epoch in this lane. What was prepared of it when that fails is discarded with the rest of the epoch.
Result<void> hand_in(Context& context, EpochGate& gate, Outlet& outlet, Epoch epoch) {
  auto part = outlet.prepare(context, epoch);
  if (!part.ok()) {
    gate.give_up(outlet.take_unfinished());
    return std::move(part).error();
  }
  gate.hand_in(std::move(part).value());
  return {};
}

}  // namespace

std::vector<uint64_t> ReadingLane::held() const {
  std::vector<uint64_t> sequences;
  for (const auto& open : open_) sequences.push_back(open.bundle.sequence);
  return sequences;
}

Result<void> ReadingLane::open(Context& context, SplitQueue::Bundle bundle) {
  auto reader = TRY(create_paced_reader(context, shared_.source, bundle.splits));
  open_.push_back({std::move(bundle), std::move(reader)});
  return {};
}

// Waits for work when there is none; looks for more when what there is never ends.
Result<void> ReadingLane::claim(Context& context, Deadline deadline) {
  std::optional<SplitQueue::Bundle> bundle;
  if (open_.empty()) {
    if (!shared_.splits.drained()) bundle = shared_.splits.claim(number_, deadline, context.stop);
  } else if (std::all_of(open_.begin(), open_.end(), [](const Open& open) { return open.bundle.endless; })) {
    bundle = shared_.splits.try_claim(number_);
  }
  if (!bundle.has_value()) return {};
  return open(context, *std::move(bundle));
}

// With several readers nobody is waited for while another may have rows.
Deadline ReadingLane::turn_deadline(Context& context, Deadline deadline) const {
  if (open_.size() == 1) return deadline;
  const auto now = context.clock.steady();
  return idle_turns_ < open_.size() ? now : std::min(deadline, now + kTurn);
}

Result<ReadingLane::Step> ReadingLane::step(Context& context, Deadline deadline) {
  Step step;
  // Stopping: what was read is delivered up to its position; the rest of the bundle is for the next run.
  if (!shared_.stopping() && shared_.rows_left > 0) TRY(claim(context, deadline));
  if (shared_.stopping() || open_.empty()) {
    context.clock.sleep(Millis(open_.empty() && !shared_.stopping() ? 2 : 5), context.stop);
    step.idle = true;
    return step;
  }
  turn_ = (turn_ + 1) % open_.size();
  Open& open = open_[turn_];
  step.sequence = open.bundle.sequence;
  auto event = TRY(open.reader->next(context, turn_deadline(context, deadline)));
  const bool end = std::holds_alternative<End>(event);
  TRY(take(context, std::move(event), step));
  idle_turns_ = step.idle ? idle_turns_ + 1 : 0;
  if (end || shared_.rows_left <= 0) {
    open.reader.reset();
    shared_.splits.done(open.bundle);
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(turn_));
    step.bundle_ended = true;
  }
  return step;
}

Result<void> ReadingLane::take(Context& context, Event event, Step& step) {
  if (auto* rows = std::get_if<Rows>(&event)) {
    shared_.counters.bytes_read += rows->source_bytes;
    if (rows->batch != nullptr) shared_.counters.rows_read += rows->batch->num_rows();
    TRY(transform(context, *rows));
    step.rows = std::move(*rows);
  } else if (auto* change = std::get_if<SchemaChange>(&event)) {
    if (shared_.tables == nullptr) {
      return refused("the schema of '{}' changed while it was being read; start again to follow it",
                     change->table.name);
    }
    shared_.gate.ask_for_break(std::move(*change));
    step.idle = true;
  } else if (auto* truncate = std::get_if<Truncate>(&event)) {
    return follow(std::move(*truncate), step);
  } else if (std::holds_alternative<Idle>(event)) {
    step.idle = true;
  }
  return {};
}

Result<void> ReadingLane::follow(Truncate truncate, Step& step) {
  switch (shared_.on_truncate) {
    case RunShared::OnTruncate::refuse:
      return refused(
          "table '{}' was truncated at the source, and this sink cannot follow that; empty the target yourself where "
          "it has to follow, then go on with on_truncate := 'ignore', which leaves what was delivered",
          truncate.table.name);
    case RunShared::OnTruncate::ignore:
      step.rows.emplace();
      step.rows->table = truncate.table;
      step.rows->progress.push_back(std::move(truncate.progress));
      return {};
    case RunShared::OnTruncate::follow:
      shared_.gate.ask_for_break(std::move(truncate));
      step.idle = true;
      return {};
  }
  return {};
}

Result<void> ReadingLane::transform(Context& context, Rows& rows) {
  if (shared_.tables == nullptr || rows.batch == nullptr || rows.batch->num_rows() == 0) return {};
  const TableId table = shared_.tables->known_as(rows.table);
  auto found = transforms_.find(table);
  if (found == transforms_.end()) {
    found = transforms_.emplace(table, TRY(shared_.tables->create_transform(context, table))).first;
  }
  if (found->second == nullptr) return {};
  std::vector<Reject> rejects;
  rows.batch = TRY(found->second->apply(context, rows.batch, &rejects));
  const std::string split = rows.progress.empty() ? std::string() : rows.progress.back().split;
  for (auto& reject : rejects) {
    if (reject.split.empty()) reject.split = split;
    reject.stage = Reject::Stage::transform;
    rows.rejects.push_back(std::move(reject));
  }
  return {};
}

Result<void> run_writing_lane(Context& context, RunShared& shared, ReadingLane lane, Outlet outlet, Epoch first_epoch) {
  Epoch epoch = first_epoch;
  while (!shared.gate.closed()) {
    if (shared.gate.cut_wanted(epoch)) TRY(hand_in(context, shared.gate, outlet, epoch++));
    auto step = TRY(lane.step(context, soon(context)));
    if (step.rows.has_value()) TRY(deliver(context, shared, outlet, std::move(*step.rows)));
    if (step.idle || step.bundle_ended) TRY(idle(context, shared, outlet));
    await_cut(context, shared, outlet, epoch);
  }
  return {};
}

Result<void> run_feeding_lane(Context& context, RunShared& shared, ReadingLane lane, OrderedChannel& channel) {
  while (!shared.gate.closed() && !channel.abandoned()) {
    if (shared.splits.drained() || shared.stopping()) {
      // No row will follow: else lanes that are ahead would wait for this bundle's turn to pass.
      for (uint64_t held : lane.held()) channel.finish_bundle(held);
      return {};
    }
    auto step = TRY(lane.step(context, soon(context)));
    if (step.rows.has_value()) {
      auto pushed = channel.push(step.sequence, std::move(*step.rows), context.stop);
      if (!pushed.ok()) return channel.abandoned() ? Result<void>() : std::move(pushed);
    }
    if (step.bundle_ended && !shared.splits.one_sequence()) channel.finish_bundle(step.sequence);
    if (shared.rows_left <= 0) return {};
  }
  return {};
}

Result<void> run_channel_writer(Context& context, RunShared& shared, OrderedChannel& channel, Outlet outlet,
                                Epoch first_epoch) {
  Epoch epoch = first_epoch;
  while (!shared.gate.closed()) {
    if (shared.gate.cut_wanted(epoch)) TRY(hand_in(context, shared.gate, outlet, epoch++));
    auto rows = channel.pop(soon(context), context.stop);
    if (rows.has_value()) {
      TRY(deliver(context, shared, outlet, std::move(*rows)));
    } else {
      TRY(idle(context, shared, outlet));
      if (channel.ended()) context.clock.sleep(Millis(2), context.stop);
    }
  }
  return {};
}

}  // namespace sluice
