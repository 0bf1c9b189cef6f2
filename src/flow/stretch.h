// One stretch of a run: from durable positions until everything is read, somebody asks to stop, something fails, or a
// break (break.h) makes the run begin anew. Owns the threads; they have ended when run() returns.
#pragma once

#include <future>
#include <list>
#include <mutex>
#include <set>
#include <thread>

#include "flow/commit.h"
#include "flow/pipeline.h"
#include "flow/tenure.h"

namespace sluice {

// How far readers may be ahead of the one consumer of a channel, in bytes.
inline constexpr int64_t kChannelBytes = 32 << 20;
inline constexpr int64_t kQueryChannelBytes = 16 << 20;
inline constexpr Millis kTick{500};

class Stretch {
 public:
  // What the stretches of a run share; `next_epoch` is carried from one to the next.
  struct Shared {
    Pipeline& pipeline;
    Tenure& tenure;
    CommitOrder& order;
    const std::atomic<bool>& draining;
    RunCounters& counters;
    int lanes = 1;
    Epoch& next_epoch;
    int64_t rows_left = INT64_MAX;  // of LIMIT, behind what is committed
    bool& nothing_new;
    // A shared pipeline's: endless splits this process had when positions were last looked up.
    std::set<SplitId>& known_splits;
  };
  explicit Stretch(Shared shared);

  // Nothing: it came to its end. A break: everything read is committed, or dropped where splits were lost.
  Result<std::optional<Break>> run(Context& outer, const Positions& durable);

 private:
  // One input with its splits and the threads that read it.
  struct Feed {
    Feed(Source& source, SplitQueue::Limits limits, EpochGate& gate, RunCounters& counters,
         const std::atomic<bool>& draining, int64_t limit)
        : splits(limits), shared{source, splits, gate, counters, draining, {limit}} {}
    SplitQueue splits;
    RunShared shared;
    std::unique_ptr<OrderedChannel> channel;  // when one consumer takes all
    std::atomic<int> readers{0};              // still pushing into the channel
    std::mutex source_mutex;                  // poll_splits and settle never run together
  };

  Result<Outlet> create_outlet(Context& context, int lane);
  Result<void> start_rows(Context& context);
  Result<void> start_query(Context& context);
  void start_feeding(Context& context, Feed& feed, int lanes);
  Result<void> query_thread(Context& context, Outlet outlet, Epoch epoch);
  void spawn(std::string name, std::function<Result<void>(Context&)> body, Context context);
  void end_threads();
  void discard_unfinished(Context& context);
  Result<void> discover(Context& context, Feed& feed);
  void note_owners(const SplitEvents& events);
  Result<void> keep(Context& context);

  // The controller (control.cc).
  // Commits in `outer`: what was read before a thread failed is delivered all the same.
  Result<void> control(Context& context, Context& outer);
  [[nodiscard]] bool is_one_epoch() const;
  [[nodiscard]] bool begins_one_epoch() const;
  [[nodiscard]] bool replaces() const;
  [[nodiscard]] bool delivered_before() const;
  [[nodiscard]] bool cut_short() const;
  [[nodiscard]] Error interrupted() const;
  [[nodiscard]] bool cut_due(Context& context, SteadyTime began) const;
  Result<EpochData> cut(Context& context, Epoch epoch);
  [[nodiscard]] bool reading_done() const;
  Result<void> commit_epoch(Context& context, EpochData data);

  Shared shared_;
  Pipeline& pipeline_;
  std::stop_source stop_;
  EpochGate gate_;
  bool one_epoch_ = false;  // asked once: commits change what it depends on
  std::list<Feed> feeds_;   // the driving input first
  std::vector<std::jthread> threads_;
};

}  // namespace sluice
