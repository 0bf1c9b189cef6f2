// Protobuf's wire format, byte by byte.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "batch/growing_bytes.h"

namespace sluice::protobuf {

// "A varint is at most ten bytes, seven bits each, least significant first." Null: the bytes end within it, or it is
// longer.
inline const uint8_t* get_varint(const uint8_t* at, const uint8_t* end, uint64_t* value) {
  if (at < end && *at < 0x80) [[likely]] {
    *value = *at;
    return at + 1;
  }
  uint64_t bits = 0;
  for (int shift = 0; shift < 70 && at < end; shift += 7) {
    const uint8_t byte = *at++;
    bits |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *value = bits;
      return at;
    }
  }
  return nullptr;
}

inline int64_t unzigzag(uint64_t bits) { return static_cast<int64_t>(bits >> 1) ^ -static_cast<int64_t>(bits & 1); }
inline uint64_t zigzag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}

inline void put_varint(uint64_t bits, std::string& out) {
  while (bits >= 0x80) {
    out += static_cast<char>(bits | 0x80);
    bits >>= 7;
  }
  out += static_cast<char>(bits);
}

// Past the value of a field whose tag was just read, groups with everything in them. Null: the bytes end within it, or
// there is no such wire type.
const uint8_t* skip_field(uint32_t tag, const uint8_t* at, const uint8_t* end, int depth = 0);

// Confluent's message indexes: their number, then each, as zig-zag varints; the usual [0] is a single zero.
inline const uint8_t* get_message_path(const uint8_t* at, const uint8_t* end, std::vector<int32_t>* path) {
  uint64_t value = 0;
  at = get_varint(at, end, &value);
  if (at == nullptr) return nullptr;
  const int64_t count = unzigzag(value);
  path->clear();
  if (count == 0) path->push_back(0);
  if (count < 0 || count > 64) return nullptr;
  for (int64_t i = 0; i < count; ++i) {
    at = get_varint(at, end, &value);
    if (at == nullptr || value > 0xffff'ffff) return nullptr;
    path->push_back(static_cast<int32_t>(unzigzag(value)));
  }
  return at;
}
inline void put_message_path(const std::vector<int32_t>& path, std::string& out) {
  if (path.size() == 1 && path[0] == 0) return put_varint(0, out);
  put_varint(zigzag(static_cast<int64_t>(path.size())), out);
  for (int32_t index : path) put_varint(zigzag(index), out);
}

}  // namespace sluice::protobuf
