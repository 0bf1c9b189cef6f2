// Delivers the dead letters of a pipeline once more, through its own SQL into its own sink.
#pragma once

#include <string>
#include <vector>

#include "cli/replay_batch.h"
#include "cli/session.h"

namespace sluice {

struct ReplaySummary {
  int64_t dead_letters = 0;  // that were replayed and are removed
  int64_t rows = 0;          // delivered
  int64_t dead_rows = 0;     // became dead letters again
  bool resumed = false;      // went on where a killed replay had stopped
  std::vector<LeftBehind> left;
};

// `sql_file`: where the pipeline is defined now; empty: as the state store has it.
//
// Safe against kill -9: the payloads are prepared under `<state folder>/replay/NAME`, the runs are named NAME_replay
// (NAME_replay_2, …) and keep their positions like any pipeline's, and dead letters are removed only when everything is
// delivered. Started again, it goes on.
Result<ReplaySummary> replay_dead_letters(Session& session, const PipelineRecord& record, const std::string& sql_file);

}  // namespace sluice
