#include <cstdio>

#include "cli/commands.h"
#include "cli/sql_input.h"
#include "cli/terminal_sink.h"
#include "flow/pipeline.h"
#include "port/probes_reading.h"

namespace sluice {
namespace {

Result<void> check_plan(Session& session, PipelinePlan plan) {
  Context context = session.context(plan.name);
  std::unique_ptr<Sink> terminal;
  if (!plan.sink.has_value()) terminal = TRY(terminal_sink(context, "table", stdout));
  auto pipeline = TRY(Pipeline::open(context, std::move(plan), std::move(terminal)));
  for (size_t i = 0; i < pipeline->inputs(); ++i) {
    if (auto* source = dynamic_cast<ProbesReading*>(&pipeline->source(i))) TRY(source->probe_reading(context));
  }
  TRY(pipeline->sink().probe(context).while_doing("probing the sink"));
  const auto guarantee = pipeline->guarantee();
  std::printf("%s: ok\n  from: %s\n", pipeline->plan().name.c_str(), pipeline->plan().source.text.c_str());
  if (pipeline->plan().sink.has_value()) std::printf("  into: %s\n", pipeline->plan().sink->text.c_str());
  std::printf("  delivery: %s\n", guarantee.to_string().c_str());
  for (const auto& reason : guarantee.reasons) std::printf("    - %s\n", reason.c_str());
  // What changes carry depends on how the source is set up, and decides what the sink can make of them.
  if (pipeline->source().traits().changes) {
    for (const auto& note : pipeline->pushed().notes) std::printf("    - %s\n", note.c_str());
  }
  return {};
}

Result<int> check(Session& session, const Invocation& invocation) {
  int failed = 0;
  for (auto& plan : TRY(plan_input(session, invocation))) {
    const std::string name = plan.name;
    auto checked = check_plan(session, std::move(plan));
    if (checked.ok()) continue;
    ++failed;
    std::fprintf(stderr, "error: %s: %s\n", name.c_str(), checked.error().message().c_str());
  }
  return failed == 0 ? kExitDone : kExitFailed;
}

}  // namespace

Command check_command() {
  return Command{
      .name = "check",
      .arguments = "FILE… | -e SQL",
      .summary = "Parses, connects to both ends, resolves schemas and prints the delivery guarantee and why.",
      .details = "Nothing is moved. Exit code 1 when any statement would fail.",
      .options = {OptionSpec{.name = "execute", .doc = "SQL text instead of files (also -e)."}},
      .arguments_max = 1000,
      .takes_variables = true,
      .run = check,
  };
}

}  // namespace sluice
