#include "format/csv/value.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <string_view>

#include "batch/time_text.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sluice::csv {
namespace {

// 10^0 to 10^22 are exact as doubles, and so is every integer up to 2^53: one division then rounds once (Clinger 1990).
constexpr double kPowersOfTen[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr uint64_t kIntegerPowers[] = {1, 10, 100, 1000, 10'000, 100'000, 1'000'000, 10'000'000, 100'000'000};

// Place of the first '.' in p[0, n), n ≤ 16; n when there is none.
inline size_t find_point(const char* p, size_t n) {
#if defined(__SSE2__)
  __m128i text = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  auto points = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8('.'))));
  return static_cast<size_t>(__builtin_ctz(points | 1U << n));
#else
  return static_cast<size_t>(std::find(p, p + n, '.') - p);
#endif
}

// 123, 123.45: up to eight digits on each side and 2^53 in all.
inline bool parse_short_decimal(const char* p, size_t n, double* value) {
  if (n > 16) return false;
  size_t whole_digits = find_point(p, n);
  uint64_t whole;
  if (whole_digits - 1 >= 8 || !parse_digits8(p, whole_digits, &whole)) return false;
  if (whole_digits == n) return *value = static_cast<double>(whole), true;
  size_t digits = n - whole_digits - 1;
  uint64_t fraction;
  if (digits - 1 >= 8 || !parse_digits8(p + whole_digits + 1, digits, &fraction)) return false;
  uint64_t all = whole * kIntegerPowers[digits] + fraction;
  if (all > 1ULL << 53) return false;
  *value = static_cast<double>(all) / kPowersOfTen[digits];
  return true;
}

template <typename Float>
bool parse_any_float(const char* p, size_t n, Float* value) {
  const char* end = p + n;
  if (n > 1 && *p == '+' && p[1] != '-') ++p;
  auto [stop, error] = std::from_chars(p, end, *value);
  if (stop != end || error == std::errc::invalid_argument) return false;
  // Too small becomes 0 and too large is refused: it would become infinite.
  if (error == std::errc::result_out_of_range) {
    std::string_view text(p, static_cast<size_t>(end - p));
    size_t exponent = text.find_first_of("eE");
    bool tiny = exponent != std::string_view::npos ? text[exponent + 1] == '-'
                                                   : text.find_first_of("123456789") > text.find('.');
    if (!tiny) return false;
    *value = *p == '-' ? -Float{0} : Float{0};
  }
  return true;
}

inline uint32_t digit(char c) { return static_cast<uint32_t>(static_cast<unsigned char>(c - '0')); }

// Two digits; `bad` collects what is not one.
inline uint32_t two_digits(const char* p, uint32_t* bad) {
  uint32_t high = digit(p[0]);
  uint32_t low = digit(p[1]);
  *bad |= static_cast<uint32_t>(high > 9) | static_cast<uint32_t>(low > 9);
  return high * 10 + low;
}

// Howard Hinnant, chrono-Compatible Low-Level Date Algorithms: days_from_civil, for years ≥ 1.
inline int32_t days_of(uint32_t year, uint32_t month, uint32_t day) {
  year -= month <= 2;
  uint32_t era = year / 400;
  uint32_t year_of_era = year - era * 400;
  uint32_t day_of_year = (153 * (month + (month > 2 ? -3U : 9U)) + 2) / 5 + day - 1;
  uint32_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return static_cast<int32_t>(era * 146097 + day_of_era) - 719468;
}

inline bool parse_date10(const char* p, int32_t* days) {
  uint32_t bad = 0;
  uint32_t year = two_digits(p, &bad) * 100 + two_digits(p + 2, &bad);
  uint32_t month = two_digits(p + 5, &bad);
  uint32_t day = two_digits(p + 8, &bad);
  bad |= static_cast<uint32_t>(p[4] != '-') | static_cast<uint32_t>(p[7] != '-');
  bad |= static_cast<uint32_t>(month - 1 > 11) | static_cast<uint32_t>(day - 1 > 30) | static_cast<uint32_t>(year == 0);
  if (bad != 0) return false;
  if (day > 28) {
    constexpr uint8_t kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day > kDays[month - 1] + static_cast<uint32_t>(leap && month == 2)) return false;
  }
  *days = days_of(year, month, day);
  return true;
}

