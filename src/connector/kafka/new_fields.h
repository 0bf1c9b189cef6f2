// Fields that messages have and the schema that they are read with lacks.
#pragma once

#include "batch/schema.h"

namespace sluice::kafka {

// As payload formats read it: text, where nothing but null was seen.
TypePtr type_read(const TypePtr& type);

// `known` with the fields of `seen` that it lacks, also inside of structs and lists, behind those it has; what it has
// keeps its type. `known` itself where there are none.
SchemaPtr with_new_fields(const SchemaPtr& known, const arrow::Schema& seen);

}  // namespace sluice::kafka
