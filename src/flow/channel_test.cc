#include "flow/channel.h"

#include <thread>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "flow/split_queue.h"

namespace sluice {
namespace {

Rows rows_of(const std::string& name) {
  Rows rows;
  rows.table.name = name;
  return rows;
}
Deadline in(int ms) { return std::chrono::steady_clock::now() + Millis(ms); }

TEST(OrderedChannelTest, RowsComeOutInBundleOrderWhateverLaneWasFirst) {
  OrderedChannel channel(1 << 20);
  std::stop_source stop;
  ASSERT_TRUE(channel.push(1, rows_of("b"), stop.get_token()).ok());
  channel.finish_bundle(1);
  EXPECT_FALSE(channel.pop(in(10), stop.get_token()).has_value());
  ASSERT_TRUE(channel.push(0, rows_of("a"), stop.get_token()).ok());
  channel.finish_bundle(0);
  channel.finish();
  EXPECT_EQ(channel.pop(in(1000), stop.get_token())->table.name, "a");
  EXPECT_EQ(channel.pop(in(1000), stop.get_token())->table.name, "b");
  EXPECT_FALSE(channel.pop(in(10), stop.get_token()).has_value());
  EXPECT_TRUE(channel.ended());
}

TEST(OrderedChannelTest, ALaneThatIsAheadWaitsButNeverTheOneWhoseTurnItIs) {
  OrderedChannel channel(300);  // room for one empty batch
  std::stop_source stop;
  ASSERT_TRUE(channel.push(1, rows_of("ahead"), stop.get_token()).ok());
  std::atomic<bool> admitted{false};
  std::jthread ahead([&] { admitted = channel.push(1, rows_of("ahead2"), stop.get_token()).ok(); });
  ASSERT_TRUE(channel.push(0, rows_of("turn"), stop.get_token()).ok());
  EXPECT_FALSE(admitted);
  channel.finish_bundle(0);
  EXPECT_EQ(channel.pop(in(1000), stop.get_token())->table.name, "turn");
  EXPECT_EQ(channel.pop(in(1000), stop.get_token())->table.name, "ahead");
  ahead.join();
  EXPECT_TRUE(admitted);
}

TEST(OrderedChannelTest, AnAbandonedChannelRefusesRows) {
  OrderedChannel channel(1 << 20);
  std::stop_source stop;
  channel.abandon();
  EXPECT_EQ(channel.push(0, rows_of("a"), stop.get_token()).error().fault, Fault::cancelled);
}

TEST(SplitQueueTest, SmallSplitsAreBundledAndLargeOnesAreNot) {
  SplitQueue queue({.bundle_bytes = 100, .bundle_splits = 10, .sticky = false});
  queue.add({{"a", 40, ""}, {"b", 40, ""}, {"c", 40, ""}, {"d", 500, ""}});
  queue.set_finished();
  std::stop_source stop;
  auto first = queue.claim(0, in(0), stop.get_token());
  auto second = queue.claim(1, in(0), stop.get_token());
  auto third = queue.claim(0, in(0), stop.get_token());
  ASSERT_TRUE(first && second && third);
  EXPECT_EQ(first->splits.size(), 2U);
  EXPECT_EQ(second->splits[0].id, "c");
  EXPECT_EQ(third->splits[0].id, "d");
  EXPECT_FALSE(queue.drained());
  for (const auto& bundle : {*first, *second, *third}) queue.done(bundle);
  EXPECT_TRUE(queue.drained());
  EXPECT_EQ(queue.bytes_total(), 620);
}

TEST(SplitQueueTest, AGrownSplitGoesBackToItsLane) {
  SplitQueue queue({.bundle_bytes = 100, .bundle_splits = 10, .sticky = true});
  std::stop_source stop;
  queue.add({{"log", 10, ""}});
  auto first = queue.claim(1, in(0), stop.get_token());
  ASSERT_TRUE(first.has_value());
  queue.done(*first);
  queue.add({{"log", 10, ""}});
  EXPECT_FALSE(queue.claim(0, in(0), stop.get_token()).has_value());
  EXPECT_TRUE(queue.claim(1, in(0), stop.get_token()).has_value());
}

TEST(SplitQueueTest, ALaneThatWaitsForSplitsComesBackWhenAnEpochIsToBeCut) {
  SplitQueue queue({});
  std::stop_source stop;
  std::atomic<bool> back{false};
  const auto deadline = in(60'000);
  std::jthread lane([&] {
    EXPECT_FALSE(queue.claim(0, deadline, stop.get_token()).has_value());
    back = true;
  });
  while (!back && std::chrono::steady_clock::now() < deadline) {
    queue.wake();  // again, because it may have come before the lane waited
    std::this_thread::sleep_for(Millis(1));
  }
  EXPECT_LT(std::chrono::steady_clock::now(), deadline);
}

}  // namespace
}  // namespace sluice
