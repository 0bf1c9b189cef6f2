// What a writer's schema is read with where the reader's alone does not do.
#pragma once

#include <arrow/type_fwd.h>

#include "avro/schema.h"

namespace sluice::avro_format_detail {

// `reader` and the fields of `written` that it neither has nor has an alias for (fields that it dropped), also inside
// of records. Of these only what `wanted` names; null: all. Names, defaults and types are the reader's.
//   written  id, who, note        reader  id, buyer (alias who), vip (default true)      id, buyer, vip, note
avro::SchemaRef with_dropped_fields(const avro::SchemaRef& reader, const avro::SchemaRef& written,
                                    const arrow::DataType* wanted);

// `written`, its fields named as `reader` names them: for values whose types cannot become the reader's.
avro::SchemaRef with_names_of(const avro::SchemaRef& reader, const avro::SchemaRef& written);

}  // namespace sluice::avro_format_detail
