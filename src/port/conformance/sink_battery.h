// What every Sink has to do. A connector's test includes this and says how to make its sink and how to look at what
// became visible:
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, SinkBattery, testing::Values(SinkCase{"sqlite", create, read}));
//
// A process that dies is played by destroying its sink, writers and committer; a restart by making them again.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "port/conformance/expect.h"
#include "port/conformance/numbered_rows.h"
#include "port/conformance/scratch_folder.h"
#include "port/conformance/test_context.h"
#include "port/sink.h"

namespace sluice::conformance {

struct SinkCase {
  std::string name;
  // A sink for pipeline "battery" that appends rows of (id BIGINT, note VARCHAR) to the one target of this folder.
  std::function<Result<std::unique_ptr<Sink>>(const std::string& folder)> create;
  // What an independent reader of the target sees now, in any order; nothing when the target does not exist.
  std::function<Result<SeenRows>(const std::string& folder)> read;
  // Why it cannot be tested here (a server that nobody named); empty: it can.
  std::function<std::string()> missing = [] { return std::string(); };
  friend void PrintTo(const SinkCase& item, std::ostream* out) { *out << item.name; }
};

class SinkBattery : public testing::TestWithParam<SinkCase> {
 protected:
  void SetUp() override {
    if (auto missing = GetParam().missing(); !missing.empty()) GTEST_SKIP() << missing;
    auto sink = GetParam().create(folder_.path());
    ASSERT_TRUE(sink.ok()) << sink.error().message();
  }

  // One process: sink, one writer per lane, committer, fenced.
  struct Process {
    std::unique_ptr<Sink> sink;
    std::unique_ptr<Writer> writer;
    std::unique_ptr<Writer> second_writer;
    std::unique_ptr<Committer> committer;
    std::optional<Positions> held;  // what fence_and_load returned
  };

  Process start(Generation generation, bool resumed = false) {
    Process process;
    process.sink = value_of(GetParam().create(folder_.path()));
    expect_ok(process.sink->validate_schema(context_, *numbered_schema()));
    expect_ok(process.sink->open(context_, *numbered_schema(), resumed));
    process.committer = value_of(process.sink->create_committer(context_));
    process.held = value_of(process.committer->fence_and_load(context_, generation));
    expect_ok(process.committer->discard(context_, {}));
    process.writer = value_of(process.sink->create_writer(context_, {"battery", 0, generation}));
    if (!process.sink->traits().single_writer) {
      process.second_writer = value_of(process.sink->create_writer(context_, {"battery", 1, generation}));
    }
    return process;
  }

  static Positions at(int64_t position, const std::string& split = "in") {
    return {{split, Position{std::to_string(position)}}};
  }
  void write(Writer& writer, const Rows& some) {
    auto ack = value_of(writer.write(context_, some));
    EXPECT_TRUE(ack.rejects.empty());
  }
  std::vector<Prepared> prepare(Writer& writer, Epoch epoch) { return value_of(writer.prepare(context_, epoch)); }
  std::vector<Prepared> written(Writer& writer, Epoch epoch, const Rows& some) {
    write(writer, some);
    return prepare(writer, epoch);
  }
  SeenRows seen() {
    auto found = value_of(GetParam().read(folder_.path()));
    std::sort(found.begin(), found.end());
    return found;
  }
  bool decides(const Process& process, Decision decision) { return process.sink->traits().decision == decision; }

