// Bytes and lists of bytes as text parameters, and back.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "port/position.h"

namespace sluice::state {

std::string to_bytea(std::string_view bytes);           // \x6162
Result<std::string> from_bytea(std::string_view text);  // as the server sends it with bytea_output = hex
std::string splits_array(const Positions& positions);   // {"\\x6162",…}: a bytea[]
std::string tokens_array(const Positions& positions);
// What a text column takes: bytes that are no UTF-8, and NUL, become '?'.
std::string to_text(std::string_view bytes);

}  // namespace sluice::state
