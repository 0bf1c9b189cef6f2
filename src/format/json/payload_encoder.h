// Arrow to JSON payloads: one object each.
#pragma once

#include <memory>
#include <string>

#include "format/json/encoder.h"
#include "port/payload.h"

namespace sluice::json {

// `frame` goes in front of each.
Result<std::unique_ptr<PayloadEncoder>> create_payload_encoder(const EncodeOptions& options, const SchemaPtr& schema,
                                                               std::string frame = "");

}  // namespace sluice::json
