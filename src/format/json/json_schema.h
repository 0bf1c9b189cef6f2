// JSON Schema (json-schema.org, as schema registries keep it) for rows of Arrow, and back.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "batch/schema.h"

namespace sluice::json {

// Columns with null allowed are oneOf null and their type.
std::string to_json_schema(const arrow::Schema& schema, const std::string& title);

// The columns that a schema describes, where it does so simply: an object whose properties are numbers, texts,
// booleans, objects, arrays, references to places in the same document, or one of these and null. Nothing where it says
// more (other references, alternatives) or less: then messages tell.
std::optional<SchemaPtr> from_json_schema(std::string_view text);

}  // namespace sluice::json
