// The tables of the state store and their history.
#pragma once

#include <string>

#include "base/clock.h"
#include "sqlite/database.h"

namespace sluice {

// Brings an empty or older store to the newest version, one transaction for all steps. A newer version and a file
// of another program are refused.
Result<void> migrate_state(sqlite::Database& database, WallTime now);

}  // namespace sluice
