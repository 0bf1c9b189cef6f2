// What a table's description in the stream means for the schema that its rows are delivered with.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "batch/schema.h"
#include "connector/postgresql/catalog.h"
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
// As above, for a table as the catalog has it.
Result<FollowedSchemaStep> follow_table(const Table& table, const SchemaPtr& full,
                                        const std::vector<std::string>& dropped, const std::vector<std::string>& asked,
                                        const postgres::TypePolicy& policy);

// `after` with what rows have in its new columns that were there before: a sink that adds the columns has such rows.
using FindMissing = std::function<Result<MissingValues>(const std::vector<std::string>& added)>;
Result<SchemaPtr> with_missing_values(const SchemaPtr& before, const SchemaPtr& after, const FindMissing& find);

}  // namespace sluice::postgresql
