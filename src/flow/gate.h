// Where lanes and the controller meet: epochs are asked for here, and every lane brings its part. No lane ever waits
// for another: it hands in its part at the next batch boundary and goes on with the next epoch. Thread-safe.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <vector>

#include "flow/break.h"
#include "flow/outlet.h"

namespace sluice {

class EpochGate {
 public:
  explicit EpochGate(int lanes) : lanes_(lanes) {}

  // --- lanes ---
  [[nodiscard]] bool cut_wanted(Epoch held) const;  // the lane's current epoch is to be handed in
  void hand_in(LanePart part);
  void give_up(LanePart part);  // what a lane had prepared of a part when it failed
  void fail(Error error);       // the first one wins
  void ask_for_cut();           // a writer wants its files published
  void note(bool pending);      // something of the current epoch is held
  void note_rows(int64_t rows, int64_t bytes);
  [[nodiscard]] bool closed() const;  // nothing more will be asked
  // Reading is to stop for one of these: what was read before is cut and committed (or, with lost splits, dropped),
  // then the run begins anew. From discovery: splits that were taken back. The first schema change or TRUNCATE wins.
  void ask_for_break(SchemaChange change);
  void ask_for_break(Truncate truncate);
  void ask_for_break(std::vector<SplitId> revoked, std::vector<SplitId> lost);
  void ask_for_hand_over();
  [[nodiscard]] bool breaking() const;
  // From discovery, before a lane can read there.
  void note_beginnings(const Positions& beginnings);

  // --- the controller ---
  void open_cut(Epoch epoch);  // lanes holding `epoch` hand it in
  // All parts of the open cut, or nullopt at the deadline or when a lane failed.
  std::optional<std::vector<LanePart>> collect(Deadline deadline);
  std::vector<LanePart> take_unfinished();  // parts of a cut that will never be complete, and those given up
  struct State {
    bool pending = false;
    bool cut_asked = false;
    int64_t rows = 0;
    int64_t bytes = 0;
  };
  [[nodiscard]] State state() const;  // of the epoch being written
  [[nodiscard]] std::optional<Error> error() const;
  [[nodiscard]] bool lost_splits() const;
  std::optional<Break> take_break();
  Positions take_beginnings();  // noted since the last call
  void close();
  // Sleeps until something above changed or the deadline.
  void wait(Deadline deadline);

 private:
  const int lanes_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Epoch cut_ = 0;  // epochs up to this one are to be handed in
  std::vector<LanePart> parts_;
  std::vector<LanePart> given_up_;
  State state_;
  std::optional<Error> error_;
  std::optional<Break> break_;
  Positions beginnings_;
  bool closed_ = false;
  bool signalled_ = false;
};

}  // namespace sluice
