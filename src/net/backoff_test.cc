#include "net/backoff.h"

#include <gtest/gtest.h>

namespace sluice::net {
namespace {

const SteadyTime kBegin{};

TEST(Backoff, GivesUpAfterTheGivenNumberOfRetries) {
  Backoff backoff(RetryLimits{.retries_max = 3}, 7, kBegin);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(backoff.next(Trouble::failed, kBegin).has_value());
  EXPECT_FALSE(backoff.next(Trouble::failed, kBegin).has_value());
  EXPECT_EQ(backoff.tries(), 3);
}

TEST(Backoff, PausesGrowUpToACapAndAreDrawnFromTheWholeOfIt) {
  RetryLimits limits{.retries_max = 1000, .pause_first = Millis(100), .pause_max = Millis(2000)};
  Backoff backoff(limits, 7, kBegin);
  EXPECT_LE(*backoff.next(Trouble::failed, kBegin), Millis(100));
  EXPECT_LE(*backoff.next(Trouble::failed, kBegin), Millis(200));
  Millis least(1'000'000);
  Millis most(0);
  for (int i = 0; i < 500; ++i) {
    auto pause = *backoff.next(Trouble::failed, kBegin);
    least = std::min(least, pause);
    most = std::max(most, pause);
  }
  EXPECT_LT(least, Millis(100));
  EXPECT_GT(most, Millis(1900));
  EXPECT_LE(most, Millis(2000));
}

TEST(Backoff, OneSeedGivesOneSequence) {
  Backoff one(RetryLimits{}, 42, kBegin);
  Backoff other(RetryLimits{}, 42, kBegin);
  EXPECT_EQ(one.next(Trouble::failed, kBegin), other.next(Trouble::failed, kBegin));
}

TEST(Backoff, AServiceThatAsksToSlowDownIsGivenMinutesAndNotTries) {
  Backoff backoff(RetryLimits{.retries_max = 1}, 7, kBegin);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(backoff.next(Trouble::throttled, kBegin + std::chrono::seconds(90)));
  EXPECT_FALSE(backoff.next(Trouble::throttled, kBegin + std::chrono::minutes(4)));
}

TEST(Backoff, NoRetriesMeansNone) {
  Backoff backoff(RetryLimits{.retries_max = 0}, 7, kBegin);
  EXPECT_FALSE(backoff.next(Trouble::throttled, kBegin));
  EXPECT_FALSE(backoff.next(Trouble::failed, kBegin));
}

}  // namespace
}  // namespace sluice::net
