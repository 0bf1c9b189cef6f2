#include "flow/split_queue.h"

#include <algorithm>

namespace sluice {

void SplitQueue::add(std::vector<Split> splits) {
  {
    std::lock_guard lock(mutex_);
    for (auto& split : splits) {
      bytes_total_ += split.bytes;
      ++added_;
      waiting_.push_back(std::move(split));
    }
  }
  changed_.notify_all();
}

void SplitQueue::set_finished() {
  {
    std::lock_guard lock(mutex_);
    finished_ = true;
  }
  changed_.notify_all();
}

// Lanes ask often, so that whoever has fewest gets the next.
bool SplitQueue::may_take_endless(int lane) const {
  auto held = [&](int number) {
    auto found = endless_.find(number);
    return found == endless_.end() ? 0 : found->second;
  };
  for (int other = 0; other < limits_.lanes; ++other) {
    if (held(other) < held(lane)) return false;
  }
  return true;
}

bool SplitQueue::fits(int lane, const Split& split) const {
  if (split.endless && !may_take_endless(lane)) return false;
  if (!limits_.sticky) return true;
  auto home = home_.find(split.id);
  return home == home_.end() || home->second == lane;
}

std::optional<SplitQueue::Bundle> SplitQueue::take(int lane) {
  auto first = std::find_if(waiting_.begin(), waiting_.end(), [&](const Split& split) { return fits(lane, split); });
  if (first == waiting_.end()) return std::nullopt;
  Bundle bundle;
  int64_t bytes = 0;
  bundle.lane = lane;
  bundle.endless = first->endless;
  const size_t most = bundle.endless ? 1 : limits_.bundle_splits;
  while (first != waiting_.end() && fits(lane, *first) && bundle.splits.size() < most) {
    const bool too_large = !bundle.splits.empty() && bytes + first->bytes > limits_.bundle_bytes;
    if (too_large || first->endless != bundle.endless) break;
    bytes += first->bytes;
    if (limits_.sticky) home_[first->id] = lane;
    bundle.splits.push_back(std::move(*first));
    first = waiting_.erase(first);
  }
  if (!limits_.one_sequence) bundle.sequence = next_sequence_++;
  if (bundle.endless) ++endless_[lane];
  ++claimed_;
  return bundle;
}

std::optional<SplitQueue::Bundle> SplitQueue::claim(int lane, Deadline deadline, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  std::optional<Bundle> bundle;
  const uint64_t wakes = wakes_;
  changed_.wait_until(lock, stop, deadline, [&] {
    bundle = take(lane);
    return bundle.has_value() || finished_ || wakes_ != wakes;
  });
  return bundle;
}

std::optional<SplitQueue::Bundle> SplitQueue::try_claim(int lane) {
  std::lock_guard lock(mutex_);
  return take(lane);
}

void SplitQueue::done(const Bundle& bundle) {
  {
    std::lock_guard lock(mutex_);
    --claimed_;
    if (bundle.endless) --endless_[bundle.lane];
  }
  changed_.notify_all();
}

bool SplitQueue::drained() const {
  std::lock_guard lock(mutex_);
  return finished_ && waiting_.empty() && claimed_ == 0;
}

int64_t SplitQueue::bytes_total() const {
  std::lock_guard lock(mutex_);
  return bytes_total_;
}

int64_t SplitQueue::added() const {
  std::lock_guard lock(mutex_);
  return added_;
}

void SplitQueue::wake() {
  {
    std::lock_guard lock(mutex_);
    ++wakes_;
  }
  changed_.notify_all();
}

}  // namespace sluice