  ScratchFolder folder_;
  TestContext context_;
};

TEST_P(SinkBattery, ProbingLeavesNothingBehind) {
  auto sink = value_of(GetParam().create(folder_.path()));
  expect_ok(sink->probe(context_));
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_P(SinkBattery, NothingIsVisibleBeforeTheCommitAndEverythingAfterIt) {
  auto process = start(1);
  write(*process.writer, numbered_rows(0, 10));
  write(*process.writer, numbered_rows(10, 10));
  EXPECT_TRUE(seen().empty());
  auto prepared = prepare(*process.writer, 1);
  EXPECT_TRUE(seen().empty());
  int64_t counted = 0;
  for (const auto& part : prepared) counted += part.rows;
  EXPECT_EQ(counted, 20);
  expect_ok(process.committer->commit(context_, prepared, {}, at(20)));
  EXPECT_EQ(seen(), numbered(0, 20));
}

TEST_P(SinkBattery, CommittingTwiceDeliversOnce) {
  auto process = start(1);
  auto prepared = written(*process.writer, 1, numbered_rows(0, 10));
  expect_ok(process.committer->commit(context_, prepared, {}, at(10)));
  expect_ok(process.committer->commit(context_, prepared, {}, at(10)));
  EXPECT_EQ(seen(), numbered(0, 10));
}

TEST_P(SinkBattery, AnEpochWithoutRowsPreparesNothing) {
  auto process = start(1);
  EXPECT_TRUE(prepare(*process.writer, 1).empty());
  Rows progress_only;
  progress_only.progress = {{"in", Position{"5"}}};
  write(*process.writer, progress_only);
  EXPECT_TRUE(prepare(*process.writer, 2).empty());
}

TEST_P(SinkBattery, TheNextEpochIsWrittenWhileThisOneCommits) {
  auto process = start(1);
  if (process.sink->traits().single_writer) GTEST_SKIP() << "one epoch for the whole run";
  auto first = written(*process.writer, 1, numbered_rows(0, 10));
  write(*process.writer, numbered_rows(10, 10));
  expect_ok(process.committer->commit(context_, first, {}, at(10)));
  EXPECT_EQ(seen(), numbered(0, 10));
  auto second = prepare(*process.writer, 2);
  expect_ok(process.committer->commit(context_, second, at(10), at(20)));
  EXPECT_EQ(seen(), numbered(0, 20));
}

TEST_P(SinkBattery, LanesOfOneEpochDoNotCollide) {
  auto process = start(1);
  if (process.second_writer == nullptr) GTEST_SKIP() << "one lane only";
  auto prepared = written(*process.writer, 1, numbered_rows(0, 10, "a"));
  for (auto& part : written(*process.second_writer, 1, numbered_rows(10, 10, "b"))) prepared.push_back(std::move(part));
  expect_ok(process.committer->commit(context_, prepared, {}, {{"a", {"10"}}, {"b", {"20"}}}));
  EXPECT_EQ(seen(), numbered(0, 20));
}

TEST_P(SinkBattery, WhatIsDiscardedNeverAppears) {
  auto process = start(1);
  auto prepared = written(*process.writer, 1, numbered_rows(0, 10));
  expect_ok(process.committer->discard(context_, prepared));
  EXPECT_TRUE(seen().empty());
  if (process.sink->traits().single_writer) return;
  auto next = written(*process.writer, 2, numbered_rows(100, 5));
  expect_ok(process.committer->commit(context_, next, {}, at(105)));
  EXPECT_EQ(seen(), numbered(100, 5));
}

TEST_P(SinkBattery, UndecidedWorkOfADeadProcessNeverAppears) {
  {
    auto process = start(1);
    written(*process.writer, 1, numbered_rows(0, 10));
    write(*process.writer, numbered_rows(10, 10));
  }
  auto process = start(2, true);
  EXPECT_TRUE(seen().empty());
  auto prepared = written(*process.writer, 1, numbered_rows(0, 10));
  expect_ok(process.committer->commit(context_, prepared, {}, at(10)));
  EXPECT_EQ(seen(), numbered(0, 10));
}

TEST_P(SinkBattery, DeliveredRowsSurviveARestartAndADrop) {
  {
    auto process = start(1);
    auto prepared = written(*process.writer, 1, numbered_rows(0, 10));
    expect_ok(process.committer->commit(context_, prepared, {}, at(10)));
  }
  auto process = start(2, true);
  EXPECT_EQ(seen(), numbered(0, 10));
  expect_ok(process.sink->drop(context_));
  EXPECT_EQ(seen(), numbered(0, 10));
}

TEST_P(SinkBattery, ADecidedEpochIsCompletedFromItsDescriptionAlone) {
  std::vector<Prepared> decided;
  {
    auto process = start(1);
    if (!decides(process, Decision::journal)) GTEST_SKIP() << "the target decides";
    decided = written(*process.writer, 1, numbered_rows(0, 10));
  }
  auto sink = value_of(GetParam().create(folder_.path()));
  auto committer = value_of(sink->create_committer(context_));
  value_of(committer->fence_and_load(context_, 2));
  EXPECT_EQ(value_of(committer->resume(context_, decided)), Outcome::completed);
  expect_ok(committer->discard(context_, {}));
  EXPECT_EQ(seen(), numbered(0, 10));
  value_of(committer->resume(context_, decided));
  EXPECT_EQ(seen(), numbered(0, 10)) << "resuming what was completed changes nothing";
}

TEST_P(SinkBattery, ACommitThatWasInterruptedHalfWayIsCompleted) {
  std::vector<Prepared> decided;
  {
    auto process = start(1);
    if (!decides(process, Decision::journal)) GTEST_SKIP() << "the target decides";
    if (process.second_writer == nullptr) GTEST_SKIP() << "one object only";
    decided = written(*process.writer, 1, numbered_rows(0, 10, "a"));
    for (auto& part : written(*process.second_writer, 1, numbered_rows(10, 10, "b")))
      decided.push_back(std::move(part));
    expect_ok(process.committer->commit(context_, std::span(decided).first(1), {}, {}));
  }
  // As flow does it: what was decided is completed before leftovers are swept.
  auto sink = value_of(GetParam().create(folder_.path()));
  auto committer = value_of(sink->create_committer(context_));
  value_of(committer->fence_and_load(context_, 2));
  EXPECT_EQ(value_of(committer->resume(context_, decided)), Outcome::completed);
  expect_ok(committer->discard(context_, {}));
  EXPECT_EQ(seen(), numbered(0, 20));
}

TEST_P(SinkBattery, TheTargetKnowsThePositions) {
  {
    auto process = start(1);
    if (!decides(process, Decision::target)) {
      EXPECT_FALSE(process.held.has_value());
      GTEST_SKIP() << "the state store knows them";
    }
    ASSERT_TRUE(process.held.has_value());
    EXPECT_TRUE(process.held->empty());
    auto prepared = written(*process.writer, 1, numbered_rows(0, 10));
    Positions upto{{"in", {"10"}}, {"ünïcode/'quoted'.json", {R"({"row":3})"}}};
    expect_ok(process.committer->commit(context_, prepared, {}, upto));
    auto more = written(*process.writer, 2, numbered_rows(10, 10));
    expect_ok(process.committer->commit(context_, more, at(10), at(20)));
  }
  EXPECT_EQ(start(2, true).held, (Positions{{"in", {"20"}}, {"ünïcode/'quoted'.json", {R"({"row":3})"}}}));
}

TEST_P(SinkBattery, APredecessorIsFencedOff) {
  auto zombie = start(1);
  if (!decides(zombie, Decision::target)) GTEST_SKIP() << "the state store fences";
  auto prepared = written(*zombie.writer, 1, numbered_rows(0, 10));
  auto successor = start(2, true);
  expect_error(zombie.committer->commit(context_, prepared, {}, at(10)), Fault::refused);
  EXPECT_TRUE(seen().empty());
  auto mine = written(*successor.writer, 1, numbered_rows(0, 10));
  expect_ok(successor.committer->commit(context_, mine, {}, at(10)));
  EXPECT_EQ(seen(), numbered(0, 10));
}

TEST_P(SinkBattery, PositionsThatMovedInTheTargetRefuseTheEpoch) {
  auto process = start(1);
  if (!decides(process, Decision::target)) GTEST_SKIP() << "the state store compares";
  auto first = written(*process.writer, 1, numbered_rows(0, 10));
  expect_ok(process.committer->commit(context_, first, {}, at(10)));
  auto second = written(*process.writer, 2, numbered_rows(10, 10));
  expect_error(process.committer->commit(context_, second, at(7), at(20)), Fault::refused, "positions");
  EXPECT_EQ(seen(), numbered(0, 10));
}

TEST_P(SinkBattery, ALostStateStoreStartsWhereTheTargetIs) {
  {
    auto process = start(7);
    if (!decides(process, Decision::target)) GTEST_SKIP() << "the state store is the only one who knows";
    auto prepared = written(*process.writer, 1, numbered_rows(0, 10));
    expect_ok(process.committer->commit(context_, prepared, {}, at(10)));
  }
  auto process = start(1);  // a new state store counts generations from one
  EXPECT_EQ(process.held, at(10));
  auto prepared = written(*process.writer, 1, numbered_rows(10, 10));
  expect_ok(process.committer->commit(context_, prepared, at(10), at(20)));
  EXPECT_EQ(seen(), numbered(0, 20));
}

TEST_P(SinkBattery, ResettingMovesThePositionsTheTargetHolds) {
  {
    auto process = start(1);
    if (!decides(process, Decision::target)) GTEST_SKIP() << "the state store holds them";
    auto prepared = written(*process.writer, 1, numbered_rows(0, 10));
    expect_ok(process.committer->commit(context_, prepared, {}, at(10)));
  }
  auto sink = value_of(GetParam().create(folder_.path()));
  expect_ok(sink->reset(context_, at(4)));
  EXPECT_EQ(start(2, true).held, at(4));
  expect_ok(sink->reset(context_, {}));
  EXPECT_EQ(start(3, true).held, Positions{});
}

TEST_P(SinkBattery, MemoryIsGivenBackWithTheEpoch) {
  {
    auto process = start(1);
    auto prepared = written(*process.writer, 1, numbered_rows(0, 1000));
    expect_ok(process.committer->commit(context_, prepared, {}, at(1000)));
  }
  EXPECT_EQ(context_.memory().used(), 0);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SinkBattery);

}  // namespace sluice::conformance
