// Values from text, exactly: the whole of [p, p + n) is one value or it is none.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <arrow/type.h>

namespace sluice::csv {

// 16 bytes behind every text must be readable: the scanner's padding sees to that.

inline bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

// Up to 8 digits at p, n ≥ 1. The usual arithmetic on eight bytes at once (little endian).
inline bool parse_digits8(const char* p, size_t n, uint64_t* value) {
  uint64_t text;
  std::memcpy(&text, p, 8);
  if constexpr (std::endian::native == std::endian::big) text = __builtin_bswap64(text);
  constexpr uint64_t kZeroes = 0x3030303030303030ULL;
  size_t missing = 64 - 8 * n;
  text = n == 8 ? text : (text << missing) | (kZeroes >> (8 * n));
  uint64_t digits = text - kZeroes;
  // A byte below '0' borrows, one above '9' passes 0x7f when 0x76 is added: both show in the top bits.
  if ((((text + 0x4646464646464646ULL) | digits) & 0x8080808080808080ULL) != 0) return false;
  digits = (digits * 10) + (digits >> 8);
  *value = (((digits & 0x000000ff000000ffULL) * 0x000f424000000064ULL) +
            (((digits >> 16) & 0x000000ff000000ffULL) * 0x0000271000000001ULL)) >>
           32;
  return true;
}

// Digits only, 1 to 19 of them; false when there is something else or it does not fit.
inline bool parse_digits(const char* p, size_t n, uint64_t* value) {
  if (n - 1 < 8) return parse_digits8(p, n, value);
  if (n == 0 || n > 20) return false;
  uint64_t total = 0;
  for (; n > 8; p += 8, n -= 8) {
    uint64_t part;
    if (!parse_digits8(p, 8, &part)) return false;
    total = total * 100'000'000 + part;
  }
  constexpr uint64_t kPowers[] = {1, 10, 100, 1000, 10'000, 100'000, 1'000'000, 10'000'000, 100'000'000};
  uint64_t part;
  if (!parse_digits8(p, n, &part)) return false;
  uint64_t product;
  return !__builtin_mul_overflow(total, kPowers[n], &product) && !__builtin_add_overflow(product, part, value);
}

inline bool parse_int64(const char* p, size_t n, int64_t* value) {
  bool negative = *p == '-';
  uint64_t magnitude;
  if (!parse_digits(p + negative, n - negative, &magnitude)) return false;
  if (magnitude > static_cast<uint64_t>(INT64_MAX) + negative) return false;
  *value = static_cast<int64_t>(negative ? 0 - magnitude : magnitude);
  return true;
}

// Decimal and scientific notation, inf, nan; correctly rounded. n ≥ 1.
bool parse_double(const char* p, size_t n, double* value);
bool parse_float(const char* p, size_t n, float* value);

// true, false, t, f, 1, 0 in any case.
bool parse_boolean(const char* p, size_t n, bool* value);

// YYYY-MM-DD, years 0001 to 9999: days since 1970-01-01.
bool parse_date(const char* p, size_t n, int32_t* days);

// parse_date that remembers the last date: neighbouring rows mostly share it.
class DateParser {
 public:
  bool parse(const char* p, size_t n, int32_t* days) {
    if (n != 10) return false;
    uint64_t first;
    uint16_t rest;
    std::memcpy(&first, p, sizeof first);
    std::memcpy(&rest, p + sizeof first, sizeof rest);
    if (first != first_ || rest != rest_) {
      if (!parse_date(p, n, &days_)) return first_ = 0, false;
      first_ = first;
      rest_ = rest;
    }
    *days = days_;
    return true;
  }

 private:
  uint64_t first_ = 0;  // the text, in two words; no date begins with eight zero bytes
  uint16_t rest_ = 0;
  int32_t days_ = 0;
};

// hh:mm[:ss[.fraction]], up to nine digits of fraction.
struct TimeOfDay {
  int32_t seconds = 0;
  int32_t nanos = 0;
};
bool parse_time(const char* p, size_t n, TimeOfDay* time);

// A date, 'T' or a blank, a time, and perhaps Z or ±hh[[:]mm]. A date alone is its midnight.
struct Timestamp {
  int64_t seconds = 0;  // since 1970-01-01 00:00:00, in UTC when zoned
  int32_t nanos = 0;
  bool zoned = false;
};
bool parse_timestamp(const char* p, size_t n, Timestamp* timestamp);
bool parse_timestamp(DateParser& dates, const char* p, size_t n, Timestamp* timestamp);

// In the unit, or false when the unit is too coarse or the value too large.
bool in_unit(int64_t seconds, int32_t nanos, arrow::TimeUnit::type unit, int64_t* value);

}  // namespace sluice::csv
