#include <cstdio>

#include "cli/commands.h"
#include "cli/holding.h"
#include "cli/location_input.h"
#include "cli/session.h"

namespace sluice {
namespace {

// What the pipeline left at its ends. A dead end is reported and does not keep the record alive with --force.
Result<void> drop_ends(Session& session, Context& context, const PipelineRecord& record) {
  if (!record.source.empty()) {
    auto endpoint = TRY(endpoint_of_location(record.source, record.name));
    auto source = TRY(session.registry().create_source(endpoint.request));
    TRY(source->drop(context));
  }
  for (const auto& target : {record.sink, record.dead_letters}) {
    if (target.empty()) continue;
    auto endpoint = TRY(endpoint_of_location(target, record.name));
    auto sink = TRY(session.registry().create_sink(endpoint.request));
    TRY(sink->drop(context));
  }
  return {};
}

Result<int> drop(Session& session, const Invocation& invocation) {
  const std::string& name = invocation.arguments[0];
  Coordinator* coordinator = TRY(session.coordinator());
  auto record = TRY(coordinator->load(name));
  if (!record.has_value()) return user_error("there is no pipeline '{}' in {}", name, session.state_location());
  Context context = session.context(name);
  Result<void> ends;
  TRY(while_held(session, name, "drop", [&](const Lease&) -> Result<void> {
    ends = drop_ends(session, context, *record);
    return {};
  }));
  if (!ends.ok()) {
    if (!invocation.options.boolean("force")) {
      return std::move(ends).error().while_doing("cleaning up its ends; --force drops it all the same");
    }
    std::fprintf(stderr, "warning: %s\n", ends.error().message().c_str());
  }
  TRY(coordinator->drop(name));
  std::printf("%s: dropped; delivered data stays where it is\n", name.c_str());
  return kExitDone;
}

}  // namespace

Command drop_command() {
  return Command{
      .name = "drop",
      .arguments = "NAME [--force]",
      .summary = "Forgets a stopped pipeline: positions, temporary objects, slot and group; delivered data stays.",
      .options = {OptionSpec{.name = "force",
                             .kind = OptionKind::boolean,
                             .default_value = "false",
                             .doc = "Also when its source or sink cannot be reached for cleaning up."}},
      .arguments_min = 1,
      .arguments_max = 1,
      .run = drop,
  };
}

}  // namespace sluice
