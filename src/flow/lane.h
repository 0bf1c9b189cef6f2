// The bodies of flow's threads. A reading lane claims bundles of splits, reads and transforms them; it writes them
// itself (many writers) or pushes them into a channel whose one consumer writes (an exact file, a terminal, a query).
#pragma once

#include <atomic>
#include <memory>

#include "flow/channel.h"
#include "flow/gate.h"
#include "flow/split_queue.h"
#include "flow/table_plans.h"
#include "port/transform.h"

namespace sluice {

// Counters that progress displays and summaries read while the run goes on.
struct RunCounters {
  std::atomic<int64_t> rows_read{0};
  std::atomic<int64_t> bytes_read{0};    // of the source, as stored
  std::atomic<int64_t> rows_written{0};  // committed
  std::atomic<int64_t> bytes_written{0};
  std::atomic<int64_t> objects_written{0};
  std::atomic<int64_t> dead_rows{0};
  std::atomic<int64_t> epochs{0};
  std::atomic<int64_t> bytes_total{0};  // what there is to read; 0: unknown
  std::atomic<int64_t> retries{0};      // how often it began anew after a transient failure
  std::atomic<bool> retrying{false};    // … and has not committed anything since
  std::atomic<bool> refresh{false};     // somebody wants lookup tables loaded again; false once the run sees to it
};

// Shared by all threads of one run; outlives them.
struct RunShared {
  Source& source;
  SplitQueue& splits;
  EpochGate& gate;
  RunCounters& counters;
  const std::atomic<bool>& draining;  // stop reading, finish what was read
  std::atomic<int64_t> rows_left;     // of LIMIT; INT64_MAX without one
  TablePlans* tables = nullptr;       // null: rows go on as they are (into a query), and no change can be followed
  enum class OnTruncate { refuse, ignore, follow };
  OnTruncate on_truncate = OnTruncate::refuse;
  bool one_epoch = false;  // nothing is cut before all is read, whoever asks

  // What was read is finished, nothing more is read.
  [[nodiscard]] bool stopping() const { return draining || gate.breaking(); }
};

// Reads and transforms; what leaves goes to `emit` with the bundle's sequence. Returns when the gate closes, the
// queue is drained (and `leave_when_drained`), or on the first error.
class ReadingLane {
 public:
  ReadingLane(RunShared& shared, int number) : shared_(shared), number_(number) {}

  // One step: claims or reads. `sequence` tells which bundle the rows are of. No rows: nothing came before the
  // deadline (idle) or the bundle ended. A schema change or TRUNCATE asks the gate for a break.
  struct Step {
    std::optional<Rows> rows;
    uint64_t sequence = 0;
    bool bundle_ended = false;
    bool idle = false;
  };
  Result<Step> step(Context& context, Deadline deadline);
  // Of the bundles that are being read; they stay so when a drain ends the lane half-way.
  [[nodiscard]] std::vector<uint64_t> held() const;

 private:
  struct Open {
    SplitQueue::Bundle bundle;
    std::unique_ptr<Reader> reader;
  };
  Result<void> claim(Context& context, Deadline deadline);
  Result<void> open(Context& context, SplitQueue::Bundle bundle);
  [[nodiscard]] Deadline turn_deadline(Context& context, Deadline deadline) const;
  Result<void> take(Context& context, Event event, Step& step);
  Result<void> follow(Truncate truncate, Step& step);
  Result<void> transform(Context& context, Rows& rows);

  RunShared& shared_;
  int number_;
  std::map<TableId, std::unique_ptr<Transform>> transforms_;
  std::vector<Open> open_;  // one, or several where all but one are endless
  size_t turn_ = 0;         // whose turn it is
  size_t idle_turns_ = 0;   // since somebody had rows
};

// Many writers: read, write, hand in an epoch's part whenever the gate asks.
Result<void> run_writing_lane(Context& context, RunShared& shared, ReadingLane lane, Outlet outlet, Epoch first_epoch);
// One consumer elsewhere: read and push, in bundle order.
Result<void> run_feeding_lane(Context& context, RunShared& shared, ReadingLane lane, OrderedChannel& channel);
// The one consumer of a channel that writes.
Result<void> run_channel_writer(Context& context, RunShared& shared, OrderedChannel& channel, Outlet outlet,
                                Epoch first_epoch);

}  // namespace sluice
