#include "connector/file/layout.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <chrono>

namespace sluice::file {
namespace {

using namespace std::chrono_literals;

WallTime utc(int year, unsigned month, unsigned day, std::chrono::milliseconds time = 0ms) {
  return std::chrono::sys_days(std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day)) + time;
}

std::string path_of(KeyStrategy strategy, WallTime time, std::string_view collection = "users") {
  Layout layout{strategy, {}};
  return layout.path(collection, layout.date_folder(layout.bucket_of(time)), time, "ab12");
}

TEST(Layout, HasTheSeedsPatterns) {
  auto time = WallTime(1736937600000ms);  // 2025-01-15T10:40:00Z
  EXPECT_EQ(path_of(KeyStrategy::hive_partitioned, time),
            "collection=users/year=2025/month=01/day=15/hour=10/1736937600000-ab12");
  EXPECT_EQ(path_of(KeyStrategy::date_hour_partitioned, time), "users/2025/01/15/10/1736937600000-ab12");
  EXPECT_EQ(path_of(KeyStrategy::date_partitioned, time), "users/2025/01/15/1736937600000-ab12");
  EXPECT_EQ(path_of(KeyStrategy::collection_based, time), "users/1736937600000-ab12");
  EXPECT_EQ(path_of(KeyStrategy::flat, time), "users_1736937600000-ab12");
  EXPECT_EQ(path_of(KeyStrategy::none, time), "users-ab12");
}

TEST(Layout, PutsTimesBefore1970IntoTheirOwnHour) {
  EXPECT_EQ(path_of(KeyStrategy::date_hour_partitioned, utc(1970, 1, 1) - 1ms), "users/1969/12/31/23/-1-ab12");
  EXPECT_EQ(path_of(KeyStrategy::date_partitioned, utc(1969, 12, 31)), "users/1969/12/31/-86400000-ab12");
  EXPECT_EQ(path_of(KeyStrategy::date_hour_partitioned, utc(1, 1, 1, 5h)).substr(0, 20), "users/0001/01/01/05/");
}

TEST(Layout, KeepsAnyCollectionToOneLevelOfTheKey) {
  auto time = WallTime(0ms);
  EXPECT_EQ(path_of(KeyStrategy::flat, time, "../a b"), "a_b_0-ab12");
  EXPECT_EQ(path_of(KeyStrategy::collection_based, time, ""), "data/0-ab12");
  EXPECT_EQ(path_of(KeyStrategy::flat, time, std::string(99, 'x') + "é"), std::string(99, 'x') + "_0-ab12");
  EXPECT_EQ(path_of(KeyStrategy::hive_partitioned, time, "a/b").substr(0, 18), "collection=a%2Fb/y");
}

TEST(TimeColumn, ReadsEveryUnitAndRoundsTowardsThePast) {
  struct Case {
    std::shared_ptr<arrow::DataType> type;
    int64_t value;
  };
  for (const auto& [type, value] :
       {Case{arrow::timestamp(arrow::TimeUnit::SECOND), -1}, Case{arrow::timestamp(arrow::TimeUnit::MILLI), -1000},
        Case{arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), -1'000'000},
        Case{arrow::timestamp(arrow::TimeUnit::NANO), -1'000'000'000}, Case{arrow::date64(), -1000}}) {
    auto schema = arrow::schema({arrow::field("t", type)});
    auto column = TimeColumn::find(*schema, "t");
    ASSERT_TRUE(column.ok());
    auto array = *arrow::MakeArrayFromScalar(**arrow::MakeScalar(arrow::int64(), value), 1);
    auto time = column->at(*(*array->View(type)), 0);
    ASSERT_TRUE(time.ok() && time->has_value()) << type->ToString();
    EXPECT_EQ(**time, utc(1970, 1, 1) - 1s) << type->ToString();
  }
}

TEST(TimeColumn, RefusesTimesThatNameNoFolder) {
  auto type = arrow::timestamp(arrow::TimeUnit::SECOND);
  auto column = TimeColumn::find(*arrow::schema({arrow::field("t", type)}), "t");
  ASSERT_TRUE(column.ok());
  for (int64_t value : {INT64_MAX, INT64_MIN, int64_t{253402300800}, int64_t{-62167219201}}) {
    auto array = *arrow::MakeArrayFromScalar(arrow::TimestampScalar(value, type), 1);
    EXPECT_FALSE(column->at(*array, 0).ok()) << value;
  }
  for (int64_t value : {int64_t{253402300799}, int64_t{-62167219200}}) {
    auto array = *arrow::MakeArrayFromScalar(arrow::TimestampScalar(value, type), 1);
    EXPECT_TRUE(column->at(*array, 0).ok()) << value;
  }
}

}  // namespace
}  // namespace sluice::file
