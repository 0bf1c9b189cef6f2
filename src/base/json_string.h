// Text as a JSON string.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

// Appends `text` quoted and escaped. Bytes above 0x7f pass as they are: valid UTF-8 stays valid.
void append_json_string(std::string_view text, std::string& out);

}  // namespace sluice
