// Avro types as Arrow types and back: the mapping that docs/guides/formats.md shows.
#pragma once

#include <string>

#include "avro/schema.h"
#include "batch/schema.h"

namespace sluice::avro {

// The key of a field's metadata that holds Iceberg's field id: Arrow's Parquet reader and writer use the same.
inline constexpr const char* kFieldId = "PARQUET:field_id";

// The columns of a record; a root that is no record is one column named "value". Refused: recursive types, decimals of
// more than 76 digits, more than 50,000 columns.
//   union [null, T]        T, nullable
//   other unions           a struct with a nullable field per branch that is not null: member0, member1, …
//   enum, uuid             utf8
//   fixed                  fixed_size_binary; decimal: decimal128 or 256; duration: month_day_nano_interval
//   array, map             list, map; an array with the logical type map is a map, too
//   timestamp-*            timestamp with the zone UTC; local-timestamp-*: without
Result<SchemaPtr> to_arrow(const Schema& schema);
Result<TypePtr> to_arrow(const Type& type);

// A schema that every batch of `schema` can be written with after conform() to its to_arrow(). Nullable columns are
// ["null", T] with default null. `name` is the root record's; those of structs are made of the path to them. Names that
// Avro does not allow are encoded as Iceberg does ("a b" → "a_x20b", "1st" → "_1st"), with the name itself in the
// property column-name; two columns that become the same are an error.
Result<SchemaRef> from_arrow(const arrow::Schema& schema, const std::string& name);

}  // namespace sluice::avro
