// One run's hold on its pipeline in the state store: the lease, what was recorded before, and how it is left behind.
#pragma once

#include <set>

#include "flow/lease_keeper.h"
#include "flow/pipeline.h"
#include "port/coordinator.h"

namespace sluice {

class Tenure {
 public:
  // `coordinator` null: nothing is remembered (printing to a terminal).
  Tenure(Pipeline& pipeline, Coordinator* coordinator) : pipeline_(pipeline), coordinator_(coordinator) {}

  // Takes the lease, checks that the definition is the one of before, and records this one.
  Result<void> begin(Context& context);
  // An error when another process has taken over.
  [[nodiscard]] Result<void> check() const { return keeper_ == nullptr ? Result<void>() : keeper_->check(); }
  // What the store knows now: after a failure, before looking at what happened. A member that was taken for dead joins
  // anew, and has another lease then; a sole owner without its lease is through.
  Result<void> look_again(Context& context);
  // As a member: a split of `splits` that a living member has decided to move and not delivered yet.
  [[nodiscard]] std::optional<SplitId> awaited(const std::set<SplitId>& splits) const;
  // … and the generations whose prepared parts are not ours to remove: of the living, and of what they complete.
  [[nodiscard]] std::vector<Generation> spared() const;
  Result<void> save_schema(const FollowedSchema& schema);
  // What `status` shows; empty when it has passed.
  void show_error(Context& context, const std::string& message);
  // Leaves the state store as the outcome demands. Errors here do not hide the run's own.
  void end(Context& context, const Result<void>& result, bool drained);

  [[nodiscard]] Coordinator* coordinator() const { return coordinator_; }
  [[nodiscard]] const Lease& lease() const { return lease_; }
  // A member's has the intents that it is to complete.
  [[nodiscard]] const PipelineRecord& record() const { return record_; }
  [[nodiscard]] Epoch last_epoch() const;                  // of those that are ours to number
  [[nodiscard]] bool resumed() const { return resumed_; }  // somebody ran it before

 private:
  [[nodiscard]] bool may_be_shared() const;
  Result<void> take_lease(Context& context);
  Result<void> load(Context& context);
  Result<void> forget_other_source(Context& context);
  Result<void> check_definition() const;
  Result<void> check_targets() const;

  Pipeline& pipeline_;
  Coordinator* coordinator_;
  Lease lease_;
  std::unique_ptr<LeaseKeeper> keeper_;
  PipelineRecord record_;
  std::vector<Intent> of_others_;  // a member's: what others are completing
  bool resumed_ = false;
  bool shows_error_ = false;
};

}  // namespace sluice
