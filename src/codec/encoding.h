// Text files in other encodings, as the UTF-8 that the rest of Sluice works on. Shared by csv and text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <arrow/io/interfaces.h>

#include "base/result.h"

namespace sluice {

// "UTF8", "utf_8" → "utf-8"; "ISO-8859-1", "latin-1" → "latin1"; other names in lower case. An encoding that is unknown
// here or keeps state between characters (iso-2022-*, utf-7), so that no file can be resumed in its middle, is
// Fault::user.
Result<std::string> normal_encoding(std::string_view name);

inline constexpr std::string_view kUtf8 = "utf-8";

// A stream of UTF-8 made of one in another encoding. One thread.
class Utf8Stream : public arrow::io::InputStream {
 public:
  // Offset in the encoded input, counted from where it stood at open, of the character at `utf8_offset` of this
  // stream: where reading can be resumed. Offsets must not decrease from call to call, and memory for what was read
  // since the last call is held: ask once per batch.
  virtual arrow::Result<int64_t> encoded_offset(int64_t utf8_offset) = 0;
};

struct EncodedInput {
  std::shared_ptr<arrow::io::InputStream> stream;
  // The first bytes of the file when `stream` starts further on: utf-16 and utf-32 tell their byte order there. Without
  // such a mark they are little endian.
  std::string_view head = {};
  bool may_end_inside_character = false;  // the file is still growing
};

// `encoding` as normal_encoding() returned it, not utf-8. A byte order mark comes out as U+FEFF. Bytes that are not
// valid in the encoding are an Invalid status naming their offset.
Result<std::shared_ptr<Utf8Stream>> open_encoded(const std::string& encoding, EncodedInput input);

}  // namespace sluice
