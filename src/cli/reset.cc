#include <cstdio>

#include "cli/commands.h"
#include "cli/holding.h"
#include "cli/location_input.h"
#include "cli/session.h"

namespace sluice {
namespace {

// How far each split was delivered. Where the target decides it alone knows: the state store's copy may lack the last
// epoch of a process that died. Who may still write there is shut out first.
Result<Positions> delivered_positions(Context& context, const Lease& lease, Sink* sink, const PipelineRecord& record) {
  if (sink == nullptr || sink->traits().decision != Decision::target) return record.positions;
  auto committer = TRY(sink->create_committer(context));
  return TRY(committer->fence_and_load(context, lease.generation)).value_or(record.positions);
}

// At the source and the target, which keep some of their own.
Result<Positions> move_positions(Session& session, const Lease& lease, const std::string& to) {
  const std::string& name = lease.pipeline;
  Context context = session.context(name);
  const PipelineRecord record = TRY(TRY(session.coordinator())->load(name)).value_or(PipelineRecord{});
  if (!record.intents.empty()) {
    return refused(
        "pipeline '{}' has a decided epoch that is not finished; run it once so that it completes, then reset it",
        name);
  }
  Positions positions;
  if (!record.source.empty()) {
    auto endpoint = TRY(endpoint_of_location(record.source, name));
    auto source = TRY(session.registry().create_source(endpoint.request));
    positions = TRY(source->resolve_position(context, to));
    // Files are named as the statement names them, so they are found in the folder that it runs in and in no other.
    const Location& location = endpoint.request.location;
    const bool relative = location.scheme == "file" && !location.path.starts_with('/');
    if (relative && to == "latest" && positions.empty() && !record.positions.empty()) {
      return refused(
          "{} has no files, as seen from here: reset '{}' in the folder that it runs in (where all of them are gone, "
          "--to earliest says the same)",
          endpoint.text, name);
    }
  }
  std::unique_ptr<Sink> sink;
  if (!record.sink.empty()) {
    auto endpoint = TRY(endpoint_of_location(record.sink, name));
    sink = TRY(session.registry().create_sink(endpoint.request));
  }
  // 'orders/3@7' names one split of several: the others stay where they are.
  const bool names_splits = to.find('@') != std::string::npos;
  if (names_splits) positions.merge(TRY(delivered_positions(context, lease, sink.get(), record)));
  if (sink != nullptr) TRY(sink->reset(context, positions));
  return positions;
}

Result<int> reset(Session& session, const Invocation& invocation) {
  const std::string& name = invocation.arguments[0];
  const std::string& to = invocation.options.text("to");
  Coordinator* coordinator = TRY(session.coordinator());
  if (!TRY(coordinator->load(name)).has_value()) {
    return user_error("there is no pipeline '{}' in {}", name, session.state_location());
  }
  Positions positions;
  TRY(while_held(session, name, "reset", [&](const Lease& lease) -> Result<void> {
    positions = TRY(move_positions(session, lease, to));
    return {};
  }));
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
