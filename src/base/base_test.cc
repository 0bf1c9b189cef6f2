#include <cerrno>
#include <thread>

#include <gtest/gtest.h>

#include "base/budget.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/secret.h"

namespace sluice {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return user_error("{} is odd", value);
  return value / 2;
}
Result<int> quarter(int value) { return half(TRY(half(value))); }
Result<void> fails_inside() { return Result<void>(transient("no answer")).while_doing("asking"); }

TEST(ResultTest, TryPassesTheValueOn) { EXPECT_EQ(quarter(12).value(), 3); }

TEST(ResultTest, TryReturnsTheFirstErrorWithItsFault) {
  auto result = quarter(6);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().fault, Fault::user);
  EXPECT_EQ(result.error().what, "3 is odd");
}

TEST(ResultTest, StepsAreToldInnermostFirst) {
  auto result = fails_inside().while_doing("starting");
  EXPECT_EQ(result.error().message(), "no answer (while asking, while starting)");
}

TEST(ResultTest, AnErrnoBecomesASentenceAndAFault) {
  auto error = errno_error(ENOENT, "open /x");
  EXPECT_EQ(error.fault, Fault::user);
  EXPECT_EQ(error.what, "cannot open /x: No such file or directory");
  EXPECT_EQ(errno_error(ENOSPC, "write").fault, Fault::refused);
  EXPECT_EQ(errno_error(EINTR, "read").fault, Fault::transient);
}

TEST(ResultDeathTest, AskingAnErrorForItsValueIsOurBugAndSaysWhichError) {
  EXPECT_DEATH((void)half(3).value(), "3 is odd");
}

TEST(SecretTest, ASecretNeverPrints) {
  Secret secret("hunter2");
  EXPECT_EQ(fmt::format("{}", secret), "***");
  EXPECT_EQ(secret.reveal(), "hunter2");
}

TEST(BudgetTest, AReservationComesBackWhenItIsDestroyed) {
  Budget budget(100);
  {
    auto first = budget.try_reserve(60);
    ASSERT_TRUE(first.has_value());
    EXPECT_FALSE(budget.try_reserve(60).has_value());
    EXPECT_EQ(budget.used(), 60);
  }
  EXPECT_EQ(budget.used(), 0);
}

TEST(BudgetTest, OneRequestAboveTheLimitPassesWhenNothingElseIsHeld) {
  Budget budget(100);
  auto huge = budget.try_reserve(1000);
  ASSERT_TRUE(huge.has_value());
  EXPECT_FALSE(budget.try_reserve(1).has_value());
}

TEST(BudgetTest, AWaitEndsWhenBytesComeBack) {
  Budget budget(100);
  auto held = budget.try_reserve(100);
  std::jthread giver([&] {
    std::this_thread::sleep_for(Millis(20));
    held.reset();
  });
  std::stop_source stop;
  auto got = budget.reserve(50, stop.get_token());
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(budget.used(), 50);
}

TEST(BudgetTest, AWaitEndsWhenStopIsRequested) {
  Budget budget(100);
  auto held = budget.try_reserve(100);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(budget.reserve(50, stop.get_token()).error().fault, Fault::cancelled);
}

TEST(MetricsTest, MetricsRenderInPrometheusTextFormat) {
  Metrics metrics;
  metrics.counter("sluice_rows_total", "Rows.", {{"pipeline", "a\"b"}}).add(3);
  metrics.gauge("sluice_up", "Up.").set(1);
  EXPECT_EQ(metrics.render(),
            "# HELP sluice_rows_total Rows.\n# TYPE sluice_rows_total counter\n"
            "sluice_rows_total{pipeline=\"a\\\"b\"} 3\n"
            "# HELP sluice_up Up.\n# TYPE sluice_up gauge\nsluice_up 1\n");
}

TEST(MetricsTest, ASeriesIsTheSameHandleEachTime) {
  Metrics metrics;
  auto& first = metrics.counter("n", "N.", {{"a", "1"}});
  EXPECT_EQ(&first, &metrics.counter("n", "N.", {{"a", "1"}}));
  EXPECT_NE(&first, &metrics.counter("n", "N.", {{"a", "2"}}));
}

TEST(LogTest, AJsonLineEscapesItsFields) {
  testing::internal::CaptureStderr();
  Log::to_stderr(LogLevel::info, LogFormat::json)
      .with({{"pipeline", "p"}})
      .info("wrote", {{"rows", 3}, {"path", "a\"b\n"}});
  auto line = testing::internal::GetCapturedStderr();
  EXPECT_NE(line.find(R"("message":"wrote","pipeline":"p","rows":3,"path":"a\"b\n"})"), std::string::npos) << line;
}

TEST(LogTest, LinesBelowTheLevelAreNotWritten) {
  testing::internal::CaptureStderr();
  Log::to_stderr(LogLevel::warn, LogFormat::text).info("quiet");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(ClockTest, UtcIsPrintedWithMilliseconds) {
  EXPECT_EQ(format_utc(WallTime(std::chrono::microseconds(1'705'318'800'123'456))), "2024-01-15T11:40:00.123Z");
}

TEST(ClockTest, ASleepEndsAtOnceWhenStopIsRequested) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(system_clock().sleep(Millis(60'000), stop.get_token()));
}

}  // namespace
}  // namespace sluice
