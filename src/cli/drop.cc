#include <cstdio>

#include "cli/commands.h"
#include "cli/holding.h"
#include "cli/location_input.h"
#include "cli/session.h"

namespace sluice {
namespace {

Result<void> drop_source(Session& session, Context& context, const PipelineRecord& record) {
  auto endpoint = TRY(endpoint_of_location(record.source, record.name));
  auto source = TRY(session.registry().create_source(endpoint.request));
  return source->drop(context);
}

Result<void> drop_target(Session& session, Context& context, const std::string& target, const std::string& name) {
  auto endpoint = TRY(endpoint_of_location(target, name));
  auto sink = TRY(session.registry().create_sink(endpoint.request));
  return sink->drop(context);
}

// What the pipeline left at its ends, the target last: without its positions a record that stays would deliver
// everything once more. With `all` a dead end keeps no other from being cleaned up: positions that stay at the target
// would have the next pipeline of that name skip what it never delivered.
std::vector<Error> drop_ends(Session& session, Context& context, const PipelineRecord& record, bool all) {
  std::vector<Error> failed;
  auto note = [&](Result<void> dropped) {
    if (!dropped.ok()) failed.push_back(std::move(dropped).error());
  };
  if (!record.source.empty()) note(drop_source(session, context, record));
  for (const auto& target : {record.dead_letters, record.sink}) {
    if (!target.empty() && (all || failed.empty())) note(drop_target(session, context, target, record.name));
  }
  return failed;
}

Result<int> drop(Session& session, const Invocation& invocation) {
  const std::string& name = invocation.arguments[0];
  Coordinator* coordinator = TRY(session.coordinator());
  auto record = TRY(coordinator->load(name));
  if (!record.has_value()) return user_error("there is no pipeline '{}' in {}", name, session.state_location());
  Context context = session.context(name);
  const bool force = invocation.options.boolean("force");
  std::vector<Error> failed;
  TRY(while_held(session, name, "drop", [&](const Lease&) -> Result<void> {
    failed = drop_ends(session, context, *record, force);
    return {};
  }));
  if (!failed.empty() && !force) {
    return std::move(failed[0]).while_doing("cleaning up its ends; --force drops it all the same");
  }
  for (const auto& error : failed) std::fprintf(stderr, "warning: %s\n", error.message().c_str());
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
