#include <fstream>
#include <sstream>

#include "cli/commands.h"
#include "cli/job.h"
#include "cli/sql_input.h"

namespace sluice {
namespace {

Result<int> run(Session& session, const Invocation& invocation) {
  auto plans = TRY(plan_input(session, invocation));
  session.watch_signals();
  auto summaries = TRY(run_jobs(session, std::move(plans), invocation.options.text("output")));
  if (!session.quiet()) print_summaries(summaries);
  return kExitDone;
}

}  // namespace

Command run_command() {
  return Command{
      .name = "run",
      .arguments = "FILE… | -e SQL",
      .summary = "Runs the statements of SQL files: bounded ones in order, then all streams together.",
      .details =
          "A stream runs until SIGTERM or SIGINT, which finishes and commits what was read; a second signal aborts.\n"
          "Run again, a named pipeline goes on where it was.",
      .options = {OptionSpec{.name = "execute", .doc = "SQL text instead of files (also -e)."},
                  OptionSpec{.name = "output",
                             .kind = OptionKind::choice,
                             .default_value = "table",
                             .doc = "How a bare SELECT prints.",
                             .choices = {"table", "json", "csv"}}},
      .arguments_max = 1000,
      .takes_variables = true,
      .run = run,
  };
}

}  // namespace sluice
