// Schemas that were guessed from samples of text.
#pragma once

#include "batch/schema.h"

namespace sluice {

// As unify(), but BIGINT, which only says that no fraction was seen yet, becomes DOUBLE with a DOUBLE: the decoder
// answers for each value.
Result<SchemaPtr> unify_inferred(const SchemaPtr& a, const SchemaPtr& b);

}  // namespace sluice
