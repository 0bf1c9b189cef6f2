#include <cstdio>

#include "cli/commands.h"
#include "cli/location_input.h"
#include "cli/session.h"

namespace sluice {
namespace {

Result<int> reset(Session& session, const Invocation& invocation) {
  const std::string& name = invocation.arguments[0];
  const std::string& to = invocation.options.text("to");
  Coordinator* coordinator = TRY(session.coordinator());
  auto record = TRY(coordinator->load(name));
  if (!record.has_value()) return user_error("there is no pipeline '{}' in {}", name, session.state_location());
  Context context = session.context(name);
  Positions positions;
  if (!record->source.empty()) {
    auto endpoint = TRY(endpoint_of_location(record->source, name));
    auto source = TRY(session.registry().create_source(endpoint.request));
    positions = TRY(source->resolve_position(context, to));
  }
  if (!record->sink.empty()) {
    auto endpoint = TRY(endpoint_of_location(record->sink, name));
    auto sink = TRY(session.registry().create_sink(endpoint.request));
    TRY(sink->reset(context, positions));
  }
  TRY(coordinator->reset(name, positions));
  std::printf("%s: the next run starts at %s; what was delivered stays where it is\n", name.c_str(), to.c_str());
  return kExitDone;
}

}  // namespace

Command reset_command() {
  return Command{
      .name = "reset",
      .arguments = "NAME [--to POSITION|earliest|latest]",
      .summary = "Moves a stopped pipeline's positions; delivered data stays.",
      .options = {OptionSpec{.name = "to",
                             .default_value = "earliest",
                             .doc = "Where the next run starts: earliest, latest, or a position of the source."}},
      .arguments_min = 1,
      .arguments_max = 1,
      .run = reset,
  };
}

}  // namespace sluice
