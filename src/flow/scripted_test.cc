// What happens to a source while it is read, with and without the process dying at every durable step of following it.
#include "flow/scripted.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flow/pipeline.h"

namespace sluice::simulation {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

ScriptWorld* current_script = nullptr;  // connectors are made through plain function pointers

class ScriptedRun {
 public:
  ScriptedRun(ScriptWorld& world, Decision decision) : world_(world), decision_(decision) {
    current_script = &world;
    ConnectorDescriptor scripted;
    scripted.name = "scripted";
    scripted.schemes = {"scripted"};
    scripted.create_source = [](const Registry&, const ConnectorRequest&) -> Result<std::unique_ptr<Source>> {
      return make_scripted_source(*current_script);
    };
    registry_.add(scripted);
  }

  // One process: runs until the end or its death.
  Result<RunSummary> run(int lanes = 2, std::map<std::string, std::string> with = {}) {
    std::stop_source stop;
    Context context{stop.get_token(), system_clock(), Log(), metrics_, memory_, registry_, "scripted"};
    PipelinePlan plan;
    plan.kind = PipelineKind::stream;
    plan.name = "scripted";
    plan.named = true;
    plan.definition = "scripted";
    plan.source.connector = "scripted";
    plan.source.request.location.scheme = "scripted";
    plan.source.text = "scripted";
    plan.with["lanes"] = {std::to_string(lanes), ""};
    plan.with["epoch_rows"] = {"40", ""};
    plan.with["retry_for"] = {"0", ""};
    plan.with["epoch_age"] = {"100ms", ""};
    for (const auto& [name, value] : with) plan.with[name] = {value, ""};
    auto pipeline = TRY(Pipeline::open(context, std::move(plan), make_table_sink(world_, decision_)));
    auto coordinator = make_coordinator(world_.world);
    auto summary = pipeline->run(context, coordinator.get(), world_.world.draining, counters_);
    return summary;
  }
  RunCounters& counters() { return counters_; }

