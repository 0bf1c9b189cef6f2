#include "batch/time_text.h"

#include <chrono>

#include <fmt/format.h>

namespace sluice {
namespace {

struct Scale {
  int64_t per_second;
  int digits;
};

Scale scale_of(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return {1, 0};
    case arrow::TimeUnit::MILLI:
      return {1'000, 3};
    case arrow::TimeUnit::MICRO:
      return {1'000'000, 6};
    case arrow::TimeUnit::NANO:
      return {1'000'000'000, 9};
  }
  return {1, 0};
}

int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

}  // namespace

std::optional<std::string> date_text(int64_t days_since_epoch) {
  using namespace std::chrono;
  static const int64_t first = sys_days(year::min() / January / 1).time_since_epoch().count();
  static const int64_t last = sys_days(year::max() / December / 31).time_since_epoch().count();
  if (days_since_epoch < first || days_since_epoch > last) return std::nullopt;
  const year_month_day date{sys_days(days(days_since_epoch))};
  const int year = static_cast<int>(date.year());
  return fmt::format("{}{:04}-{:02}-{:02}", year < 0 ? "-" : "", year < 0 ? -year : year,
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::string time_of_day_text(int64_t value, arrow::TimeUnit::type unit) {
  const Scale scale = scale_of(unit);
  const int64_t seconds = value / scale.per_second;
  auto text = fmt::format("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  if (scale.digits > 0) text += fmt::format(".{:0{}}", value % scale.per_second, scale.digits);
  return text;
}

std::optional<std::string> timestamp_text(int64_t value, arrow::TimeUnit::type unit, bool utc) {
  const int64_t per_day = scale_of(unit).per_second * 86'400;
  const int64_t day = floor_divide(value, per_day);
  auto text = date_text(day);
  if (!text.has_value()) return std::nullopt;
  return fmt::format("{}T{}{}", *text, time_of_day_text(value - day * per_day, unit), utc ? "Z" : "");
}

}  // namespace sluice
