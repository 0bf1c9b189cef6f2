#include "gateway/cron.h"

#include <array>
#include <charconv>
#include <span>
#include <vector>

namespace sluice {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::sys_days;

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct Field {
  std::string_view name;
  int min;
  int max;
  std::span<const std::string_view> names = {};  // of min, min + 1, …
};
constexpr std::array<Field, 5> kFields = {Field{"minute", 0, 59}, Field{"hour", 0, 23}, Field{"day", 1, 31},
                                          Field{"month", 1, 12, kMonths}, Field{"weekday", 0, 7, kWeekdays}};
// 29 February comes back after eight years at the latest (1896 to 1904; 2096 to 2104).
constexpr days kLongestGap{8 * 366 + 1};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<int> number_of(std::string_view text) {
  int number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Result<int> value_of(std::string_view text, const Field& field) {
  for (size_t i = 0; i < field.names.size(); ++i) {
    if (lower(text) == field.names[i]) return field.min + static_cast<int>(i);
  }
  auto number = number_of(text);
  if (!number || *number < field.min || *number > field.max) {
    return user_error("the {} field takes {} to {}, not '{}'", field.name, field.min, field.max, text);
  }
  return *number;
}

// One element of a field's list: *, 5, 1-5, */10, 1-30/5, 5/10 (from 5 to the end).
template <size_t N>
Result<void> add(std::string_view element, const Field& field, std::bitset<N>& into) {
  auto slash = element.find('/');
  int step = 1;
  if (slash != std::string_view::npos) {
    auto number = number_of(element.substr(slash + 1));
    if (!number || *number < 1) {
      return user_error("the {} field has the step '{}'; it is a number from 1 on", field.name,
                        element.substr(slash + 1));
    }
    step = *number;
  }
  auto range = element.substr(0, slash);
  int first = field.min;
  int last = field.max;
  if (range != "*") {
    auto dash = range.find('-');
    first = TRY(value_of(range.substr(0, dash), field));
    if (dash != std::string_view::npos) {
      last = TRY(value_of(range.substr(dash + 1), field));
    } else if (slash == std::string_view::npos) {
      last = first;
    }
    if (first > last) return user_error("the {} field has the range '{}', which is empty", field.name, range);
  }
  for (int value = first; value <= last; value += step) {
    into.set(static_cast<size_t>(field.name == "weekday" ? value % 7 : value));
  }
  return {};
}

template <size_t N>
Result<void> read(std::string_view text, const Field& field, std::bitset<N>& into) {
  for (auto element : split(text, ',')) TRY(add(element, field, into));
  return {};
}

}  // namespace

Result<Cron> Cron::parse(std::string_view text) {
  std::vector<std::string_view> words;
  for (auto word : split(text, ' ')) {
    if (!word.empty()) words.push_back(word);
  }
  if (words.size() != kFields.size()) {
    return user_error("'{}' has {} fields; a schedule has five: minute hour day month weekday", text, words.size());
  }
  Cron cron;
  cron.text_ = text;
  TRY(read(words[0], kFields[0], cron.minutes_));
  TRY(read(words[1], kFields[1], cron.hours_));
  TRY(read(words[2], kFields[2], cron.days_));
  TRY(read(words[3], kFields[3], cron.months_));
  TRY(read(words[4], kFields[4], cron.weekdays_));
  cron.any_day_ = words[2].starts_with('*');
  cron.any_weekday_ = words[4].starts_with('*');
  // 2000 is a leap year, so every date there is comes within it or the years after.
  const sys_days start = sys_days(std::chrono::year(2000) / 1 / 1);
  for (sys_days day = start; day < start + kLongestGap; day += days(1)) {
    if (cron.fits(day)) return cron;
  }
  return user_error("'{}' never comes", text);
}

bool Cron::fits(std::chrono::year_month_day date) const {
  if (!months_.test(unsigned(date.month()))) return false;
  const bool day = days_.test(unsigned(date.day()));
  const bool weekday = weekdays_.test(std::chrono::weekday(sys_days(date)).c_encoding());
  // crontab(5): "If both fields are restricted (i.e., do not contain the "*" character), the command will be run when
  // either field matches the current time."
  return any_day_ || any_weekday_ ? day && weekday : day || weekday;
}

WallTime Cron::next(WallTime after) const {
  auto minute = floor<std::chrono::minutes>(after) + std::chrono::minutes(1);
  sys_days day = floor<days>(minute);
  auto from = (minute - day).count();
  while (true) {
    if (fits(day)) {
      for (auto at = from; at < 24 * 60; ++at) {
        if (hours_.test(static_cast<size_t>(at / 60)) && minutes_.test(static_cast<size_t>(at % 60))) {
          return WallTime(day + std::chrono::minutes(at));
        }
      }
    }
    day += days(1);
    from = 0;
  }
}

}  // namespace sluice
