#include "format/json/output.h"

#include <algorithm>
#include <string>

#include <arrow/util/base64.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "format/json/parse.h"

namespace sluice::json {
namespace {

#include "format/json/block.inl"

char* escape(char* out, char c) {
  *out++ = '\\';
  switch (c) {
    case '"':
    case '\\':
      *out++ = c;
      return out;
    case '\b':
      *out++ = 'b';
      return out;
    case '\f':
      *out++ = 'f';
      return out;
    case '\n':
      *out++ = 'n';
      return out;
    case '\r':
      *out++ = 'r';
      return out;
    case '\t':
      *out++ = 't';
      return out;
    default:
      break;
  }
  constexpr char kHex[] = "0123456789abcdef";
  memcpy(out, "u00", 3);
  out[3] = kHex[static_cast<unsigned char>(c) >> 4];
  out[4] = kHex[c & 15];
  return out + 5;
}

}  // namespace

void Output::bytes(std::string_view raw) {
  std::string text = arrow::util::base64_encode(raw);
  room(static_cast<int64_t>(text.size()) + kScalarRoom);
  *at_++ = '"';
  literal(text);
  *at_++ = '"';
}

// Copies a block at a time; the input may end anywhere, so its last block is copied byte by byte.
void Output::string(const char* p, int64_t size) {
  room(6 * size + 2 * kPadding);  // \u00XX is the longest escape
  char* out = at_;
  *out++ = '"';
  const char* end = p + size;
  while (end - p >= kWidth) {
    Block b = Block::load(p);
    b.store(out);
    uint64_t stops = string_stops(b);
    if (stops == 0) {
      p += kWidth;
      out += kWidth;
      continue;
    }
    int plain = first_bit(stops);
    p += plain;
    out = escape(out + plain, *p++);
  }
  char last[kWidth] = {};
  memcpy(last, p, static_cast<size_t>(end - p));
  Block b = Block::load(last);
  uint64_t mask = (uint64_t{1} << (end - p)) - 1;
  if ((string_stops(b) & mask) == 0) {
    b.store(out);
    out += end - p;
  } else {
    for (; p < end; ++p) {
      unsigned char c = static_cast<unsigned char>(*p);
      if (c < 0x20 || c == '"' || c == '\\') {
        out = escape(out, *p);
      } else {
        *out++ = *p;
      }
    }
  }
  *out++ = '"';
  at_ = out;
}

void Output::grow(int64_t bytes) {
  int64_t used = at_ - begin_;
  int64_t capacity = std::max(2 * (end_ - begin_), used + bytes);
  auto larger = std::make_unique_for_overwrite<char[]>(static_cast<size_t>(capacity));
  if (used > 0) memcpy(larger.get(), begin_, static_cast<size_t>(used));
  buffer_ = std::move(larger);
  begin_ = buffer_.get();
  at_ = begin_ + used;
  end_ = begin_ + capacity;
}

}  // namespace sluice::json
