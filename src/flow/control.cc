// Stretch's controller: when an epoch is cut, and that one commits while the next is being written.
#include "flow/stretch.h"
#include "port/replaces.h"

namespace sluice {

bool Stretch::reading_done() const {
  if (pipeline_.plan_.query != nullptr) return gate_.state().cut_asked;  // the query thread asks when it is through
  const Feed& feed = feeds_.front();
  if (feed.channel != nullptr) return feed.channel->ended() || feed.shared.rows_left <= 0;
  return feed.shared.stopping() || feed.splits.drained() || feed.shared.rows_left <= 0;
}

// Whether rows are those of one moment a source may know only when it hands them out.
bool Stretch::is_one_epoch() const { return one_epoch_ || pipeline_.source().traits().one_snapshot; }

bool Stretch::begins_one_epoch() const {
  const SinkTraits traits = pipeline_.sink_->traits();
  return pipeline_.plan_.query != nullptr || (traits.single_writer && traits.decision == Decision::journal) ||
         (replaces() && !delivered_before());
}

// Does what is there go once all that is new is complete? A stream never is: its first epoch replaces.
bool Stretch::replaces() const {
  const auto* sink = dynamic_cast<const Replaces*>(pipeline_.sink_.get());
  return sink != nullptr && sink->replaces() && pipeline_.plan_.kind != PipelineKind::stream;
}

bool Stretch::delivered_before() const {
  const PipelineRecord& before = shared_.tenure.record();
  return before.last_epoch > 0 || !before.intents.empty() || !shared_.order.durable().empty();
}

// Has a drain or a break ended the reading before everything was read? (A query sees to that by itself.)
bool Stretch::cut_short() const {
  const Feed& feed = feeds_.front();
  return feed.shared.stopping() && pipeline_.plan_.query == nullptr && !feed.splits.drained() &&
         feed.shared.rows_left > 0;
}

Error Stretch::interrupted() const {
  return refused("{} gets one epoch's rows of one schema, and the source changed meanwhile; {}",
                 pipeline_.plan_.sink.has_value() ? pipeline_.plan_.sink->text : "the output",
                 replaces() ? "empty the folder yourself and append to it" : "write a folder");
}

// Is the epoch that is being written to be cut now?
bool Stretch::cut_due(Context& context, SteadyTime began) const {
  const PipelineOptions& options = pipeline_.options_;
  if (is_one_epoch()) return false;
  const Millis age_max =
      options.epoch_age.value_or(pipeline_.plan_.kind == PipelineKind::stream ? Millis(10'000) : Millis(600'000));
  const auto state = gate_.state();
  return state.pending && (state.cut_asked || state.rows >= options.epoch_rows || state.bytes >= options.epoch_bytes ||
                           context.clock.steady() - began >= age_max);
}

// Has every lane hand in its part of the epoch.
Result<EpochData> Stretch::cut(Context& context, Epoch epoch) {
  shared_.order.cut(epoch);
  gate_.open_cut(epoch);
  for (auto& feed : feeds_) feed.splits.wake();  // lanes that have nothing to read hand in at once, too
  std::optional<std::vector<LanePart>> parts;
  while (!parts.has_value()) {
    if (context.stop.stop_requested() || gate_.error().has_value() || gate_.lost_splits()) return cancelled();
    parts = gate_.collect(context.clock.steady() + Millis(200));
  }
  EpochData data;
  data.epoch = epoch;
  for (auto& part : *parts) {
    std::move(part.main.begin(), part.main.end(), std::back_inserter(data.main));
    std::move(part.dead_letters.begin(), part.dead_letters.end(), std::back_inserter(data.dead_letters));
    data.upto.merge(part.upto);
    data.rows += part.rows;
    data.dead_rows += part.dead_rows;
  }
  data.upto.merge(gate_.take_beginnings());  // what was read there is further
  return data;
}

// Cuts and commits epochs until everything is read or a break stops the reading; one epoch commits while the next is
// written.
Result<void> Stretch::control(Context& context, Context& outer) {
  auto began = context.clock.steady();
  std::future<Result<void>> committing;
  auto outcome = [&]() -> Result<void> {
    while (true) {
      gate_.wait(context.clock.steady() + Millis(5));
      // What is not committed yet reaches into splits that somebody else reads from the positions that are: it is
      // dropped. Which lane holds rows of them is not asked: all of them read again from the durable positions, as
      // after a crash, and what a crash does not lose or double this does not either. The epoch that is being committed
      // now may still be decided: whoever has the splits has compared and swapped the same positions, so one of both
      // loses.
      if (gate_.lost_splits()) return {};
      if (context.stop.stop_requested() || gate_.error().has_value()) return cancelled();
      if (committing.valid()) {
        if (committing.wait_for(Millis(0)) != std::future_status::ready) continue;
        TRY(committing.get());
      }
      const bool last = reading_done();
      if (!last && !gate_.state().pending) began = context.clock.steady();
      if (!last && !cut_due(context, began)) continue;
      // What is one epoch is whole or not there: what was read of it so far is read again by the next run.
      if (last && is_one_epoch() && cut_short()) return gate_.breaking() ? interrupted() : cancelled();
      began = context.clock.steady();
      auto data = cut(context, shared_.next_epoch++);
      if (!data.ok()) {
        if (gate_.lost_splits()) return {};
        return std::move(data).error();
      }
      committing = std::async(std::launch::async, [this, &outer, moved = std::move(data).value()]() mutable {
        return commit_epoch(outer, std::move(moved));
      });
      if (last) return committing.get();
    }
  }();
  if (committing.valid()) {
    auto committed = committing.get();
    if (outcome.ok()) outcome = std::move(committed);
  }
  if (!outcome.ok()) gate_.fail(outcome.error());
  return outcome;
}

Result<void> Stretch::commit_epoch(Context& context, EpochData data) {
  if (data.upto.empty() && data.main.empty() && data.dead_letters.empty()) {
    shared_.order.skip(data.epoch);
    return {};
  }
  for (const auto& part : data.main) data.bytes += part.bytes;
  TRY(shared_.order.commit(context, data));
  RunCounters& counters = shared_.counters;
  counters.rows_written += data.rows;
  counters.bytes_written += data.bytes;
  counters.dead_rows += data.dead_rows;
  for (const auto& part : data.main) counters.objects_written += part.objects;
  ++counters.epochs;
  counters.retrying = false;
  shared_.tenure.show_error(context, "");
  auto& feed = feeds_.front();
  std::lock_guard lock(feed.source_mutex);
  TRY(feed.shared.source.settle(context, data.upto));
  crash_point("commit.settled");
  return {};
}

}  // namespace sluice
