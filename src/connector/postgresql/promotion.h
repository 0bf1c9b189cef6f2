// Is this the server that a pipeline followed, and did what it has delivered happen there? Not so on every one that was
// promoted.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "connector/postgresql/change_position.h"
#include "connector/postgresql/settings.h"
#include "port/context.h"

namespace sluice::postgresql {

struct SystemIdentity {
  std::string system;
  int64_t timeline = 0;  // of what is written now; of a standby: of what it replays
};
// `replication` speaks the replication protocol. What pg_control_checkpoint() says may be older than a promotion.
Result<SystemIdentity> identify_system(Connection& replication);

// What was saved means something only to the server, timeline and publication that it came from: Fault::refused. The
// publication may have had any of these digests; of a newer timeline, see check_history().
Result<void> check_identity(const SourceSettings& settings, const StreamIdentity& then, const StreamIdentity& now,
                            const std::set<std::string>& publications);

// The furthest place that anything of these positions comes from.
Result<ChangePlace> furthest_place(const StreamPosition& stream, const Positions& durable);

// `furthest` was delivered from timeline `then`, an older one than the server's. Fault::refused: it lies behind where
// the server's history left that timeline, and did not happen there.
Result<void> check_history(const Context& context, Connection& replication, int64_t then, int64_t now,
                           const ChangePlace& furthest);

// Where a timeline's history (a file of the server's) left `timeline`; nothing: it never was on that.
std::optional<Lsn> left_at(std::string_view history, int64_t timeline);

}  // namespace sluice::postgresql
