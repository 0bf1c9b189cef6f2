#include "flow/channel.h"

#include <arrow/record_batch.h>
#include <arrow/util/byte_size.h>

namespace sluice {

int64_t batch_bytes(const BatchPtr& batch) {
  if (batch == nullptr) return 0;
  auto bytes = arrow::util::ReferencedBufferSize(*batch);
  return bytes.ok() ? *bytes : arrow::util::TotalBufferSize(*batch);
}

Result<void> OrderedChannel::push(uint64_t sequence, Rows rows, const std::stop_token& stop) {
  int64_t bytes = batch_bytes(rows.batch) + 256;
  std::unique_lock lock(mutex_);
  bool admitted = changed_.wait(
      lock, stop, [&] { return abandoned_ || sequence == turn_ || bytes_ + bytes <= bytes_max_ || bytes_ == 0; });
  // Even the bundle whose turn it is waits once the consumer is a whole limit behind.
  admitted = admitted && changed_.wait(lock, stop, [&] {
    return abandoned_ || bytes_ < 2 * bytes_max_ || queues_[sequence].rows.empty();
  });
  if (!admitted || abandoned_) return cancelled();
  bytes_ += bytes;
  queues_[sequence].rows.emplace_back(std::move(rows), bytes);
  lock.unlock();
  changed_.notify_all();
  return {};
}

void OrderedChannel::finish_bundle(uint64_t sequence) {
  {
    std::lock_guard lock(mutex_);
    queues_[sequence].finished = true;
  }
  changed_.notify_all();
}

void OrderedChannel::finish() {
  {
    std::lock_guard lock(mutex_);
    finished_ = true;
  }
  changed_.notify_all();
}

void OrderedChannel::abandon() {
  {
    std::lock_guard lock(mutex_);
    abandoned_ = true;
    queues_.clear();
    bytes_ = 0;
  }
  changed_.notify_all();
}

// Moves the turn past bundles that are read out. True when it moved.
bool OrderedChannel::skip_finished() {
  bool moved = false;
  while (!queues_.empty()) {
    auto queue = queues_.begin();
    // A bundle that nobody has pushed into yet holds the turn; after finish() it never will.
    if (queue->first != turn_ && !finished_) break;
    moved = moved || turn_ != queue->first;
    turn_ = queue->first;
    if (!queue->second.rows.empty() || !(queue->second.finished || finished_)) break;
    queues_.erase(queue);
    ++turn_;
    moved = true;
  }
  return moved;
}

std::optional<Rows> OrderedChannel::pop(Deadline deadline, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  bool moved = false;
  bool ready = changed_.wait_until(lock, stop, deadline, [&] {
    moved = skip_finished() || moved;
    auto queue = queues_.find(turn_);
    return abandoned_ || (queue != queues_.end() && !queue->second.rows.empty()) || (finished_ && queues_.empty());
  });
  std::optional<Rows> rows;
  auto queue = queues_.find(turn_);
  if (ready && !abandoned_ && queue != queues_.end() && !queue->second.rows.empty()) {
    rows = std::move(queue->second.rows.front().first);
    bytes_ -= queue->second.rows.front().second;
    queue->second.rows.pop_front();
  }
  lock.unlock();
  if (rows.has_value() || moved) changed_.notify_all();
  return rows;
}

bool OrderedChannel::ended() const {
  std::lock_guard lock(mutex_);
  return abandoned_ || (finished_ && queues_.empty());
}

bool OrderedChannel::abandoned() const {
  std::lock_guard lock(mutex_);
  return abandoned_;
}

}  // namespace sluice
