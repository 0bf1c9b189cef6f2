#include "base/budget.h"

namespace sluice {

int64_t Budget::used() const {
  std::lock_guard lock(mutex_);
  return used_;
}

std::optional<Budget::Reservation> Budget::try_reserve(int64_t bytes) {
  std::lock_guard lock(mutex_);
  if (used_ + bytes > limit_ && used_ > 0) return std::nullopt;
  used_ += bytes;
  return Reservation(this, bytes);
}

Result<Budget::Reservation> Budget::reserve(int64_t bytes, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (!freed_.wait(lock, stop, [&] { return used_ + bytes <= limit_ || used_ == 0; })) return cancelled();
  used_ += bytes;
  return Reservation(this, bytes);
}

void Budget::give_back(int64_t bytes) {
  {
    std::lock_guard lock(mutex_);
    used_ -= bytes;
  }
  freed_.notify_all();
}

}  // namespace sluice
