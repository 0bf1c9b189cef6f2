#include "net/backoff.h"

#include <algorithm>

namespace sluice::net {

std::optional<Millis> Backoff::next(Trouble trouble, SteadyTime now) {
  if (limits_.retries_max == 0) return std::nullopt;
  int& count = trouble == Trouble::failed ? failed_ : throttled_;
  if (trouble == Trouble::failed && count >= limits_.retries_max) return std::nullopt;
  if (trouble == Trouble::throttled && now - begin_ >= limits_.throttled_max) return std::nullopt;
  int doublings = std::min(count++, 20);
  auto most = std::min<int64_t>(limits_.pause_max.count(), limits_.pause_first.count() << doublings);
  return Millis(std::uniform_int_distribution<int64_t>(0, most)(random_));
}

}  // namespace sluice::net
