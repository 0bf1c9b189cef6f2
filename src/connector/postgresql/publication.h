// The publication: which tables' changes the server sends. Made by us when it is missing, else compared with what is
// asked for.
#pragma once

#include <string>
#include <vector>

#include "connector/postgresql/catalog.h"
#include "connector/postgresql/settings.h"

namespace sluice::postgresql {

struct EnsuredPublication {
  std::string digest;       // of what it says about the tables
  bool is_altered = false;  // it was ours and said something else before
};
// Creates it for `tables` when there is none (partitions as their root). One that this pipeline made is altered to what
// the settings ask for; somebody else's has to be that already: Fault::user says what differs. A pipeline that goes on
// from a position needs the one that it had: Fault::refused. In the caller's transaction.
Result<EnsuredPublication> ensure_publication(Connection& connection, const SourceSettings& settings,
                                              const std::vector<Table>& tables, bool goes_on);
// Somebody else's that is there. Changes nothing.
Result<void> check_publication(Connection& connection, const SourceSettings& settings,
                               const std::vector<Table>& tables);
// Only one that ensure_publication made.
Result<void> drop_publication(Connection& connection, const SourceSettings& settings);

}  // namespace sluice::postgresql
