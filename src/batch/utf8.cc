#include "batch/utf8.h"

#include <algorithm>

#include <arrow/util/utf8.h>

namespace sluice {

bool is_utf8(std::string_view text) {
  static const bool has_tables = [] {
    arrow::util::InitializeUTF8();
    return true;
  }();
  return has_tables && arrow::util::ValidateUTF8(text);
}

std::string as_utf8(std::string_view text) {
  if (is_utf8(text)) return std::string(text);
  constexpr size_t kLongest = 4;  // of a character
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t length = 1;
    const size_t most = std::min(kLongest, text.size() - at);
    while (length <= most && !is_utf8(text.substr(at, length))) ++length;
    const bool character = length <= most;
    out += character ? text.substr(at, length) : "\xEF\xBF\xBD";
    at += character ? length : 1;
  }
  return out;
}

}  // namespace sluice
