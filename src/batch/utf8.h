// Whether bytes are UTF-8. (Arrow's own answer is "yes" to everything until its tables are made.)
#pragma once

#include <string>
#include <string_view>

namespace sluice {

[[nodiscard]] bool is_utf8(std::string_view text);
// `text` with U+FFFD in place of every byte that belongs to no character.
[[nodiscard]] std::string as_utf8(std::string_view text);

}  // namespace sluice
