// The one transaction of an epoch: rows, positions and the check of both the fence and the old positions.
#pragma once

#include <memory>

#include "connector/sqlite/spool.h"
#include "connector/sqlite/target_table.h"

namespace sluice::sqlite {

// `options` and `spool` are the sink's, which outlives its committer. `schema` is what the sink was opened with: the
// shape of a table that is replaced. Used by the commit thread only.
std::unique_ptr<Committer> sqlite_committer(const SqliteSinkOptions& options, Spool& spool, SchemaPtr schema);

// Opens the target: an existing file as it is, a new one (when allowed) with a write-ahead log, so that readers do not
// wait for epochs.
Result<std::unique_ptr<Database>> open_target(const SqliteSinkOptions& options, const Context& context);

}  // namespace sluice::sqlite
