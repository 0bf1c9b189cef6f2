#include <cstdio>

#include "cli/commands.h"
#include "cli/reference.h"
#include "cli/session.h"

namespace sluice {
namespace {

Result<int> connectors(Session& session, const Invocation& invocation) {
  const Registry& registry = session.registry();
  if (!invocation.arguments.empty()) {
    const auto* connector = TRY(registry.connector(invocation.arguments[0]));
    std::fputs(render_connector(registry, *connector).c_str(), stdout);
    return kExitDone;
  }
  for (const auto& connector : registry.connectors()) {
    const char* direction = connector.create_sink == nullptr     ? "source"
                            : connector.create_source == nullptr ? "sink"
                                                                 : "source, sink";
    std::printf("%-12s %-13s %s\n", std::string(connector.name).c_str(), direction, std::string(connector.doc).c_str());
  }
  std::printf("\nformats:");
  for (const auto& format : registry.formats()) std::printf(" %s", std::string(format.name).c_str());
  std::printf("\n");
  return kExitDone;
}

}  // namespace

Command connectors_command() {
  return Command{
      .name = "connectors",
      .arguments = "[NAME]",
      .summary = "Lists what can be read and written, or the options of one connector.",
      .arguments_max = 1,
      .run = connectors,
  };
}

}  // namespace sluice
