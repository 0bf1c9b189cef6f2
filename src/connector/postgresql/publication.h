// The publication: which tables' changes the server sends. Made by us when it is missing, else looked at.
#pragma once

#include <string>
#include <vector>

#include "connector/postgresql/catalog.h"
#include "connector/postgresql/settings.h"

namespace sluice::postgresql {

// Creates it for `tables` when there is none (partitions as their root). One that is there has to publish all of them.
// Returns a digest of what it says about them.
Result<std::string> ensure_publication(Connection& connection, const SourceSettings& settings,
                                       const std::vector<Table>& tables);
// An existing publication's digest; empty when there is none. Fault::user when it lacks a table. Changes nothing.
Result<std::string> check_publication(Connection& connection, const SourceSettings& settings,
                                      const std::vector<Table>& tables);
// Only one that ensure_publication made.
Result<void> drop_publication(Connection& connection, const std::string& name);

}  // namespace sluice::postgresql
