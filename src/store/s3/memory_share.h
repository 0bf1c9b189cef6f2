// The part of the memory budget that buffers of one kind may hold together. Lanes wait for the budget while they hold
// such buffers themselves: could these take all of it, the lanes would wait for ever.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/budget.h"

namespace sluice::s3 {

// Thread-safe; outlives what is held of it.
class MemoryShare {
 public:
  class Held {
   public:
    Held() = default;
    Held(MemoryShare* share, Budget::Reservation reservation) : share_(share), reservation_(std::move(reservation)) {}
    Held(Held&& other) noexcept
        : share_(std::exchange(other.share_, nullptr)), reservation_(std::move(other.reservation_)) {}
    Held& operator=(Held&& other) noexcept {
      std::swap(share_, other.share_);
      std::swap(reservation_, other.reservation_);
      return *this;
    }
    ~Held() {
      if (share_ != nullptr) share_->used_.fetch_sub(reservation_.bytes());
    }

   private:
    MemoryShare* share_ = nullptr;
    Budget::Reservation reservation_;
  };

  // Never waits. Empty when the share or the budget is used up.
  std::optional<Held> take(Budget& budget, int64_t bytes) {
    if (used_.fetch_add(bytes) + bytes <= budget.limit() / kParts) {
      if (auto reserved = budget.try_reserve(bytes)) return Held(this, std::move(*reserved));
    }
    used_.fetch_sub(bytes);
    return std::nullopt;
  }

 private:
  static constexpr int64_t kParts = 12;
  std::atomic<int64_t> used_{0};
};

}  // namespace sluice::s3
