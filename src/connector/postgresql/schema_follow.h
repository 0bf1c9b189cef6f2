// What a table's description in the stream means for the schema that its rows are delivered with.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "batch/schema.h"
#include "postgres/pgoutput.h"
#include "postgres/type.h"

namespace sluice::postgresql {

struct FollowedSchemaStep {
  SchemaPtr full;                    // with added and widened columns; the known one when nothing changed
  std::vector<std::string> dropped;  // columns that are not in the stream any more: they stay, and are null
};
// `types` are those of the relation's columns, `dropped` what was known before. Fault::refused where it cannot be
// followed: a column that may have been renamed, or a type that does not hold what the other one held.
Result<FollowedSchemaStep> follow_relation(const postgres::pgoutput::Relation& relation,
                                           const std::vector<postgres::Type>& types, const SchemaPtr& full,
                                           const std::vector<std::string>& dropped,
                                           const std::vector<std::string>& asked, const postgres::TypePolicy& policy);

}  // namespace sluice::postgresql
