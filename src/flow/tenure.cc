#include "flow/tenure.h"

#include <unistd.h>

#include <fstream>

#include "flow/same_place.h"

namespace sluice {
namespace {

// "pid:start time": the start time tells a reused pid from the process that took the lease.
std::string owner_name() {
  char host[256] = "localhost";
  ::gethostname(host, sizeof host - 1);
  std::ifstream stat("/proc/self/stat");
  std::string line;
  std::getline(stat, line);
  // proc(5): field 22 is starttime; the command name (field 2) is in parentheses and may hold spaces.
  std::string start = "0";
  if (auto close = line.rfind(')'); close != std::string::npos) {
    size_t at = close + 2;
    for (int field = 3; field < 22 && at != std::string::npos; ++field) at = line.find(' ', at) + 1;
    start = line.substr(at, line.find(' ', at) - at);
  }
  return fmt::format("{}:{}:{}", host, ::getpid(), start);
}

const char* kind_name(PipelineKind kind) {
  switch (kind) {
    case PipelineKind::stream:
      return "stream";
    case PipelineKind::table:
      return "table";
    case PipelineKind::insert:
      return "insert";
    case PipelineKind::select:
      return "select";
  }
  return "insert";
}

}  // namespace

// CREATE OR REPLACE with another source: its positions mean nothing any more, neither here nor at the target.
Result<void> Tenure::forget_other_source(Context& context) {
  const PipelinePlan& plan = pipeline_.plan_;
  if (!plan.or_replace) return {};
  auto known = TRY(coordinator_->load(context.pipeline));
  if (!known.has_value() || known->source.empty()) return {};
  const SamePlace same = same_source(known->source, plan.source.uri());
  if (same == SamePlace::yes) return {};
  if (same == SamePlace::unknown && !known->positions.empty()) {
    return user_error(
        "{}: the brokers of '{}' are others than before, and so may be its cluster: name one of the former ones, too, "
        "once (it need not answer) to keep its positions, or 'sluice reset {}' to start over\n  - {}\n  + {}",
        plan.where, context.pipeline, context.pipeline, known->source, plan.source.uri());
  }
  if (!known->positions.empty()) context.log.warn("another source: its positions begin anew");
  TRY(coordinator_->reset(context.pipeline, {}));
  return pipeline_.sink_->reset(context, {});
}

Result<void> Tenure::begin(Context& context) {
  if (coordinator_ == nullptr) return {};
  TRY(forget_other_source(context));
  TRY(take_lease(context));
  auto prepare = [&]() -> Result<void> {
    TRY(load(context));
    resumed_ = !record_.definition.empty();
    shows_error_ = !record_.last_error.empty();
    if (resumed_) TRY(check_definition());
    if (resumed_) TRY(check_targets());
    const PipelinePlan& plan = pipeline_.plan_;
    PipelineRecord define = record_;
    define.name = context.pipeline;
    define.kind = kind_name(plan.kind);
    define.definition = plan.definition;
    define.source = plan.source.uri();  // as written: splits are named after it
    define.sink = plan.sink.has_value() ? plan.sink->lasting_uri() : "";
    define.dead_letters = plan.dead_letters.has_value() ? plan.dead_letters->lasting_uri() : "";
    return coordinator_->define(lease_, define);
  }();
  if (!prepare.ok()) {
    keeper_.reset();
    (void)coordinator_->release(lease_);
  }
  return prepare;
}

// Several processes may run a stream whose source hands its splits out among them, into a sink that takes them.
bool Tenure::may_be_shared() const {
  const Sink* dead_letters = pipeline_.dead_letters_.get();
  return pipeline_.plan_.kind == PipelineKind::stream && pipeline_.inputs_.size() == 1 &&
         pipeline_.inputs_[0].source->traits().shares_work && pipeline_.sink_->traits().several_processes &&
         (dead_letters == nullptr || dead_letters->traits().several_processes);
}

Result<void> Tenure::take_lease(Context& context) {
  keeper_.reset();
  lease_ = TRY(may_be_shared() ? coordinator_->join(context.pipeline, owner_name())
                               : coordinator_->acquire(context.pipeline, owner_name()));
  keeper_ = std::make_unique<LeaseKeeper>(*coordinator_, lease_, context);
  return {};
}

// What a member takes over is its own before the positions are looked at: nobody moves them in between.
Result<void> Tenure::load(Context& context) {
  std::vector<Intent> ours;
  if (lease_.member) ours = TRY(coordinator_->take_over(lease_));
  auto known = TRY(coordinator_->load(context.pipeline));
  record_ = known.has_value() ? std::move(*known) : PipelineRecord{};
  if (!lease_.member) return {};
  of_others_.clear();
  for (auto& intent : record_.intents) {
    if (intent.owner != lease_.generation) of_others_.push_back(std::move(intent));
  }
  record_.intents = std::move(ours);
  return {};
}

Epoch Tenure::last_epoch() const {
  if (!lease_.member) return record_.last_epoch;
  for (const auto& member : record_.members) {
    if (member.generation == lease_.generation) return member.last_epoch;
  }
  return lease_.last_epoch;
}

std::optional<SplitId> Tenure::awaited(const std::set<SplitId>& splits) const {
  for (const auto& intent : of_others_) {
    for (const auto& [split, position] : intent.upto) {
      if (splits.contains(split)) return split;
    }
  }
  return std::nullopt;
}

std::vector<Generation> Tenure::spared() const {
  std::set<Generation> spared{lease_.generation};
  for (const auto& member : record_.members) spared.insert(member.generation);
  for (const auto& intent : of_others_) spared.insert(intent.generation);
  return {spared.begin(), spared.end()};
}

Result<void> Tenure::check_definition() const {
  const PipelinePlan& plan = pipeline_.plan_;
  if (record_.definition == plan.definition || plan.or_replace) return {};
  if (record_.positions.empty() && record_.intents.empty()) return {};  // reset, or never came to anything
  return user_error(
      "{}: '{}' was defined differently before:\n  - {}\n  + {}\nUse CREATE OR REPLACE to keep its positions where the "
      "source is the same, or 'sluice reset {}' to start over",
      plan.where, record_.name, record_.definition, plan.definition, record_.name);
}

// What is decided can only be completed where it was prepared, and the record is what says where that is.
Result<void> Tenure::check_targets() const {
  const PipelinePlan& plan = pipeline_.plan_;
  const auto waits_for = [&](const std::string& target) {
    return refused(
        "{}: an epoch of '{}' is decided and not yet in {}: run the former statement once, which completes it, and "
        "then CREATE OR REPLACE\n  {}",
        plan.where, record_.name, target, record_.definition);
  };
  bool dead_letters = false;
  for (const auto& intent : record_.intents) dead_letters = dead_letters || !intent.dead_letters.empty();
  const auto moved = [](const std::string& known, const std::optional<Endpoint>& now) {
    if (known.empty()) return false;
    // Of an older version it is as it was written.
    return !now.has_value() || (!same_target(known, now->lasting_uri()) && !same_target(known, now->uri()));
  };
  if (!record_.intents.empty() && moved(record_.sink, plan.sink)) return waits_for(record_.sink);
  if (dead_letters && moved(record_.dead_letters, plan.dead_letters)) return waits_for(record_.dead_letters);
  return {};
}

Result<void> Tenure::look_again(Context& context) {
  if (coordinator_ == nullptr) return {};
  if (auto renewed = coordinator_->renew(lease_); !renewed.ok()) {
    if (!lease_.member) return renewed;  // before the target is touched: whoever has it now has fenced us off there
    // If it is there still: what it has decided is for the new lease to complete.
    (void)coordinator_->release(lease_);
    TRY(take_lease(context));
  }
  TRY(load(context));
  if (record_.name.empty()) return refused("pipeline '{}' was dropped while it ran", context.pipeline);
  if (lease_.member && record_.definition != pipeline_.plan_.definition) {
    return refused("pipeline '{}' was defined anew while this process was taken for dead", context.pipeline);
  }
  return {};
}

Result<void> Tenure::save_schema(const FollowedSchema& schema) {
  return coordinator_ == nullptr ? Result<void>() : coordinator_->save_schema(lease_, schema);
}

void Tenure::show_error(Context& context, const std::string& message) {
  if (coordinator_ == nullptr || (message.empty() && !shows_error_)) return;
  shows_error_ = !message.empty();
  auto shown = coordinator_->set_error(lease_, message);
  if (!shown.ok()) context.log.warn("could not update the state store", {{"error", shown.error().message()}});
}

void Tenure::end(Context& context, const Result<void>& result, bool drained) {
  if (coordinator_ == nullptr) return;
  auto tell = [&](const Result<void>& step) {
    if (!step.ok()) context.log.warn("could not update the state store", {{"error", step.error().message()}});
  };
  const bool complete = result.ok() && !drained;
  const bool stream = pipeline_.plan_.kind == PipelineKind::stream;
  const bool stopped = !result.ok() && result.error().fault == Fault::cancelled;  // as asked: that is no failure
  show_error(context, result.ok() || stopped ? "" : result.error().message());
  if (result.ok()) tell(coordinator_->set_finished(lease_, complete && !stream));
  keeper_.reset();
  tell(coordinator_->release(lease_));
  // An unnamed statement keeps its positions, here and at the target, only until it is through. The target's go last: a
  // record that outlived them would have the next run deliver everything once more.
  if (complete && !pipeline_.plan_.named && !stream) {
    auto forgotten = coordinator_->drop(lease_.pipeline);
    tell(forgotten);
    if (forgotten.ok()) tell(pipeline_.sink_->drop(context));
  }
}

}  // namespace sluice
