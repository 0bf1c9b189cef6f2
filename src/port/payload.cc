#include "port/payload.h"

namespace sluice {

OptionSpec columns_option() {
  return {.name = "columns",
          .doc =
              "The schema, as 'id BIGINT, name VARCHAR, …'; by default it is inferred from the first messages or "
              "taken from a schema registry or file.",
          .scope = OptionScope::source};
}

OptionSpec unknown_fields_option() {
  return {.name = "unknown_fields",
          .kind = OptionKind::choice,
          .default_value = "error",
          .doc = "What a field that the schema does not have is: an error, or ignored; one that is null is no error.",
          .scope = OptionScope::source,
          .choices = {"error", "ignore"}};
}

Result<SchemaPtr> declared_columns(const OptionValues& options) {
  if (!options.has("columns") || options.text("columns").empty()) return SchemaPtr();
  auto parsed = parse_columns(options.text("columns"));
  if (!parsed.ok()) return user_error("{}: {}", options.where("columns"), parsed.error().what);
  return parsed;
}

Error no_message_to_infer_from() {
  return user_error("there is no message yet to take the schema from; give it with columns := 'name TYPE, …'");
}

}  // namespace sluice
