// Keeps a lease for as long as a run lasts, whatever the run is doing meanwhile. Owns one thread, which has ended when
// the destructor returns.
#pragma once

#include <mutex>
#include <optional>
#include <thread>

#include "port/context.h"
#include "port/coordinator.h"

namespace sluice {

class LeaseKeeper {
 public:
  LeaseKeeper(Coordinator& coordinator, Lease lease, Context context);

  // The lease is not ours any more: another process has taken over. A store that cannot be reached is no reason to give
  // up: what is written next finds out.
  [[nodiscard]] Result<void> check() const;

 private:
  void keep(const std::stop_token& stop);

  Coordinator& coordinator_;
  const Lease lease_;
  Context context_;
  mutable std::mutex mutex_;
  std::optional<Error> lost_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace sluice
