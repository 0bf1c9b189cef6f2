// Hands splits to lanes, in the order the source lists them; small ones are bundled so that they share batches.
// Thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "port/source.h"

namespace sluice {

class SplitQueue {
 public:
  struct Bundle {
    uint64_t sequence = 0;  // 0, 1, 2 …: the order in which single-writer sinks want the rows
    std::vector<Split> splits;
    bool endless = false;  // it is one split that goes on for ever
    int lane = 0;          // whose it is
  };
  struct Limits {
    int64_t bundle_bytes = 8 << 20;
    size_t bundle_splits = 1024;
    // A split that is added again (a file that grew) goes to the lane that had it: its earlier rows may still be in
    // that lane's unfinished epoch, and no other lane's epoch may overtake them.
    bool sticky = false;
    int lanes = 1;  // endless splits are shared out evenly among so many
    bool one_sequence =
        false;  // one lane reads everything and its order is the order: bundles need not wait their turn
  };

  explicit SplitQueue(Limits limits) : limits_(limits) {}

  void add(std::vector<Split> splits);
  void set_finished();  // nothing will be added again
  // A bundle for `lane`, or nullopt when none is there before the deadline or wake().
  std::optional<Bundle> claim(int lane, Deadline deadline, const std::stop_token& stop);
  std::optional<Bundle> try_claim(int lane);
  void done(const Bundle& bundle);
  [[nodiscard]] bool one_sequence() const { return limits_.one_sequence; }
  [[nodiscard]] bool drained() const;         // finished, nothing queued, nothing claimed
  [[nodiscard]] int64_t bytes_total() const;  // of all splits ever added
  [[nodiscard]] int64_t added() const;        // splits ever added
  void wake();                                // whoever waits in claim() has something else to look at

 private:
  bool fits(int lane, const Split& split) const;
  bool may_take_endless(int lane) const;
  std::optional<Bundle> take(int lane);

  const Limits limits_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Split> waiting_;
  std::unordered_map<SplitId, int> home_;  // sticky only
  std::unordered_map<int, int> endless_;   // how many a lane reads
  uint64_t next_sequence_ = 0;
  int64_t bytes_total_ = 0;
  int64_t added_ = 0;
  int claimed_ = 0;
  uint64_t wakes_ = 0;
  bool finished_ = false;
};

}  // namespace sluice
