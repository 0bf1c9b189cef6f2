#include "format/json/digits.h"

#include <array>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

namespace sluice::json {
namespace {

constexpr std::array<char, 200> make_pairs() {
  std::array<char, 200> pairs{};
  for (size_t i = 0; i < 100; ++i) {
    pairs[2 * i] = static_cast<char>('0' + i / 10);
    pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return pairs;
}
constexpr std::array<char, 200> kPairs = make_pairs();

char* put_pair(char* out, uint64_t below_100) {
  memcpy(out, &kPairs[2 * below_100], 2);
  return out + 2;
}

int count_digits(uint64_t value) {
  int digits = 1;
  for (;;) {
    if (value < 10) return digits;
    if (value < 100) return digits + 1;
    if (value < 1000) return digits + 2;
    if (value < 10000) return digits + 3;
    value /= 10000;
    digits += 4;
  }
}

// Exactly `digits` digits, with leading zeros.
void put_padded(char* out, uint64_t value, int digits) {
  char* p = out + digits;
  for (; digits >= 2; digits -= 2) {
    p -= 2;
    memcpy(p, &kPairs[2 * (value % 100)], 2);
    value /= 100;
  }
  if (digits == 1) *--p = static_cast<char>('0' + value);
}

// Numbers with few decimals, which most data is: value = whole / 10^places. Every decimal of up to 15 digits is the
// only such one that its nearest double has, so when the quotient is the value, its digits are the shortest ones.
char* put_short_decimal(char* out, double value) {
  constexpr std::array<double, 4> kScales = {1, 100, 10000, 1000000};
  for (size_t i = 0; i < kScales.size(); ++i) {
    double scaled = value * kScales[i];
    if (!(scaled < 1e15)) return nullptr;
    double whole = std::nearbyint(scaled);
    if (whole / kScales[i] != value) continue;
    auto scale = static_cast<uint64_t>(kScales[i]);
    auto integer = static_cast<uint64_t>(whole);
    out = put_unsigned(out, integer / scale);
    *out++ = '.';
    if (i == 0) {
      *out++ = '0';
      return out;
    }
    int places = static_cast<int>(2 * i);
    put_padded(out, integer % scale, places);
    out += places;
    while (out[-1] == '0' && out[-2] != '.') --out;
    return out;
  }
  return nullptr;
}

char* with_point(const char* begin, char* end) {
  for (const char* p = begin; p < end; ++p) {
    if (*p == '.' || *p == 'e') return end;
  }
  memcpy(end, ".0", 2);
  return end + 2;
}

}  // namespace

char* put_unsigned(char* out, uint64_t value) {
  int digits = count_digits(value);
  put_padded(out, value, digits);
  return out + digits;
}

char* put_signed(char* out, int64_t value) {
  auto magnitude = static_cast<uint64_t>(value);
  if (value < 0) {
    *out++ = '-';
    magnitude = -magnitude;
  }
  return put_unsigned(out, magnitude);
}

char* put_double(char* out, double value) {
  if (std::signbit(value)) {
    *out++ = '-';
    value = -value;
  }
  char* end = put_short_decimal(out, value);
  return end != nullptr ? end : with_point(out, fmt::format_to(out, "{}", value));
}

char* put_float(char* out, float value) { return with_point(out, fmt::format_to(out, "{}", value)); }

char* put_date(char* out, int64_t days) {
  // civil_from_days of Howard Hinnant's "chrono-compatible low-level date algorithms".
  if (days < -719528 || days > 2932896) return nullptr;
  days += 719468;
  int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  int64_t day_of_era = days - era * 146097;
  int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t shifted_month = (5 * day_of_year + 2) / 153;
  int64_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
  int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  out = put_pair(out, static_cast<uint64_t>(year / 100));
  out = put_pair(out, static_cast<uint64_t>(year % 100));
  *out++ = '-';
  out = put_pair(out, static_cast<uint64_t>(month));
  *out++ = '-';
  return put_pair(out, static_cast<uint64_t>(day));
}

char* put_clock(char* out, int64_t seconds, int64_t nanos) {
  out = put_pair(out, static_cast<uint64_t>(seconds / 3600));
  *out++ = ':';
  out = put_pair(out, static_cast<uint64_t>(seconds / 60 % 60));
  *out++ = ':';
  out = put_pair(out, static_cast<uint64_t>(seconds % 60));
  if (nanos == 0) return out;
  int places = nanos % 1000000 == 0 ? 3 : nanos % 1000 == 0 ? 6 : 9;
  int64_t fraction = nanos;
  for (int i = places; i < 9; ++i) fraction /= 10;
  *out++ = '.';
  put_padded(out, static_cast<uint64_t>(fraction), places);
  return out + places;
}

}  // namespace sluice::json