 private:
  ScriptWorld& world_;
  Decision decision_;
  Registry registry_;
  Metrics metrics_;
  Budget memory_{64 << 20};
  RunCounters counters_;
};

using Kind = ScriptStep::Kind;

// `batches` of five rows each, numbered from `first`.
void add_rows(std::vector<ScriptStep>& script, const std::string& table, int64_t first, int batches) {
  for (int i = 0; i < batches; ++i) script.push_back({Kind::rows, table, first + 5 * i, 5});
}

// Rows [first, end) of `table`, each once; those from `widened` on have their m.
void expect_rows(const ScriptWorld& world, const std::string& table, int64_t first, int64_t end, int64_t widened) {
  auto found = world.target.find(table);
  ASSERT_NE(found, world.target.end());
  for (int64_t n = first; n < end; ++n) {
    auto cell = found->second.find(n);
    ASSERT_NE(cell, found->second.end()) << "lost: " << n;
    EXPECT_EQ(cell->second.seen, 1) << "doubled: " << n;
    EXPECT_EQ(cell->second.m, n >= widened ? std::optional(10 * n) : std::nullopt) << n;
  }
}

class ScriptedTest : public testing::TestWithParam<Decision> {};
INSTANTIATE_TEST_SUITE_P(Orders, ScriptedTest, testing::Values(Decision::journal, Decision::target),
                         [](const auto& info) { return info.param == Decision::journal ? "journal" : "target"; });

void widen_two_splits(ScriptWorld& world) {
  for (int split = 0; split < 2; ++split) {
    auto& script = world.script[std::to_string(split)];
    add_rows(script, "t", split * 1000, 8);
    script.push_back({Kind::widen, "t"});
    add_rows(script, "t", split * 1000 + 40, 8);
  }
}

TEST_P(ScriptedTest, ASchemaChangeIsFollowedWithoutEndingTheRun) {
  ScriptWorld world;
  widen_two_splits(world);
  ScriptedRun run(world, GetParam());
  auto summary = run.run();
  ASSERT_TRUE(summary.ok()) << summary.error().message();
  for (int64_t split = 0; split < 2; ++split)
    expect_rows(world, "t", split * 1000, split * 1000 + 80, split * 1000 + 40);
  EXPECT_EQ(world.columns["t"], 2);
  EXPECT_EQ(world.starts, 2);  // both splits met it, one epoch was cut for it
  EXPECT_THAT(world.complaints, IsEmpty());
  const auto& record = world.world.records["scripted"];
  ASSERT_EQ(record.schemas.size(), 1U);
  EXPECT_EQ(record.schemas[0].version, 2);
  EXPECT_EQ(record.schemas[0].output->num_fields(), 2);
  EXPECT_TRUE(world.spooled.empty());
}

// Runs `make`'s script, dying before and after every durable step and at random afterwards, and judges what is left.
template <typename Make, typename Judge>
void die_everywhere(Decision decision, Make make, Judge judge, int stride = 1) {
  int deaths = 0;
  for (int die_at = 1;; die_at += stride) {
    SCOPED_TRACE(fmt::format("die_at {}", die_at));
    ScriptWorld world;
    make(world);
    ScriptedRun run(world, decision);
    world.world.new_process(die_at);
    (void)run.run();
    const bool died = world.world.dead;
    std::mt19937 random(static_cast<unsigned>(die_at));
    for (int attempt = 0; world.world.dead; ++attempt) {
      ++deaths;
      world.world.new_process(attempt < 3 ? static_cast<int>(random() % 30) : 0);
      auto again = run.run(1 + static_cast<int>(random() % 3));
      ASSERT_TRUE(again.ok() || world.world.dead) << again.error().message();
    }
    judge(world);
    EXPECT_THAT(world.complaints, IsEmpty());
    if (testing::Test::HasFailure() || !died) break;
  }
  EXPECT_GT(deaths, 15);
}

TEST_P(ScriptedTest, ASchemaChangeLosesAndDoublesNothingWhereverTheProcessDies) {
  die_everywhere(GetParam(), widen_two_splits, [](const ScriptWorld& world) {
    for (int64_t split = 0; split < 2; ++split) {
      expect_rows(world, "t", split * 1000, split * 1000 + 80, split * 1000 + 40);
    }
  });
}

void truncate_in_the_middle(ScriptWorld& world) {
  auto& script = world.script["0"];
  add_rows(script, "t", 0, 8);
  script.push_back({Kind::truncate, "t"});
  add_rows(script, "t", 40, 8);
}

TEST_P(ScriptedTest, ATruncateRemovesWhatCameBeforeItAndNothingElseWhereverTheProcessDies) {
  die_everywhere(GetParam(), truncate_in_the_middle, [](const ScriptWorld& world) {
    expect_rows(world, "t", 40, 80, INT64_MAX);
    EXPECT_EQ(world.target.at("t").size(), 40U);
  });
}

TEST_P(ScriptedTest, ATruncateThatTheSinkCannotFollowStopsOrIsIgnoredAsAsked) {
  ScriptWorld world;
  world.can_truncate = false;
  truncate_in_the_middle(world);
  ScriptedRun run(world, GetParam());
  auto refused = run.run();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().fault, Fault::refused);
  EXPECT_THAT(refused.error().what, HasSubstr("table 't' was truncated"));
  auto ignored = run.run(2, {{"on_truncate", "ignore"}});
  ASSERT_TRUE(ignored.ok()) << ignored.error().message();
  expect_rows(world, "t", 0, 80, INT64_MAX);
}

void many_splits(ScriptWorld& world) {
  world.endless = true;
  world.expected_rows = 5 * 20 * 6;
  for (int split = 0; split < 5; ++split) add_rows(world.script[std::to_string(split)], "t", split * 1000, 24);
}

void expect_many_splits(const ScriptWorld& world) {
  for (int split = 0; split < 5; ++split) expect_rows(world, "t", split * 1000, split * 1000 + 120, INT64_MAX);
}

