// The schema of a file, from its first records.
#pragma once

#include <span>
#include <string_view>

#include "format/json/records.h"

namespace sluice::json {

struct InferOptions {
  RecordsOptions records;
  int64_t sample_rows = 20480;
  int64_t sample_bytes = 4 << 20;
  bool timestamps = true;  // recognise dates and timestamps in strings
};

// Integers become BIGINT (UBIGINT above 2^63), a mix of whole and broken numbers DOUBLE, ISO dates DATE, ISO timestamps
// TIMESTAMP or, with a zone, TIMESTAMP WITH TIME ZONE in UTC; objects structs and arrays lists. A field whose values
// have no common type is VARCHAR and holds the JSON of those that are not strings; one that was never anything but
// null, [] or {} is `null`, which unifies with every type and is decoded as VARCHAR. Bad records are left to the
// decoder.
Result<SchemaPtr> infer(Context& context, const InferOptions& options, Input input);
// The same of records that are each a text of their own. Bad ones are left to the decoder, unless all are.
Result<SchemaPtr> infer(std::span<const std::string_view> records, bool timestamps);

}  // namespace sluice::json
