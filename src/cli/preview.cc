#include <cstdio>

#include "cli/commands.h"
#include "cli/job.h"
#include "cli/sql_input.h"

namespace sluice {
namespace {

Result<int> preview(Session& session, const Invocation& invocation) {
  auto plans = TRY(plan_input(session, invocation));
  const int64_t limit = invocation.options.integer("limit");
  session.watch_signals();
  for (auto& plan : plans) {
    if (plans.size() > 1) std::printf("-- %s\n", plan.name.c_str());
    plan.sink.reset();
    plan.dead_letters.reset();
    plan.with.erase("dead_letters");
    plan.request.limit = std::min(plan.request.limit.value_or(limit), limit);
    if (plan.kind == PipelineKind::stream) plan.kind = PipelineKind::select;
    plan.source.request.streaming = false;
    plan.source.request.options.erase("watch");
    plan.source.request.location.params.erase("watch");
    TRY(run_job(session, std::move(plan), invocation.options.text("output")));
  }
  return kExitDone;
}

}  // namespace

Command preview_command() {
  return Command{
      .name = "preview",
      .arguments = "FILE… | -e SQL",
      .summary = "Runs statements with the terminal in place of their sinks.",
      .details = "Nothing is written and no position moves. A stream shows what is there now.",
      .options = {OptionSpec{.name = "execute", .doc = "SQL text instead of files (also -e)."},
                  OptionSpec{.name = "limit",
                             .kind = OptionKind::integer,
                             .default_value = "10",
                             .doc = "Rows shown of each statement.",
                             .min = 1},
                  OptionSpec{.name = "output",
                             .kind = OptionKind::choice,
                             .default_value = "table",
                             .doc = "How rows are printed.",
                             .choices = {"table", "json", "csv"}}},
      .arguments_max = 1000,
      .takes_variables = true,
      .run = preview,
  };
}

}  // namespace sluice