TEST_P(ScriptedTest, EndlessSplitsAreSharedOutAmongTheLanes) {
  ScriptWorld world;
  many_splits(world);
  ScriptedRun run(world, GetParam());
  auto summary = run.run(3);
  ASSERT_TRUE(summary.ok()) << summary.error().message();
  expect_many_splits(world);
  EXPECT_EQ(world.reading_threads.size(), 3U);
}

TEST_P(ScriptedTest, ARevokedSplitIsReleasedOnceAllThatWasReadOfItIsDurable) {
  ScriptWorld world;
  many_splits(world);
  world.taken = {{"1", 10, false}, {"3", 40, false}};
  ScriptedRun run(world, GetParam());
  auto summary = run.run();
  ASSERT_TRUE(summary.ok()) << summary.error().message();
  expect_many_splits(world);
  EXPECT_THAT(world.released, testing::ElementsAre("1", "3"));
  EXPECT_THAT(world.complaints, IsEmpty());
  EXPECT_TRUE(world.spooled.empty());
}

TEST_P(ScriptedTest, WhatIsNotCommittedOfALostSplitIsDroppedAndTheOthersGoOn) {
  ScriptWorld world;
  many_splits(world);
  world.taken = {{"1", 10, true}, {"4", 45, true}};
  ScriptedRun run(world, GetParam());
  auto summary = run.run();
  ASSERT_TRUE(summary.ok()) << summary.error().message();
  expect_many_splits(world);
  EXPECT_THAT(world.released, IsEmpty());
  EXPECT_EQ(world.starts, 3);
  EXPECT_TRUE(world.spooled.empty());  // what was prepared and not committed is gone
}

TEST_P(ScriptedTest, SplitsThatComeAndGoLoseNothingWhereverTheProcessDies) {
  auto make = [](ScriptWorld& world) {
    many_splits(world);
    world.taken = {{"1", 10, false}, {"2", 30, true}};
  };
  die_everywhere(GetParam(), make, expect_many_splits, 7);  // before one step, after another
}

TEST_P(ScriptedTest, SeveralTablesOfOneStreamHaveAWriterAndASchemaEach) {
  auto make = [](ScriptWorld& world) {
    world.many_tables = true;
    for (int split = 0; split < 2; ++split) {
      auto& script = world.script[std::to_string(split)];
      for (int i = 0; i < 6; ++i) {
        add_rows(script, "orders", split * 1000 + 5 * i, 1);
        add_rows(script, "items", split * 1000 + 5 * i, 1);
      }
      if (split == 0) script.push_back({Kind::widen, "items"});
      if (split == 0) add_rows(script, "items", 30, 3);
      add_rows(script, "orders", split * 1000 + 30, 3);
    }
  };
  auto judge = [](const ScriptWorld& world) {
    expect_rows(world, "orders", 0, 45, INT64_MAX);
    expect_rows(world, "orders", 1000, 1045, INT64_MAX);
    expect_rows(world, "items", 0, 45, 30);
    expect_rows(world, "items", 1000, 1030, INT64_MAX);
    EXPECT_EQ(world.columns.at("items"), 2);
    EXPECT_EQ(world.columns.at("orders"), 1);
  };
  die_everywhere(GetParam(), make, judge);
}

TEST_P(ScriptedTest, SeveralTablesAreRefusedByASinkForOne) {
  ScriptWorld world;
  world.many_tables = true;
  world.one_table_sink = true;
  add_rows(world.script["0"], "orders", 0, 1);
  add_rows(world.script["1"], "items", 0, 1);
  auto result = ScriptedRun(world, GetParam()).run();
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().fault, Fault::user);
  EXPECT_THAT(result.error().what, HasSubstr("has several tables"));
}

