#include <cstdio>

#include <arrow/type.h>

#include "cli/commands.h"
#include "cli/location_input.h"
#include "cli/session.h"

namespace sluice {
namespace {

Result<int> schema(Session& session, const Invocation& invocation) {
  Context context = session.context();
  auto endpoint = TRY(endpoint_of_location(invocation.arguments[0], ""));
  auto source = TRY(session.registry().create_source(endpoint.request));
  auto fields = TRY(source->fetch_schema(context))->fields();
  if (invocation.options.boolean("columns")) {
    std::string columns;
    for (const auto& field : fields) {
      columns += fmt::format("{}\"{}\" {}", columns.empty() ? "" : ", ", field->name(), type_name(*field->type()));
    }
    std::printf("%s\n", columns.c_str());
    return kExitDone;
  }
  for (const auto& field : fields) {
    std::printf("%s %s%s\n", field->name().c_str(), type_name(*field->type()).c_str(),
                field->nullable() ? "" : " NOT NULL");
  }
  return kExitDone;
}

}  // namespace

Command schema_command() {
  return Command{
      .name = "schema",
      .arguments = "URI",
      .summary = "Prints the columns and types found at a location.",
      .options = {OptionSpec{.name = "columns",
                             .kind = OptionKind::boolean,
                             .default_value = "false",
                             .doc = "On one line, as the option columns := '…' takes it."}},
      .arguments_min = 1,
      .arguments_max = 1,
      .run = schema,
  };
}

}  // namespace sluice
