#include "connector/kafka/delivery.h"

#include <algorithm>

namespace sluice::kafka {

void Delivery::enter(Seat* seat) {
  std::lock_guard lock(mutex_);
  seats_.insert(seat);
}

void Delivery::leave(Seat* seat) {
  std::lock_guard lock(mutex_);
  seats_.erase(seat);
  // The next to begin a transaction aborts the one that is open.
  if (seat->transaction_ != 0 && live_ != nullptr && live_->id == seat->transaction_) live_.reset();
}

// Nobody may write an older epoch any more, and none may wait to be committed.
std::shared_ptr<Delivery::Live> Delivery::turn_of(const Seat& seat) {
  std::lock_guard lock(mutex_);
  if (live_ != nullptr && live_->epoch == seat.epoch_) return live_;
  const bool older_writers =
      std::any_of(seats_.begin(), seats_.end(), [&](const Seat* other) { return other->epoch_ < seat.epoch_; });
  const bool older_parts = !handed_in_.empty() && *handed_in_.begin() < seat.epoch_;
  if (live_ != nullptr || older_writers || older_parts) return nullptr;
  live_ = std::make_shared<Live>();
  live_->id = ++last_id_;
  live_->epoch = seat.epoch_;
  return live_;
}

Result<Producer*> Delivery::producer_in(Context& context, Live& live) {
  std::lock_guard lock(live.beginning);
  if (producer_ == nullptr || live.failed) return transient("the epoch's transaction has failed");
  if (live.begun) return producer_.get();
  auto begun = [&]() -> Result<void> {
    TRY(producer_->abort(context));  // of an epoch that nobody wants any more, if there is one
    return producer_->begin(context);
  }();
  live.begun = begun.ok();
  live.failed = !begun.ok();
  TRY(std::move(begun));
  return producer_.get();
}

Result<bool> Delivery::send(Context& context, Seat& seat, Pieces& pieces, Piece* spare) {
  if (pieces.empty()) return true;
  const auto live = turn_of(seat);
  if (live == nullptr) return false;
  seat.transaction_ = live->id;
  Producer* producer = TRY(producer_in(context, *live));
  while (!pieces.empty()) {
    auto sent = producer->send(context, pieces.front());
    if (!sent.ok()) {
      std::lock_guard lock(live->beginning);
      live->failed = true;
      if (producer->fenced()) return takeover_.explain(context, *producer);
      return std::move(sent).error();
    }
    *spare = std::move(pieces.front());
    spare->clear();
    pieces.pop_front();
  }
  crash_point("kafka.rows.sent");
  return true;
}

std::optional<uint64_t> Delivery::hand_in(Seat& seat, Pieces rest, Epoch epoch) {
  std::lock_guard lock(mutex_);
  const uint64_t transaction = std::exchange(seat.transaction_, 0);
  const Epoch ended = std::exchange(seat.epoch_, epoch + 1);
  handed_in_.insert(ended);
  if (transaction == 0 && rest.empty()) return std::nullopt;
  parts_[++last_id_] = {ended, transaction, std::move(rest)};
  return last_id_;
}

bool Delivery::is_old(Context& context, const Seat& seat) {
  std::shared_ptr<Live> live;
  {
    std::lock_guard lock(mutex_);
    live = live_;
  }
  if (live == nullptr || live->epoch != seat.epoch_) return false;
  std::lock_guard lock(live->beginning);
  if (!live->begun || producer_ == nullptr) return false;
  // The rest is for what the epoch still has to do: others' batches, and the commit.
  return context.clock.steady() - producer_->began() > producer_->shape().transaction_timeout * 2 / 3;
}

std::unique_ptr<Producer> Delivery::take_back() {
  std::lock_guard lock(mutex_);
  live_.reset();
  parts_.clear();
  handed_in_.clear();
  return std::move(producer_);
}

void Delivery::start_anew(std::unique_ptr<Producer> producer) {
  (void)take_back();
  producer_ = std::move(producer);
}

Result<Delivery::Work> Delivery::take(Context& context, std::span<const uint64_t> parts) {
  Work work;
  std::shared_ptr<Live> live;
  {
    std::lock_guard lock(mutex_);
    uint64_t sent_into = 0;
    Epoch epoch = handed_in_.empty() ? 0 : *handed_in_.begin();
    for (const uint64_t id : parts) {
      auto found = parts_.find(id);
      if (found == parts_.end()) {
        work.complete = false;
        continue;
      }
      epoch = found->second.epoch;
      if (found->second.transaction != 0) sent_into = found->second.transaction;
      for (const auto& piece : found->second.rest) work.rest.push_back(&piece);
    }
    if (sent_into != 0 && (live_ == nullptr || live_->id != sent_into)) work.complete = false;
    if (!work.complete) return work;
    if (live_ == nullptr) {
      live_ = std::make_shared<Live>();
      live_->id = ++last_id_;
      live_->epoch = epoch;
    }
    live = live_;
  }
  work.producer = TRY(producer_in(context, *live));
  return work;
}

void Delivery::finish(std::span<const uint64_t> parts) {
  std::lock_guard lock(mutex_);
  std::set<Epoch> epochs;
  for (const uint64_t id : parts) {
    auto found = parts_.find(id);
    if (found == parts_.end()) continue;
    epochs.insert(found->second.epoch);
    parts_.erase(found);
  }
  if (parts.empty() && !handed_in_.empty()) epochs.insert(*handed_in_.begin());
  for (const Epoch epoch : epochs) {
    handed_in_.erase(epoch);
    if (live_ != nullptr && live_->epoch == epoch) live_.reset();
  }
}

Result<Producer*> Delivery::begin_alone(Context& context) {
  {
    std::lock_guard lock(mutex_);
    CHECK(seats_.empty());
    live_.reset();
  }
  if (producer_ == nullptr) return transient("the producer is gone with an epoch that failed");
  TRY(producer_->abort(context));  // of an epoch that nobody wants any more, if there is one
  TRY(producer_->begin(context));
  return producer_.get();
}

void Delivery::cut(Epoch epoch) {
  std::lock_guard lock(mutex_);
  handed_in_.insert(epoch);
}

void Delivery::skip(Epoch epoch) {
  std::lock_guard lock(mutex_);
  handed_in_.erase(epoch);
}

}  // namespace sluice::kafka
