// What of Sluice's types an ORC file holds, and as what.
#pragma once

#include "batch/schema.h"

namespace sluice::orc_format_detail {

// The types that are written for `schema`: unsigned integers become the next larger type that holds every value
// (UBIGINT: DECIMAL(20,0)), a column that is NULL throughout becomes INTEGER. What ORC has no type for (TIME, INTERVAL,
// decimals of more than 38 digits) is an error naming the column and what to cast it to.
Result<SchemaPtr> stored_schema(const arrow::Schema& schema);

// The types of a file as Sluice sees them; a union is an error naming `file` and column.
Result<SchemaPtr> readable_schema(std::string_view file, const arrow::Schema& schema);

}  // namespace sluice::orc_format_detail
