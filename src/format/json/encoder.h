// Arrow to JSON.
#pragma once

#include <memory>

#include "port/format.h"

namespace sluice::json {

enum class NotANumber { error, null, text };

struct EncodeOptions {
  bool array = false;  // one top-level array instead of a record a line
  bool omit_nulls = false;
  NotANumber nan = NotANumber::error;
};

// Integers and decimals with all their digits, doubles in their shortest exact form, timestamps as ISO 8601 (with 'Z'
// where the type has a zone), binary as base64, structs and maps with text keys as objects, lists as arrays.
Result<std::unique_ptr<Encoder>> create_encoder(const EncodeOptions& options, const SchemaPtr& schema,
                                                std::shared_ptr<arrow::io::OutputStream> out);

}  // namespace sluice::json
