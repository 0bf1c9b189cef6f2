// Kafka Connect's JSON with schemas: {"schema": {…}, "payload": …}.
#pragma once

#include <optional>
#include <string_view>

#include "format/json/parse.h"

namespace sluice::json {

// What is inside such a message; nothing when [begin, end) is another one. kPadding bytes lie behind `end`, the first
// of them a zero.
std::optional<std::string_view> connect_payload(const Parser& parser, const char* begin, const char* end);

}  // namespace sluice::json
