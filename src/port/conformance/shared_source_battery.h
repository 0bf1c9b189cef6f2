// What a Source has to do whose work several processes share (SourceTraits::shares_work), beside SourceBattery.
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "port/conformance/source_battery.h"

namespace sluice::conformance {

class SharedSourceBattery : public SourceBattery {
 protected:
  struct Member {
    std::unique_ptr<Source> source;
    std::vector<std::unique_ptr<Reader>> readers = {};
    std::set<SplitId> has = {};
  };

  // One round of one member; what it reads is durable at once.
  void round(Member& member, Delivered& all) {
    member.source->tick(context_);
    auto events = value_of(member.source->poll_splits(context_, in(Millis(20))));
    if (!events.revoked.empty() || !events.lost.empty()) {
      EXPECT_TRUE(events.lost.empty()) << "nothing was wrong with that member";
      member.readers.clear();
      member.has.clear();
      expect_ok(member.source->settle(context_, all.positions));
      for (const auto& split : events.revoked) expect_ok(member.source->released(context_, split));
      begin_anew(*member.source, all.positions);
      return;
    }
    for (const auto& split : events.added) {
      member.has.insert(split.id);
      all.splits.insert(split.id);
      member.readers.push_back(value_of(member.source->create_reader(context_, {&split, 1})));
    }
    for (auto& reader : member.readers) {
      Open one{std::move(reader)};
      take(one, all, Millis(20));
      EXPECT_TRUE(one.pending.empty());
      reader = std::move(one.reader);
    }
    expect_ok(member.source->settle(context_, all.positions));
  }
};

TEST_P(SharedSourceBattery, WhatIsTakenBackGoesOnElsewhere) {
  ASSERT_TRUE(traits_.shares_work);
  Delivered all;
  Member first{create()};
  start(*first.source, {}, in_small_batches());
  const auto late = in(Millis(60'000));
  const auto in_time = [&] { return system_clock().steady() < late && !HasFailure(); };
  while (all.rows.size() < 6 && in_time()) round(first, all);

  Member second{create()};
  start(*second.source, all.positions, in_small_batches());
  while ((first.has.empty() || second.has.empty()) && in_time()) {
    round(first, all);
    round(second, all);
  }
  add(kRows, 20);
  // A split may be on its way from one to the other when the last row is here.
  const auto shared = [&] { return !first.has.empty() && !second.has.empty(); };
  for (int behind = 0; (all.rows.size() < kRows + 20 || !shared() || ++behind < 5) && in_time();) {
    round(first, all);
    round(second, all);
  }
  EXPECT_EQ(all.sorted(), numbered(0, kRows + 20));
  EXPECT_TRUE(shared());
  for (const auto& split : first.has) EXPECT_FALSE(second.has.contains(split)) << "both read " << split;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SharedSourceBattery);

}  // namespace sluice::conformance
