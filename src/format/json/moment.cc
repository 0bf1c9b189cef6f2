#include "format/json/moment.h"

#include <array>

namespace sluice::json {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool number(size_t digits, int64_t* value) {
    if (rest_.size() < digits) return false;
    *value = 0;
    for (size_t i = 0; i < digits; ++i) {
      if (!is_digit(rest_[i])) return false;
      *value = *value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(digits);
    return true;
  }
  bool take(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // Up to nine digits after a point, as nanoseconds.
  bool fraction(int64_t* nanos) {
    int digits = 0;
    int64_t value = 0;
    while (!rest_.empty() && is_digit(rest_[0])) {
      if (++digits > 9) return false;
      value = value * 10 + (rest_[0] - '0');
      rest_.remove_prefix(1);
    }
    for (int i = digits; i < 9; ++i) value *= 10;
    *nanos = value;
    return digits > 0;
  }
  [[nodiscard]] bool done() const { return rest_.empty(); }

 private:
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  std::string_view rest_;
};

bool is_leap(int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

// Days since 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date
// algorithms", days_from_civil).
int64_t days_from_civil(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2;
  int64_t era = (year >= 0 ? year : year - 399) / 400;
  int64_t year_of_era = year - era * 400;
  int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

bool parse_date(Reader& reader, Moment* moment) {
  constexpr std::array<int64_t, 12> kLengths = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int64_t year = 0, month = 0, day = 0;
  if (!reader.number(4, &year) || !reader.take('-') || !reader.number(2, &month) || !reader.take('-')) return false;
  if (!reader.number(2, &day) || month < 1 || month > 12 || day < 1) return false;
  int64_t length = kLengths[static_cast<size_t>(month - 1)] + (month == 2 && is_leap(year) ? 1 : 0);
  if (day > length) return false;
  moment->days = days_from_civil(year, month, day);
  moment->has_date = true;
  return true;
}

bool parse_clock(Reader& reader, Moment* moment) {
  int64_t hour = 0, minute = 0, second = 0;
  if (!reader.number(2, &hour) || !reader.take(':') || !reader.number(2, &minute)) return false;
  if (!reader.take(':') || !reader.number(2, &second)) return false;
  if (hour > 23 || minute > 59 || second > 59) return false;
  if (reader.take('.') && !reader.fraction(&moment->nanos)) return false;
  moment->seconds = hour * 3600 + minute * 60 + second;
  moment->has_time = true;
  return true;
}

bool parse_zone(Reader& reader, Moment* moment) {
  moment->zoned = true;
  if (reader.take('Z')) return reader.done();
  bool west = reader.take('-');
  if (!west && !reader.take('+')) return false;
  int64_t hours = 0, minutes = 0;
  if (!reader.number(2, &hours)) return false;
  if (!reader.done()) {
    (void)reader.take(':');
    if (!reader.number(2, &minutes)) return false;
  }
  if (hours > 23 || minutes > 59) return false;
  int64_t offset = hours * 3600 + minutes * 60;
  moment->offset_seconds = static_cast<int32_t>(west ? -offset : offset);
  return reader.done();
}

}  // namespace

bool parse_moment(std::string_view text, Moment* moment) {
  *moment = {};
  Reader reader(text);
  if (text.size() > 2 && text[2] == ':') return parse_clock(reader, moment) && reader.done();
  if (!parse_date(reader, moment)) return false;
  if (reader.done()) return true;
  if (!reader.take('T') && !reader.take(' ')) return false;
  if (!parse_clock(reader, moment)) return false;
  return reader.done() || parse_zone(reader, moment);
}

}  // namespace sluice::json