// Z, ±hh, ±hhmm or ±hh:mm at p.
bool parse_zone(const char* p, size_t n, int32_t* offset_seconds) {
  if (n == 1 && (*p == 'Z' || *p == 'z')) return *offset_seconds = 0, true;
  if (n != 3 && n != 5 && n != 6) return false;
  if (*p != '+' && *p != '-') return false;
  uint32_t bad = 0;
  uint32_t hours = two_digits(p + 1, &bad);
  uint32_t minutes = n == 3 ? 0 : two_digits(p + n - 2, &bad);
  if (n == 6 && p[3] != ':') return false;
  if (bad != 0 || hours > 23 || minutes > 59) return false;
  auto seconds = static_cast<int32_t>(hours * 3600 + minutes * 60);
  *offset_seconds = *p == '-' ? -seconds : seconds;
  return true;
}

}  // namespace

bool parse_double(const char* p, size_t n, double* value) {
  if (parse_short_decimal(p, n, value)) return true;
  if (*p == '-' && n > 1 && parse_short_decimal(p + 1, n - 1, value)) return *value = -*value, true;
  return parse_any_float(p, n, value);
}

bool parse_float(const char* p, size_t n, float* value) { return parse_any_float(p, n, value); }

bool parse_boolean(const char* p, size_t n, bool* value) {
  char lower[5];
  if (n > sizeof lower) return false;
  for (size_t i = 0; i < n; ++i) lower[i] = static_cast<char>(p[i] | 0x20);
  std::string_view text(lower, n);
  *value = text == "true" || text == "t" || (n == 1 && *p == '1');
  return *value || text == "false" || text == "f" || (n == 1 && *p == '0');
}

bool parse_date(const char* p, size_t n, int32_t* days) { return n == 10 && parse_date10(p, days); }

bool parse_time(const char* p, size_t n, TimeOfDay* time) {
  if (n < 5) return false;
  uint32_t bad = 0;
  uint32_t hours = two_digits(p, &bad);
  uint32_t minutes = two_digits(p + 3, &bad);
  uint32_t seconds = 0;
  bad |= static_cast<uint32_t>(p[2] != ':') | static_cast<uint32_t>(hours > 23) | static_cast<uint32_t>(minutes > 59);
  time->nanos = 0;
  if (n > 5) {
    if (n < 8 || p[5] != ':') return false;
    seconds = two_digits(p + 6, &bad);
    bad |= static_cast<uint32_t>(seconds > 59);
  }
  if (bad != 0) return false;
  if (n > 8) {
    size_t digits = n - 9;
    if ((p[8] != '.' && p[8] != ',') || digits - 1 > 8) return false;
    uint64_t fraction;
    if (!parse_digits(p + 9, digits, &fraction)) return false;
    for (; digits < 9; ++digits) fraction *= 10;
    time->nanos = static_cast<int32_t>(fraction);
  }
  time->seconds = static_cast<int32_t>(hours * 3600 + minutes * 60 + seconds);
  return true;
}

bool parse_timestamp(const char* p, size_t n, Timestamp* timestamp) {
  DateParser dates;
  return parse_timestamp(dates, p, n, timestamp);
}

bool parse_timestamp(DateParser& dates, const char* p, size_t n, Timestamp* timestamp) {
  int32_t days;
  if (n < 10 || !dates.parse(p, 10, &days)) return false;
  *timestamp = {int64_t{days} * 86400, 0, false};
  if (n == 10) return true;
  if (n < 16 || (p[10] != ' ' && p[10] != 'T')) return false;
  size_t end = n;
  int32_t offset = 0;
  if (n > 19 || !is_digit(p[n - 1])) {  // at most 16 and 19 characters have no room for a zone
    const char* zone = std::find_if(p + 16, p + n, [](char c) { return c == 'Z' || c == 'z' || c == '+' || c == '-'; });
    end = static_cast<size_t>(zone - p);
    if (end < n) {
      if (!parse_zone(zone, n - end, &offset)) return false;
      timestamp->zoned = true;
      if (end > 16 && p[end - 1] == ' ') --end;
    }
  } else if (n == 19 && (p[16] == '+' || p[16] == '-')) {  // hh:mm+02
    if (!parse_zone(p + 16, 3, &offset)) return false;
    timestamp->zoned = true;
    end = 16;
  }
  TimeOfDay time;
  if (!parse_time(p + 11, end - 11, &time)) return false;
  timestamp->seconds += time.seconds - offset;
  timestamp->nanos = time.nanos;
  return true;
}

bool in_unit(int64_t seconds, int32_t nanos, arrow::TimeUnit::type unit, int64_t* value) {
  int64_t per_second = units_per_second(unit);
  if (nanos == 0) return !__builtin_mul_overflow(seconds, per_second, value);
  int64_t nanos_each = 1'000'000'000 / per_second;
  int64_t scaled;
  return nanos % nanos_each == 0 && !__builtin_mul_overflow(seconds, per_second, &scaled) &&
         !__builtin_add_overflow(scaled, nanos / nanos_each, value);
}

}  // namespace sluice::csv
