#include "cli/holding.h"

#include <unistd.h>

namespace sluice {

Result<void> while_held(Session& session, const std::string& name, const std::string& doing,
                        const std::function<Result<void>(const Lease&)>& work) {
  Coordinator* coordinator = TRY(session.coordinator());
  const auto lease = TRY(coordinator->acquire(name, fmt::format("{}:{}", doing, ::getpid())));
  auto done = work(lease);
  auto released = coordinator->release(lease);
  return done.ok() ? std::move(released) : std::move(done);
}

}  // namespace sluice
