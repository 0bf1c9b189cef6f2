// What reading and writing numeric's binary form share (src/backend/utils/adt/numeric.c).
#pragma once

#include <array>
#include <cstdint>

namespace sluice::postgres {

// The sign field.
inline constexpr uint16_t kNegative = 0x4000;
inline constexpr uint16_t kNaN = 0xC000;
inline constexpr uint16_t kInfinity = 0xD000;
inline constexpr uint16_t kMinusInfinity = 0xF000;

inline constexpr int kGroupDigits = 4;  // decimal digits of a base-10,000 digit

// 10^0 to 10^19: all that 64 bits hold.
inline constexpr std::array<uint64_t, 20> kPowers = [] {
  std::array<uint64_t, 20> powers{};
  uint64_t power = 1;
  for (auto& each : powers) {
    each = power;
    power *= 10;
  }
  return powers;
}();

}  // namespace sluice::postgres
