// The times of a schedule: five fields as crontab(5) has them, in UTC.
#pragma once

#include <bitset>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace sluice {

// "minute hour day month weekday": *, numbers, lists, ranges, steps ("*/15", "10-20/2"), names of months and weekdays,
// 0 and 7 for Sunday. As in crontab(5), a time fits when either of day and weekday does, if both are restricted.
class Cron {
 public:
  // An error names the field. A date that never comes (30 February) is one, too.
  static Result<Cron> parse(std::string_view text);

  // The first time that fits strictly after `after`, on a whole minute.
  [[nodiscard]] WallTime next(WallTime after) const;
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  [[nodiscard]] bool fits(std::chrono::year_month_day day) const;

  std::string text_;
  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<7> weekdays_;
  bool any_day_ = false;  // the field is *
  bool any_weekday_ = false;
};

}  // namespace sluice
