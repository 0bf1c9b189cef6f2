// Default values of fields, which schemas give as JSON, in Avro's binary encoding.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "avro/schema.h"

namespace sluice::avro {

// Of a union the first branch that takes the value (the specification asks for the first one, newer versions for any).
Result<std::vector<uint8_t>> encode_default(std::string_view json, const Type& type);

}  // namespace sluice::avro