TEST_P(ScriptedTest, AFailureThatPassesIsTriedAgainAndDoublesNothing) {
  for (bool after_all : {false, true}) {
    ScriptWorld world;
    add_rows(world.script["0"], "t", 0, 20);
    world.failing_commits = 2;
    world.fails_after_all = after_all;
    ScriptedRun run(world, GetParam());
    auto summary = run.run(2, {{"retry_for", "1m"}});
    ASSERT_TRUE(summary.ok()) << summary.error().message();
    expect_rows(world, "t", 0, 100, INT64_MAX);
    EXPECT_EQ(run.counters().retries, 2);
    EXPECT_FALSE(run.counters().retrying);
    EXPECT_EQ(world.world.records["scripted"].last_error, "");
    EXPECT_TRUE(world.spooled.empty());
  }
}

TEST_P(ScriptedTest, TryingAgainHasAnEndAndAVisibleState) {
  ScriptWorld world;
  add_rows(world.script["0"], "t", 0, 20);
  world.failing_commits = -1;
  ScriptedRun run(world, GetParam());
  const auto began = system_clock().steady();
  auto summary = run.run(2, {{"retry_for", "600ms"}});
  ASSERT_FALSE(summary.ok());
  EXPECT_EQ(summary.error().fault, Fault::transient);
  EXPECT_LT(system_clock().steady() - began, std::chrono::seconds(10));
  EXPECT_TRUE(run.counters().retrying);
  EXPECT_THAT(world.world.records["scripted"].last_error, HasSubstr("the connection was lost"));
}

// The new owner has fenced the target for itself: a second fence of ours would end it.
TEST_P(ScriptedTest, WhoseLeaseIsGoneEndsBeforeItTouchesTheTargetAgain) {
  ScriptWorld world;
  add_rows(world.script["0"], "t", 0, 20);
  world.failing_commits = 1;
  world.world.lease_is_gone = true;
  auto summary = ScriptedRun(world, GetParam()).run(2, {{"retry_for", "1m"}});
  ASSERT_FALSE(summary.ok());
  EXPECT_EQ(summary.error().fault, Fault::refused);
  EXPECT_EQ(world.looks, 1);
}

TEST_P(ScriptedTest, AFailureWhileItDrainsEndsItBadlyOnlyWhenNobodySaysWhatHappened) {
  for (int failing_looks : {0, 2}) {
    ScriptWorld world;
    add_rows(world.script["0"], "t", 0, 20);
    world.failing_commits = 1;
    world.drains_at_failure = true;
    world.failing_looks = failing_looks;
    auto summary = ScriptedRun(world, GetParam()).run(2, {{"retry_for", "1m"}});
    ASSERT_EQ(summary.ok(), failing_looks == 0);
    EXPECT_TRUE(summary.ok() ? summary->drained : summary.error().what.starts_with("nobody answers"));
    world.world.draining = false;
    ASSERT_TRUE(ScriptedRun(world, GetParam()).run().ok());
    expect_rows(world, "t", 0, 100, INT64_MAX);
    EXPECT_TRUE(world.spooled.empty() || failing_looks > 0);
  }
}

TEST_P(ScriptedTest, TheSourceIsTickedWhileAnEpochIsCommittedAndSettledWithWhatIsDurable) {
  ScriptWorld world;
  add_rows(world.script["0"], "t", 0, 10);
  world.world.commit_takes = Millis(1200);
  ScriptedRun run(world, GetParam());
  auto summary = run.run(1, {{"epoch_rows", "1000"}, {"epoch_age", "10s"}});
  ASSERT_TRUE(summary.ok()) << summary.error().message();
  EXPECT_GE(world.ticks_in_commits, 1);
  ASSERT_GE(world.settled.size(), 2U);
  EXPECT_TRUE(world.settled.front().empty());
  EXPECT_EQ(world.settled.back().at("0").token, "10");
  world.settled.clear();
  ASSERT_TRUE(run.run(1).ok());  // the next start says it again: the process may have died before the source heard it
  ASSERT_FALSE(world.settled.empty());
  EXPECT_EQ(world.settled.front().at("0").token, "10");
}

}  // namespace
}  // namespace sluice::simulation
