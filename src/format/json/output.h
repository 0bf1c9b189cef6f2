// The text an encoder has made and not yet written: a buffer that grows, and strings in JSON's spelling.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "format/json/digits.h"

namespace sluice::json {

class Output {
 protected:
  // Makes room for `bytes` more at at_.
  void room(int64_t bytes) {
    if (end_ - at_ < bytes) [[unlikely]]
      grow(bytes);
  }
  void grow(int64_t bytes);
  void put(std::string_view text) {
    room(static_cast<int64_t>(text.size()));
    literal(text);
  }
  // Where there is room already.
  void literal(std::string_view text) {
    memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  // "text", escaped.
  void string(const char* p, int64_t size);
  // "base64"
  void bytes(std::string_view raw);

  std::unique_ptr<char[]> buffer_;
  char* begin_ = nullptr;
  char* at_ = nullptr;
  char* end_ = nullptr;
};

}  // namespace sluice::json
