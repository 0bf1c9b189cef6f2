#include "flow/commit.h"

#include <algorithm>

namespace sluice {
namespace {

int64_t rows_in(const std::vector<Prepared>& prepared) {
  int64_t rows = 0;
  for (const auto& part : prepared) rows += part.rows;
  return rows;
}

int64_t bytes_in(const std::vector<Prepared>& prepared) {
  int64_t bytes = 0;
  for (const auto& part : prepared) bytes += part.bytes;
  return bytes;
}

bool reached(const Positions& held, const Positions& upto) {
  return std::all_of(upto.begin(), upto.end(), [&](const auto& entry) {
    auto found = held.find(entry.first);
    return found != held.end() && found->second == entry.second;
  });
}

void advance(Positions& positions, const Positions& upto) {
  for (const auto& [split, position] : upto) positions[split] = position;
}

}  // namespace

Result<std::optional<Positions>> CommitOrder::load(Context& context, const Parts& parts, Committer& committer) {
  if (!parts.lease.member) return committer.fence_and_load(context, parts.lease.generation);
  return committer.join_and_load(context, parts.lease.generation, parts.spared);
}

Result<Positions> CommitOrder::recover(Context& context, const PipelineRecord& record) {
  durable_ = record.positions;
  auto held = TRY(load(context, parts_, *parts_.main).while_doing("fencing the predecessor"));
  if (parts_.dead_letters != nullptr) (void)TRY(load(context, parts_, *parts_.dead_letters));
  for (const auto& intent : record.intents) {
    bool happened = !intent.conditional || (held.has_value() && reached(*held, intent.upto));
    TRY(recover_intent(context, intent, happened));
    if (happened) advance(durable_, intent.upto);
  }
  if (parts_.decision == Decision::target && held.has_value()) durable_ = *held;
  TRY(parts_.main->discard(context, {}).while_doing("removing leftovers of an earlier run"));
  if (parts_.dead_letters != nullptr) TRY(parts_.dead_letters->discard(context, {}));
  return durable_;
}

Result<void> CommitOrder::recover_intent(Context& context, const Intent& intent, bool happened) {
  Log log = context.log.with({{"epoch", intent.epoch}});
  if (!happened) {
    log.info("an epoch of the previous run was never decided; its dead letters are discarded");
    if (parts_.dead_letters != nullptr) TRY(parts_.dead_letters->discard(context, intent.dead_letters));
    crash_point("commit.discarded");
    return parts_.coordinator->forget_intent(parts_.lease, intent.epoch);
  }
  log.info("completing an epoch that the previous run had decided");
  if (!intent.conditional) {
    (void)TRY(parts_.main->resume(context, intent.main).while_doing("completing an epoch decided before a crash"));
  }
  if (!intent.dead_letters.empty()) {
    if (parts_.dead_letters == nullptr) {
      return user_error("the previous run left decided dead letters: declare the same dead_letters target again");
    }
    (void)TRY(parts_.dead_letters->resume(context, intent.dead_letters));
  }
  crash_point("commit.resumed");
  return parts_.coordinator->finish(parts_.lease, intent.epoch, intent.upto, rows_in(intent.main),
                                    bytes_in(intent.main), rows_in(intent.dead_letters));
}

// What the splits of `upto` stand at: what a target compares before it swaps.
Positions CommitOrder::durable_of(const Positions& upto) const {
  Positions from;
  for (const auto& [split, position] : upto) {
    if (auto found = durable_.find(split); found != durable_.end()) from[split] = found->second;
  }
  return from;
}

Result<void> CommitOrder::commit(Context& context, EpochData& epoch) {
  const Positions from = durable_of(epoch.upto);
  failed_ = EpochData{epoch.epoch, epoch.main, epoch.dead_letters, {}, 0, 0, 0};
  crash_point("commit.prepared");
  const bool conditional = parts_.decision == Decision::target && !epoch.dead_letters.empty();
  if (parts_.coordinator != nullptr && (parts_.decision == Decision::journal || conditional)) {
    // Lent, not copied: they may be of tens of thousands of files.
    Intent intent{epoch.epoch, parts_.lease.generation, epoch.main, epoch.dead_letters,
                  conditional, std::move(epoch.upto),   from,       parts_.lease.generation};
    auto saved = parts_.coordinator->save_intent(parts_.lease, intent);
    epoch.upto = std::move(intent.upto);
    TRY(std::move(saved).while_doing("deciding the epoch"));
  }
  crash_point("commit.decided");
  TRY(publish(context, epoch, from));
  crash_point("commit.published");
  if (parts_.coordinator != nullptr && parts_.decision != Decision::none) {
    TRY(parts_.coordinator->finish(parts_.lease, epoch.epoch, epoch.upto, epoch.rows, epoch.bytes, epoch.dead_rows));
  }
  crash_point("commit.finished");
  failed_.reset();
  advance(durable_, epoch.upto);
  return {};
}

Result<void> CommitOrder::publish(Context& context, const EpochData& epoch, const Positions& from) {
  TRY(parts_.main->commit(context, epoch.main, from, epoch.upto).while_doing("committing the epoch"));
  if (parts_.dead_letters == nullptr || epoch.dead_letters.empty()) return {};
  crash_point("commit.dead_letters");
  return parts_.dead_letters->commit(context, epoch.dead_letters, from, epoch.upto)
      .while_doing("committing dead letters");
}

Result<void> CommitOrder::truncate(Context& context, Epoch epoch, const Truncate& truncate) {
  const Positions upto{{truncate.progress.split, truncate.progress.upto}};
  crash_point("truncate.before");
  TRY(parts_.main->truncate(context, truncate.table, durable_of(upto), upto).while_doing("following a TRUNCATE"));
  crash_point("truncate.done");
  if (parts_.coordinator != nullptr && parts_.decision != Decision::none) {
    TRY(parts_.coordinator->finish(parts_.lease, epoch, upto, 0, 0, 0));
  }
  crash_point("truncate.finished");
  advance(durable_, upto);
  return {};
}

void CommitOrder::discard_failed(Context& context, EpochData failed, Epoch last_decided) {
  // Decided by the journal: recover() has completed it. The target's decision holds the rows themselves; what was
  // prepared for it is of no use any more, whichever way it went.
  const bool undecided = last_decided < failed.epoch;
  if (parts_.decision == Decision::journal && !undecided) failed.main.clear();
  if (!undecided) failed.dead_letters.clear();
  discard(context, failed);
}

void CommitOrder::leave(Context& context) {
  if (!parts_.lease.member) return;
  auto left = parts_.main->leave(context);
  if (!left.ok()) context.log.debug("others will fence what has ended", {{"error", left.error().message()}});
}

void CommitOrder::discard(Context& context, const EpochData& epoch) {
  auto tell = [&](const Result<void>& result) {
    if (!result.ok()) context.log.warn("could not remove an undecided epoch", {{"error", result.error().message()}});
  };
  if (!epoch.main.empty()) tell(parts_.main->discard(context, epoch.main));
  if (!epoch.dead_letters.empty()) tell(parts_.dead_letters->discard(context, epoch.dead_letters));
}

}  // namespace sluice
