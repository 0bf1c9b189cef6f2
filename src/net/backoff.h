// When to try again: exponential backoff with full jitter, for transient faults only.
#pragma once

#include <cstdint>
#include <optional>
#include <random>

#include "base/clock.h"

namespace sluice::net {

struct RetryLimits {
  int retries_max = 3;      // of connections that failed and of answers that say "internal error"
  Millis pause_first{100};  // the first pause is at most this, and each further one twice as much
  Millis pause_max{10'000};
  Millis throttled_max{180'000};  // "slow down" is an answer, not a failure: it may go on for this long
};

enum class Trouble { failed, throttled };

// The tries of one request.
class Backoff {
 public:
  Backoff(const RetryLimits& limits, uint64_t seed, SteadyTime begin) : limits_(limits), random_(seed), begin_(begin) {}
  // How long to pause before the next try; empty: give up. retries_max = 0 never tries again.
  std::optional<Millis> next(Trouble trouble, SteadyTime now);
  [[nodiscard]] int tries() const { return failed_ + throttled_; }

 private:
  RetryLimits limits_;
  std::mt19937_64 random_;
  SteadyTime begin_;
  int failed_ = 0;
  int throttled_ = 0;
};

}  // namespace sluice::net
