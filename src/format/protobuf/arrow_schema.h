// Protobuf types as Arrow types and back: the mapping that docs/guides/kafka-payloads.md shows.
#pragma once

#include <string>

#include "batch/schema.h"
#include "format/protobuf/schema.h"

namespace sluice::protobuf {

// The columns of a message, all nullable. Refused: types that contain themselves, more than 50,000 columns.
//   enumerations     utf8: the name, or the number where it has none
//   messages         struct; Timestamp: timestamp[us, UTC]; Duration: month_day_nano_interval; wrappers: their value;
//                    Struct, Value and ListValue: utf8, as JSON
//   repeated, map    list, map
Result<SchemaPtr> to_arrow(const Message& message);

// A proto3 file with one message `name`, into which batches of `schema` can be written. Fields keep the numbers that
// `previous` (null: there is none) gave to columns of their names; new ones get numbers that were never used. Refused:
// names that protobuf does not allow, lists of lists, maps with other keys than text, whole numbers and booleans.
//   nullable scalars                   optional
//   decimals, dates, times, intervals  string
//   timestamps                         google.protobuf.Timestamp
Result<std::string> from_arrow(const arrow::Schema& schema, const std::string& name, const Message* previous);

}  // namespace sluice::protobuf
