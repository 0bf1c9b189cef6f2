// Big-endian integers, as everything on PostgreSQL's wire.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace sluice::postgres {

template <typename T>
T load_be(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  if constexpr (std::endian::native == std::endian::little) {
    if constexpr (sizeof(T) == 2) value = static_cast<T>(__builtin_bswap16(static_cast<uint16_t>(value)));
    if constexpr (sizeof(T) == 4) value = static_cast<T>(__builtin_bswap32(static_cast<uint32_t>(value)));
    if constexpr (sizeof(T) == 8) value = static_cast<T>(__builtin_bswap64(static_cast<uint64_t>(value)));
  }
  return value;
}

template <typename T>
void append_be(T value, std::string* out) {
  const T swapped = load_be<T>(reinterpret_cast<const char*>(&value));
  out->append(reinterpret_cast<const char*>(&swapped), sizeof(T));
}

}  // namespace sluice::postgres
