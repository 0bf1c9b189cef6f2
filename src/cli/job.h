// Runs planned pipelines in the foreground: progress while they run, a closing summary, the right exit code.
#pragma once

#include <memory>
#include <vector>

#include "cli/session.h"
#include "flow/pipeline.h"

namespace sluice {

// One pipeline to its end. `output`: table | json | csv, for plans without a sink.
Result<RunSummary> run_job(Session& session, PipelinePlan plan, const std::string& output);

// Bounded plans in their order, then all streams together. The first failure stops the rest.
Result<std::vector<RunSummary>> run_jobs(Session& session, std::vector<PipelinePlan> plans, const std::string& output);

// "orders: 5,000 rows in 3 files (1.2 MB), exactly-once" for each that wrote something, on stderr.
void print_summaries(const std::vector<RunSummary>& summaries);

}  // namespace sluice
