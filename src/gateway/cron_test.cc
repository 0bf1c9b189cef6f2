#include "gateway/cron.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

WallTime at(int year, unsigned month, unsigned day, int hour, int minute, int second = 0) {
  using namespace std::chrono;
  return WallTime(sys_days(std::chrono::year(year) / month / day) + hours(hour) + minutes(minute) + seconds(second));
}

std::string next(std::string_view schedule, WallTime after) {
  auto cron = Cron::parse(schedule);
  return cron.ok() ? format_utc(cron->next(after)).substr(0, 16) : cron.error().what;
}

TEST(Cron, TheNextTimeIsOnAWholeMinuteStrictlyAfter) {
  EXPECT_EQ(next("0 3 * * *", at(2026, 1, 31, 2, 59, 59)), "2026-01-31T03:00");
  EXPECT_EQ(next("0 3 * * *", at(2026, 1, 31, 3, 0)), "2026-02-01T03:00");
  EXPECT_EQ(next("* * * * *", at(2026, 1, 31, 23, 59, 1)), "2026-02-01T00:00");
}

TEST(Cron, ListsRangesStepsAndNamesAreUnderstood) {
  EXPECT_EQ(next("*/15 * * * *", at(2026, 1, 1, 0, 16)), "2026-01-01T00:30");
  EXPECT_EQ(next("5,50 10-12/2 * * *", at(2026, 1, 1, 10, 50)), "2026-01-01T12:05");
  EXPECT_EQ(next("0 0 1 mar,Sep *", at(2026, 4, 1, 0, 0)), "2026-09-01T00:00");
  EXPECT_EQ(next("30 8 * * mon-fri", at(2026, 1, 2, 9, 0)), "2026-01-05T08:30");  // 2 January 2026 is a Friday
  EXPECT_EQ(next("0 0 * * 7", at(2026, 1, 1, 0, 0)), "2026-01-04T00:00");
  EXPECT_EQ(next("50/5 * * * *", at(2026, 1, 1, 0, 51)), "2026-01-01T00:55");
}

TEST(Cron, ADayOrAWeekdayIsEnoughWhenBothAreRestricted) {
  EXPECT_EQ(next("0 0 13 * fri", at(2026, 1, 1, 0, 0)), "2026-01-02T00:00");
  EXPECT_EQ(next("0 0 13 * fri", at(2026, 1, 9, 0, 0)), "2026-01-13T00:00");
}

TEST(Cron, TheTwentyNinthOfFebruaryComesAlsoAcross2100) {
  EXPECT_EQ(next("0 0 29 2 *", at(2026, 3, 1, 0, 0)), "2028-02-29T00:00");
  EXPECT_EQ(next("0 0 29 2 *", at(2096, 3, 1, 0, 0)), "2104-02-29T00:00");
}

TEST(Cron, AMistakeNamesTheField) {
  EXPECT_EQ(next("61 * * * *", {}), "the minute field takes 0 to 59, not '61'");
  EXPECT_EQ(next("* * * smarch *", {}), "the month field takes 1 to 12, not 'smarch'");
  EXPECT_EQ(next("*/0 * * * *", {}), "the minute field has the step '0'; it is a number from 1 on");
  EXPECT_EQ(next("* 9-5 * * *", {}), "the hour field has the range '9-5', which is empty");
  EXPECT_EQ(next("0 3 * *", {}), "'0 3 * *' has 4 fields; a schedule has five: minute hour day month weekday");
  EXPECT_EQ(next("0 0 30 2 *", {}), "'0 0 30 2 *' never comes");
  EXPECT_EQ(next("1,,2 * * * *", {}), "the minute field takes 0 to 59, not ''");
}

}  // namespace
}  // namespace sluice
