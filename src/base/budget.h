// The process's memory promise (--memory). Whoever buffers data reserves its bytes here first; when none are left it
// waits (backpressure) or flushes what it holds. Thread-safe; outlives every reservation.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <utility>

#include "base/result.h"

namespace sluice {

class Budget {
 public:
  // A share of the budget, given back when it is destroyed. Movable.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(Budget* budget, int64_t bytes) : budget_(budget), bytes_(bytes) {}
    Reservation(Reservation&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    Reservation& operator=(Reservation&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Reservation() {
      if (budget_ != nullptr) budget_->give_back(bytes_);
    }
    [[nodiscard]] int64_t bytes() const { return bytes_; }

   private:
    Budget* budget_ = nullptr;
    int64_t bytes_ = 0;
  };

  explicit Budget(int64_t limit_bytes) : limit_(limit_bytes) {}

  [[nodiscard]] int64_t limit() const { return limit_; }
  [[nodiscard]] int64_t used() const;

  // Never waits. Empty when the bytes are not to be had.
  std::optional<Reservation> try_reserve(int64_t bytes);
  // Waits until the bytes are free or stop is requested (Fault::cancelled). A single request above the whole limit is
  // granted when nothing else is reserved: one huge row must be able to pass.
  Result<Reservation> reserve(int64_t bytes, const std::stop_token& stop);

 private:
  void give_back(int64_t bytes);

  const int64_t limit_;
  mutable std::mutex mutex_;
  std::condition_variable_any freed_;
  int64_t used_ = 0;
};

}  // namespace sluice
