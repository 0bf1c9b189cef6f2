// One run of one pipeline: takes it over from whoever ran it before, reads stretch by stretch, follows what happens to
// the source between them, tries again after transient failures, and leaves a clean state behind.
#pragma once

#include "flow/stretch.h"

namespace sluice {

class PipelineRun {
 public:
  PipelineRun(Pipeline& pipeline, Coordinator* coordinator, const std::atomic<bool>& draining, RunCounters& counters);

  Result<RunSummary> run(Context& context);

 private:
  Result<void> open_sinks(Context& context);
  Result<void> recover(Context& context);
  Result<void> read_on(Context& context, Result<void> started);
  Result<bool> read_stretch(Context& context);
  Result<bool> recover_again(Context& context);
  Result<void> await_others(Context& context);
  bool worth_trying_again(Context& context, const Error& error);
  [[nodiscard]] bool wait(Context& context, Millis time) const;
  RunSummary summarize() const;

  // What happened to the source (follow.cc).
  Result<void> follow(Context& context, const Break& happened);
  Result<void> follow(Context& context, const SchemaChange& change);
  Result<void> take_along(Context& context, const SchemaChange& change);
  Result<void> do_without(Context& context, const SchemaChange& change, Error error);
  Result<void> follow_saved(Context& context);
  Result<void> save_schema(const TablePlan& plan);

  Pipeline& pipeline_;
  Tenure tenure_;
  const std::atomic<bool>& draining_;
  RunCounters& counters_;

  std::unique_ptr<CommitOrder> order_;
  std::optional<EpochData> failed_;  // of an earlier order_
  std::map<TableId, FollowedSchema> followed_;
  Epoch next_epoch_ = 1;
  bool nothing_new_ = false;
  std::set<SplitId> known_splits_;  // see Stretch::Shared

  // Since the last commit: how long it has failed, and how long it waits next.
  std::optional<SteadyTime> failing_since_;
  int64_t epochs_when_failed_ = 0;
  Millis backoff_{0};
};

}  // namespace sluice
