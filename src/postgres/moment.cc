#include "postgres/moment.h"

#include <charconv>

namespace sluice::postgres {
namespace {

constexpr int64_t kMicrosPerSecond = 1'000'000;
constexpr int64_t kMicrosPerHour = 3600 * kMicrosPerSecond;
constexpr int64_t kMicrosPerMinute = 60 * kMicrosPerSecond;

// src/include/datatype/timestamp.h: Julian day 0, and the day of DATE_END_JULIAN.
constexpr int64_t kFirstDay = -2'440'588;
constexpr int64_t kEndOfDates = 2'145'031'949;  // since 2000

Error bad(std::string_view what, std::string_view text) { return user_error("'{}' is no {}", text, what); }

// Days since 1970-01-01 of a proleptic Gregorian date; year 0 is 1 BC (Howard Hinnant, days_from_civil).
int64_t days_from_civil(int64_t year, int month, int day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t of_era = year - era * 400;
  const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719'468;
}

// Takes digits off the front; false when there is none.
bool take_number(std::string_view* text, int64_t* out) {
  const auto [end, failed] = std::from_chars(text->data(), text->data() + text->size(), *out);
  if (failed != std::errc() || end == text->data()) return false;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return true;
}
bool take(std::string_view* text, char c) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

// ".5" is 500,000 microseconds; nothing is 0.
bool take_fraction(std::string_view* text, int64_t* micros) {
  *micros = 0;
  if (!take(text, '.')) return true;
  int64_t unit = kMicrosPerSecond / 10;
  bool any = false;
  while (!text->empty() && text->front() >= '0' && text->front() <= '9') {
    if (unit == 0 && text->front() != '0') return false;
    *micros += (text->front() - '0') * unit;
    unit /= 10;
    any = true;
    text->remove_prefix(1);
  }
  return any;
}

bool take_date(std::string_view* text, int64_t* year, int64_t* month, int64_t* day) {
  return take_number(text, year) && take(text, '-') && take_number(text, month) && take(text, '-') &&
         take_number(text, day);
}

bool take_time(std::string_view* text, int64_t* micros) {
  int64_t hours = 0;
  int64_t minutes = 0;
  int64_t seconds = 0;
  int64_t fraction = 0;
  if (!take_number(text, &hours) || !take(text, ':') || !take_number(text, &minutes)) return false;
  if (take(text, ':') && (!take_number(text, &seconds) || !take_fraction(text, &fraction))) return false;
  *micros = hours * kMicrosPerHour + minutes * kMicrosPerMinute + seconds * kMicrosPerSecond + fraction;
  return true;
}

}  // namespace

Result<int32_t> date_of_wire(int32_t days) {
  if (days == INT32_MAX) return kDateInfinity;
  if (days == INT32_MIN) return -kDateInfinity;
  int32_t out = 0;
  if (__builtin_add_overflow(days, kDaysTo2000, &out)) return user_error("a date outside of what can be kept");
  return out;
}

Result<int64_t> timestamp_of_wire(int64_t micros) {
  if (micros == INT64_MAX) return kTimestampInfinity;
  if (micros == INT64_MIN) return -kTimestampInfinity;
  int64_t out = 0;
  if (__builtin_add_overflow(micros, kMicrosTo2000, &out)) {
    return user_error("a timestamp after the year 294246 does not fit microseconds since 1970");
  }
  return out;
}

Result<int32_t> wire_of_date(int64_t days) {
  if (days == kDateInfinity) return INT32_MAX;
  if (days == -kDateInfinity) return INT32_MIN;
  if (days < kFirstDay || days - kDaysTo2000 >= kEndOfDates) {
    return user_error("the date {} days from 1970 is outside of PostgreSQL's range", days);
  }
  return static_cast<int32_t>(days - kDaysTo2000);
}

Result<int64_t> wire_of_timestamp(int64_t micros) {
  if (micros == kTimestampInfinity) return INT64_MAX;
  if (micros == -kTimestampInfinity) return INT64_MIN;
  if (micros < kFirstDay * kMicrosPerDay) {
    return user_error("the timestamp {} microseconds from 1970 is outside of PostgreSQL's range", micros);
  }
  return micros - kMicrosTo2000;
}

Result<Interval> interval_of_wire(int64_t micros, int32_t days, int32_t months) {
  Interval out;
  out.months = months;
  out.days = days;
  if (__builtin_mul_overflow(micros, kNanosPerMicro, &out.nanoseconds)) {
    return user_error("an interval of {} microseconds does not fit nanoseconds", micros);
  }
  return out;
}

Result<int32_t> parse_date(std::string_view text) {
  if (text == "infinity") return kDateInfinity;
  if (text == "-infinity") return -kDateInfinity;
  std::string_view rest = text;
  int64_t year = 0;
  int64_t month = 0;
  int64_t day = 0;
  if (!take_date(&rest, &year, &month, &day)) return bad("date", text);
  if (rest == " BC") {
    year = 1 - year;
  } else if (!rest.empty()) {
    return bad("date", text);
  }
  if (month < 1 || month > 12 || day < 1 || day > 31) return bad("date", text);
  return static_cast<int32_t>(days_from_civil(year, static_cast<int>(month), static_cast<int>(day)));
}

Result<int64_t> parse_time(std::string_view text) {
  std::string_view rest = text;
  int64_t micros = 0;
  if (!take_time(&rest, &micros) || !rest.empty() || micros > kMicrosPerDay) return bad("time", text);
  return micros;
}

Result<int64_t> parse_timestamp(std::string_view text) {
  if (text == "infinity") return kTimestampInfinity;
  if (text == "-infinity") return -kTimestampInfinity;
  std::string_view rest = text;
  int64_t year = 0;
  int64_t month = 0;
  int64_t day = 0;
  int64_t micros = 0;
  if (!take_date(&rest, &year, &month, &day) || !take(&rest, ' ') || !take_time(&rest, &micros)) {
    return bad("timestamp", text);
  }
  int64_t offset = 0;
  if (!rest.empty() && (rest.front() == '+' || rest.front() == '-')) {
    const bool west = rest.front() == '-';
    rest.remove_prefix(1);
    std::string_view zone = rest.substr(0, rest.find(' '));
    rest.remove_prefix(zone.size());
    const std::string padded = zone.find(':') == std::string_view::npos ? std::string(zone) + ":00" : std::string(zone);
    std::string_view left = padded;
    if (!take_time(&left, &offset) || !left.empty()) return bad("timestamp", text);
    if (west) offset = -offset;
  }
  if (rest == " BC") {
    year = 1 - year;
  } else if (!rest.empty()) {
    return bad("timestamp", text);
  }
  if (month < 1 || month > 12 || day < 1 || day > 31) return bad("timestamp", text);
  int64_t out = 0;
  const int64_t days = days_from_civil(year, static_cast<int>(month), static_cast<int>(day));
  if (__builtin_mul_overflow(days, kMicrosPerDay, &out) || __builtin_add_overflow(out, micros - offset, &out)) {
    return user_error("the timestamp '{}' does not fit microseconds since 1970", text);
  }
  return out;
}

Result<Interval> parse_interval(std::string_view text) {
  std::string_view rest = text;
  if (!take(&rest, 'P')) return bad("interval", text);
  int64_t months = 0;
  int64_t days = 0;
  int64_t micros = 0;
  bool in_time = false;
  while (!rest.empty()) {
    if (!in_time && take(&rest, 'T')) {
      in_time = true;
      continue;
    }
    const bool negative = rest.front() == '-';
    int64_t number = 0;
    int64_t fraction = 0;
    if (!take_number(&rest, &number) || !take_fraction(&rest, &fraction) || rest.empty()) return bad("interval", text);
    const char unit = rest.front();
    rest.remove_prefix(1);
    if (!in_time && unit == 'Y') {
      months += number * 12;
    } else if (!in_time && unit == 'M') {
      months += number;
    } else if (!in_time && unit == 'W') {
      days += number * 7;
    } else if (!in_time && unit == 'D') {
      days += number;
    } else if (in_time && unit == 'H') {
      micros += number * kMicrosPerHour;
    } else if (in_time && unit == 'M') {
      micros += number * kMicrosPerMinute;
    } else if (in_time && unit == 'S') {
      micros += number * kMicrosPerSecond + (negative ? -fraction : fraction);
    } else {
      return bad("interval", text);
    }
  }
  return interval_of_wire(micros, static_cast<int32_t>(days), static_cast<int32_t>(months));
}

}  // namespace sluice::postgres
