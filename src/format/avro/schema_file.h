// The option schema_file.
#pragma once

#include "avro/schema.h"
#include "options/option.h"

namespace sluice::avro_format_detail {

// Null where it is not given; the schema is a record.
Result<avro::SchemaRef> read_schema_file(const OptionValues& options);

}  // namespace sluice::avro_format_detail
