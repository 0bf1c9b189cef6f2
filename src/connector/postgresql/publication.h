// The publication: which tables' changes the server sends. Made by us when it is missing, else compared with what is
// asked for.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "connector/postgresql/catalog.h"
#include "connector/postgresql/settings.h"
#include "port/context.h"

namespace sluice::postgresql {

struct EnsuredPublication {
  std::string digest;  // of what it says about the tables
  // Those that it had before tables came to it of which nothing is delivered; and `digest`.
  std::set<std::string> digests;
  bool is_made = false;     // it was not there before
  bool is_altered = false;  // it was ours and said something else before
};
// Creates it for `tables` when there is none (partitions as their root). One that this pipeline made is altered to what
// the settings ask for; somebody else's has to be that already: Fault::user says what differs. A pipeline that goes on
// from a position needs the one that it had: Fault::refused; only what is in `fresh` (by TableName::plain()), of which
// nothing was delivered, may have come to it since, or comes to it now. In the caller's transaction.
Result<EnsuredPublication> ensure_publication(Connection& connection, const SourceSettings& settings,
                                              const std::vector<Table>& tables, bool goes_on,
                                              const std::set<std::string>& fresh);
// Waits until those transactions have ended that may have written to a table before its changes were published: what
// they did would be neither streamed nor in a snapshot that they are not in. Fault::transient: they take long.
Result<void> await_writers(Context& context, Connection& connection, const std::vector<uint32_t>& tables);
// Somebody else's that is there. Changes nothing.
Result<void> check_publication(Connection& connection, const SourceSettings& settings,
                               const std::vector<Table>& tables);
// Only one that ensure_publication made.
Result<void> drop_publication(Connection& connection, const SourceSettings& settings);

}  // namespace sluice::postgresql
