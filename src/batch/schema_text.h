// Schemas as text that gives exactly the same schema back, for records: base64 of Arrow's own serialization.
// batch/schema.h has the spelling for people.
#pragma once

#include <string>

#include "batch/schema.h"

namespace sluice {

Result<std::string> schema_to_text(const arrow::Schema& schema);
Result<SchemaPtr> schema_from_text(const std::string& text);

}  // namespace sluice
