#include "flow/run.h"

#include <algorithm>
#include <thread>

namespace sluice {
namespace {

constexpr Millis kBackoffFirst{250};
constexpr Millis kBackoffMax{30'000};
constexpr Millis kRetryOfStreams{600'000};

}  // namespace

PipelineRun::PipelineRun(Pipeline& pipeline, Coordinator* coordinator, const std::atomic<bool>& draining,
                         RunCounters& counters)
    : pipeline_(pipeline),
      tenure_(pipeline, pipeline.sink_->traits().decision == Decision::none ? nullptr : coordinator),
      draining_(draining),
      counters_(counters) {}

Result<RunSummary> PipelineRun::run(Context& context) {
  TRY(tenure_.begin(context));
  auto result = [&]() -> Result<void> {
    TRY(follow_saved(context));
    TRY(open_sinks(context));
    auto started = recover(context);
    // Members that start side by side may take each other for dead. Who is alone hears of trouble at the start at once.
    if (!started.ok() && !tenure_.lease().member) return started;
    return read_on(context, std::move(started));
  }();
  if (result.ok() && order_ != nullptr) order_->leave(context);
  order_.reset();
  tenure_.end(context, result, draining_);
  TRY(std::move(result));
  return summarize();
}

Result<void> PipelineRun::open_sinks(Context& context) {
  // What an attempt left that decided nothing is no reason to write beside somebody else's data.
  const PipelineRecord& record = tenure_.record();
  const bool wrote = tenure_.resumed() && (record.last_epoch > 0 || !record.intents.empty());
  const TablePlans* tables = pipeline_.tables_.get();
  if (tables != nullptr && tables->many()) {
    for (const auto& [table, plan] : tables->all()) {
      TRY(pipeline_.sink_->open_table(context, table, *plan.output, wrote));
    }
  } else {
    TRY(pipeline_.sink_->open(context, *pipeline_.output_, wrote));
  }
  if (pipeline_.dead_letters_ == nullptr) return {};
  return pipeline_.dead_letters_->open(context, *dead_letter_schema(), true);
}

// Fences predecessors and finds out how far they came; also ourselves, after a failure.
Result<void> PipelineRun::recover(Context& context) {
  CommitOrder::Parts parts;
  parts.coordinator = tenure_.coordinator();
  parts.lease = tenure_.lease();
  if (parts.lease.member) parts.spared = tenure_.spared();
  parts.decision = pipeline_.sink_->traits().decision;
  if (GroupOffsets* group = pipeline_.source().group_offsets(); group != nullptr) {
    pipeline_.sink_->keep_positions_in(*group);
  }
  parts.main = TRY(pipeline_.sink_->create_committer(context));
  if (pipeline_.dead_letters_ != nullptr) parts.dead_letters = TRY(pipeline_.dead_letters_->create_committer(context));
  order_ = std::make_unique<CommitOrder>(std::move(parts));
  next_epoch_ = std::max(next_epoch_, tenure_.last_epoch() + 1);
  if (tenure_.coordinator() == nullptr) return {};
  (void)TRY(order_->recover(context, tenure_.record()));
  return {};
}

// A failure while it drains is no reason to end badly when a look shows that all is as it was left: whatever was not
// committed is read by the next run, or by who has moved the splits meanwhile.
Result<void> PipelineRun::read_on(Context& context, Result<void> started) {
  bool recovered = true;
  bool last_look = false;
  while (true) {
    auto through = !started.ok() ? Result<bool>(std::move(started).error())
                   : recovered   ? read_stretch(context)
                                 : recover_again(context);
    started = {};
    const bool looked = !recovered && through.ok();
    if (through.ok() && (through.value() || (looked && draining_))) return {};
    recovered = through.ok();
    if (recovered) continue;
    Error error = std::move(through).error();
    if (last_look || !worth_trying_again(context, error)) return error;
    context.log.warn("the pipeline failed and is tried again",
                     {{"error", error.message()}, {"in_ms", std::to_string(backoff_.count())}});
    tenure_.show_error(context, "tried again: " + error.message());
    counters_.retrying = true;  // who sees it finds the reason in the state store
    if (!wait(context, backoff_)) return error;
    last_look = draining_;
    backoff_ = std::min(backoff_ * 2, kBackoffMax);
  }
}

// True when everything is read, or as much as was asked for.
Result<bool> PipelineRun::read_stretch(Context& context) {
  const int lanes = pipeline_.options_.lanes > 0 ? pipeline_.options_.lanes
                                                 : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const int64_t rows_left =
      pipeline_.row_limit_.has_value() ? *pipeline_.row_limit_ - counters_.rows_written : INT64_MAX;
  Positions durable = order_->durable();
  durable.erase(kAnswered);
  auto happened = TRY(Stretch({pipeline_, tenure_, *order_, draining_, counters_, lanes, next_epoch_, rows_left,
                               nothing_new_, known_splits_})
                          .run(context, durable));
  if (!happened.has_value()) return true;
  TRY(follow(context, *happened));
  return false;
}

// As at the start of a process: look first, because what failed may have happened.
Result<bool> PipelineRun::recover_again(Context& context) {
  if (order_ != nullptr) {
    if (auto failed = order_->take_failed(); failed.has_value()) failed_ = std::move(failed);
  }
  TRY(tenure_.look_again(context));
  TRY(await_others(context));
  TRY(recover(context));
  if (failed_.has_value()) {
    order_->discard_failed(context, *std::exchange(failed_, std::nullopt), tenure_.last_epoch());
  }
  return false;
}

// A split that came to us may still be on its way out of the process that had it: what it decided is delivered first,
// by itself or, when it dies, by whoever takes that over.
Result<void> PipelineRun::await_others(Context& context) {
  constexpr Millis kLook{50};
  constexpr int kLooksPerTick = 10;
  for (int looks = 0;; ++looks) {
    auto split = tenure_.awaited(known_splits_);
    if (!split.has_value() || draining_) return {};
    if (looks == 0) context.log.info("another process still delivers a split that is ours now", {{"split", *split}});
    if (looks % kLooksPerTick == kLooksPerTick - 1) pipeline_.inputs_[0].source->tick(context);
    if (!context.clock.sleep(kLook, context.stop)) return cancelled();
    TRY(tenure_.look_again(context));
  }
}

// Retrying has an end, `retry_for` after the first failure since something was committed, and a visible state.
bool PipelineRun::worth_trying_again(Context& context, const Error& error) {
  const bool may_pass = error.fault == Fault::transient || error.fault == Fault::outcome_unknown;
  const bool stream = pipeline_.plan_.kind == PipelineKind::stream;
  const Millis retry_for = pipeline_.options_.retry_for.value_or(stream ? kRetryOfStreams : Millis(0));
  if (!may_pass || context.stop.stop_requested() || retry_for.count() == 0 || tenure_.coordinator() == nullptr)
    return false;
  const auto now = context.clock.steady();
  if (!failing_since_.has_value() || counters_.epochs > epochs_when_failed_) {
    failing_since_ = now;
    epochs_when_failed_ = counters_.epochs;
    backoff_ = kBackoffFirst;
  }
  if (now - *failing_since_ >= retry_for) return false;
  ++counters_.retries;
  return true;
}

// A drain ends it. False when somebody asks to stop meanwhile. The source is kept alive: a slot or a group may be given
// away else.
bool PipelineRun::wait(Context& context, Millis time) const {
  const auto until = context.clock.steady() + time;
  auto ticked = context.clock.steady();
  while (context.clock.steady() < until && !draining_) {
    if (!context.clock.sleep(Millis(25), context.stop)) return false;
    if (context.clock.steady() - ticked < kTick) continue;
    pipeline_.inputs_[0].source->tick(context);
    ticked = context.clock.steady();
  }
  return true;
}

RunSummary PipelineRun::summarize() const {
  RunSummary summary;
  summary.name = pipeline_.plan_.name;
  summary.rows = counters_.rows_written;
  summary.bytes = counters_.bytes_written;
  summary.objects = counters_.objects_written;
  summary.dead_rows = counters_.dead_rows;
  summary.epochs = counters_.epochs;
  summary.drained = draining_;
  // A run that was told to stop does not know what else there is.
  summary.nothing_new = !summary.drained && (nothing_new_ || (tenure_.resumed() && summary.epochs == 0));
  summary.guarantee = pipeline_.guarantee();
  return summary;
}

}  // namespace sluice
