// The two commit orders. Everything that decides "this epoch happened" is in this file and commit.cc.
//
// journal-decided (files, S3):
//   write* → prepare → save_intent {intent, end positions, CAS on the generation}  ← the decision
//          → sink.commit (make visible) → finish (intent gone, positions advance) → settle
//   After the decision the only way is forward: a dead process's intent is completed by resume() at the next start.
//   Before it nothing is visible, so discarding loses nothing.
//
// target-decided (PostgreSQL, Kafka, SQLite):
//   write* → prepare → sink.commit {rows + positions, CAS on the previous positions}  ← the decision
//          → finish (a copy of the positions, for `status`) → settle
//   The start position always comes from the target: a lost or restored state file cannot double rows.
//
// with dead letters beside a target-decided sink:
//   prepare both → save_intent {conditional} → sink.commit  ← the decision → dead_letters.commit → finish → settle
//   Recovery asks the target: its positions equal the intent's end positions exactly when the epoch happened.
// as one of several members of a shared pipeline (docs/decisions/0009):
//   the same, and whoever decides compares the positions of the splits that move with those the member read from. A
//   member whose split went to another fails there; it looks again, and goes on with what is still its own.
// a TRUNCATE at the source (the epoch before it is committed):
//   sink.truncate ← the decision of a target-decided sink, with the position behind it
//          → finish {the position behind it} ← a journal-decided one may empty its table twice, which changes nothing:
//            no row from behind the TRUNCATE is written before this
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "port/coordinator.h"
#include "port/sink.h"
#include "port/source.h"

namespace sluice {

// One epoch, prepared by every lane.
struct EpochData {
  Epoch epoch = 0;
  std::vector<Prepared> main;
  std::vector<Prepared> dead_letters;
  Positions upto;  // only the splits that moved
  int64_t rows = 0;
  int64_t bytes = 0;
  int64_t dead_rows = 0;
};

// Stands among the positions of a query that read nothing (SELECT 1, a pattern without files): its answer is delivered.
// It is no split, and sources never see it.
inline constexpr const char* kAnswered = "(answered)";

// Owned by one run of one pipeline; used from one thread at a time.
class CommitOrder {
 public:
  struct Parts {
    Coordinator* coordinator = nullptr;  // null: nothing is remembered (printing to a terminal)
    Lease lease;
    // A member's: generations, sorted, whose prepared parts are not ours to remove.
    std::vector<Generation> spared;
    Decision decision = Decision::journal;
    std::unique_ptr<Committer> main;
    std::unique_ptr<Committer> dead_letters;  // null: none; always journal-decided
  };
  explicit CommitOrder(Parts parts) : parts_(std::move(parts)) {}

  // Fences predecessors, completes what they decided, discards what they did not, and returns the positions from
  // which reading starts.
  // Of a member's `record`, the intents are those it is to complete.
  Result<Positions> recover(Context& context, const PipelineRecord& record);
  // Commits one epoch in the sink's order. An error leaves it to recover(), at the next start or by this very process.
  Result<void> commit(Context& context, EpochData& epoch);
  // Before the lanes hand in their parts of an epoch.
  void cut(Epoch epoch) { parts_.main->cut(epoch); }
  // An epoch in which there was nothing.
  void skip(Epoch epoch) { parts_.main->skip(epoch); }
  // Between epochs. Counts as an epoch of its own, without rows.
  Result<void> truncate(Context& context, Epoch epoch, const Truncate& truncate);
  // The epoch whose commit failed, if one did.
  std::optional<EpochData> take_failed() { return std::exchange(failed_, std::nullopt); }
  // After recover() of the same process, which sweeps up behind older generations only: removes what is left of
  // `failed`. `last_decided` is what the state store knew before.
  void discard_failed(Context& context, EpochData failed, Epoch last_decided);
  // At the end of a member's run, when nothing is undecided.
  void leave(Context& context);
  // An epoch that was prepared and will not be decided (another lane failed).
  void discard(Context& context, const EpochData& epoch);

  [[nodiscard]] const Positions& durable() const { return durable_; }

 private:
  static Result<std::optional<Positions>> load(Context& context, const Parts& parts, Committer& committer);
  Result<void> recover_intent(Context& context, const Intent& intent, bool happened);
  Result<void> publish(Context& context, const EpochData& epoch, const Positions& from);
  [[nodiscard]] Positions durable_of(const Positions& upto) const;

  Parts parts_;
  Positions durable_;
  std::optional<EpochData> failed_;
};

}  // namespace sluice
