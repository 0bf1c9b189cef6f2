#include "flow/lease_keeper.h"

namespace sluice {
namespace {

constexpr Millis kRenewEvery{5'000};

}  // namespace

LeaseKeeper::LeaseKeeper(Coordinator& coordinator, Lease lease, Context context)
    : coordinator_(coordinator),
      lease_(std::move(lease)),
      context_(std::move(context)),
      thread_([this](const auto& stop) { keep(stop); }) {}

Result<void> LeaseKeeper::check() const {
  std::lock_guard lock(mutex_);
  return lost_.has_value() ? Result<void>(*lost_) : Result<void>();
}

void LeaseKeeper::keep(const std::stop_token& stop) {
  bool told = false;
  while (context_.clock.sleep(kRenewEvery, stop)) {
    auto renewed = coordinator_.renew(lease_);
    if (renewed.ok()) {
      told = false;
    } else if (renewed.error().fault == Fault::refused || renewed.error().fault == Fault::bug) {
      std::lock_guard lock(mutex_);
      lost_ = std::move(renewed).error();
      return;
    } else if (!told) {
      context_.log.warn("could not renew the lease", {{"error", renewed.error().message()}});
      told = true;
    }
  }
}

}  // namespace sluice
