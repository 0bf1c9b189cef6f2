// Avro's numbers: zig-zag varints.
#pragma once

#include <cstdint>

#include "batch/growing_bytes.h"

namespace sluice::avro {

using Bytes = GrowingBytes;

constexpr int64_t kVarintBytesMax = 10;

// Zig-zag varints of up to 64 bits ("int and long values are written using variable-length zig-zag coding"). Null when
// the bytes end within it or it is longer than 10.
inline const uint8_t* get_varint_slowly(const uint8_t* at, const uint8_t* end, int64_t* value) {
  uint64_t bits = 0;
  for (int shift = 0; shift < 70 && at < end; shift += 7) {
    const uint8_t byte = *at++;
    bits |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *value = static_cast<int64_t>(bits >> 1) ^ -static_cast<int64_t>(bits & 1);
      return at;
    }
  }
  return nullptr;
}
inline const uint8_t* get_varint(const uint8_t* at, const uint8_t* end, int64_t* value) {
  if (at < end && *at < 0x80) [[likely]] {
    *value = (*at >> 1) ^ -(*at & 1);
    return at + 1;
  }
  return get_varint_slowly(at, end, value);
}

// After ensure(kVarintBytesMax).
inline void put_varint(Bytes& out, int64_t value) {
  uint64_t bits = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  uint8_t* at = out.end();
  uint8_t* const begin = at;
  while (bits >= 0x80) {
    *at++ = static_cast<uint8_t>(bits) | 0x80;
    bits >>= 7;
  }
  *at++ = static_cast<uint8_t>(bits);
  out.advance(at - begin);
}

}  // namespace sluice::avro
