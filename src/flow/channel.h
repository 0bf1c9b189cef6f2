// Carries rows from several lanes to one consumer, in bundle order: lanes decode ahead while the consumer writes, and
// the output has the order of the input. Bounded by bytes; the bundle whose turn it is always gets in, so that lanes
// which are ahead can never starve it. Thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>

#include "port/context.h"
#include "port/event.h"

namespace sluice {

class OrderedChannel {
 public:
  explicit OrderedChannel(int64_t bytes_max) : bytes_max_(bytes_max) {}

  // Waits for room; Fault::cancelled when stop is requested or the consumer has gone.
  Result<void> push(uint64_t sequence, Rows rows, const std::stop_token& stop);
  void finish_bundle(uint64_t sequence);  // its last rows are in
  void finish();                          // no bundle will follow
  void abandon();                         // the consumer needs no more: pushes fail as cancelled

  // The next rows in order; nullopt at the end or at the deadline (ended() tells which).
  std::optional<Rows> pop(Deadline deadline, const std::stop_token& stop);
  [[nodiscard]] bool ended() const;
  [[nodiscard]] bool abandoned() const;

 private:
  struct Queue {
    std::deque<std::pair<Rows, int64_t>> rows;  // with their bytes
    bool finished = false;
  };
  bool skip_finished();

  const int64_t bytes_max_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<uint64_t, Queue> queues_;
  uint64_t turn_ = 0;
  int64_t bytes_ = 0;
  bool finished_ = false;
  bool abandoned_ = false;
};

// Bytes of a batch's buffers, for queues and epochs; shared slices count what they show, not what they pin.
int64_t batch_bytes(const BatchPtr& batch);

}  // namespace sluice
