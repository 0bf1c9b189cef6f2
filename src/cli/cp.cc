#include "cli/commands.h"
#include "cli/job.h"
#include "cli/location_input.h"

namespace sluice {
namespace {

Result<int> cp(Session& session, const Invocation& invocation) {
  const std::string& from = invocation.arguments[0];
  const std::string& to = invocation.arguments[1];
  PipelinePlan plan;
  plan.kind = PipelineKind::insert;
  // The same copy started again resumes what a killed one left.
  plan.name = fmt::format("cp_{:016x}", std::hash<std::string>{}(from + '\n' + to));
  plan.source = TRY(endpoint_of_location(from, plan.name));
  plan.sink = TRY(endpoint_of_location(to, plan.name));
  if (invocation.options.is_given("if_exists")) {
    plan.sink->request.options["if_exists"] = RawOption{invocation.options.text("if_exists"), "--if-exists"};
  }
  plan.definition = fmt::format("cp {} {}", plan.source.text, plan.sink->text);
  plan.where = "cp";
  session.watch_signals();
  auto summary = TRY(run_job(session, std::move(plan), "table"));
  if (!session.quiet()) print_summaries({summary});
  return kExitDone;
}

}  // namespace

Command cp_command() {
  return Command{
      .name = "cp",
      .arguments = "SRC DST",
      .summary = "Copies from one location to another, changing the format as the names say.",
      .details =
          "  sluice cp 'data/*.json.gz' lake/            # NDJSON to Parquet needs ?format=parquet or a .parquet name\n"
          "  sluice cp orders.csv orders.parquet",
      .options = {OptionSpec{.name = "if_exists",
                             .kind = OptionKind::choice,
                             .doc = "What to do when DST has data already.",
                             .choices = {"error", "append", "replace"}}},
      .arguments_min = 2,
      .arguments_max = 2,
      .run = cp,
  };
}

}  // namespace sluice
