// The tables of the state store and their history: sluice.state_…, so that a database may hold the state store and be a
// sink's target (sluice.positions, sluice.fence) as well.
#pragma once

#include "postgres/connection.h"

namespace sluice::state {

// Brings an empty or older store to the newest version, one transaction for all steps; several processes at once take
// turns. A newer version is refused.
Result<void> migrate(postgres::Connection& connection);

}  // namespace sluice::state
