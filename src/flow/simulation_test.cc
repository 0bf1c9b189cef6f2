// Kills a pipeline before and after every durable step of both commit orders, restarts it (killing it again at random),
// and counts what readers of the target see: lost 0, doubled 0.
#include "flow/simulation.h"

#include <gtest/gtest.h>

#include "flow/lane.h"
#include "flow/pipeline.h"

namespace sluice::simulation {
namespace {

World* current_world = nullptr;  // connectors are made through plain function pointers

Registry simulated_registry() {
  Registry registry;
  ConnectorDescriptor numbers;
  numbers.name = "numbers";
  numbers.schemes = {"numbers"};
  numbers.create_source = [](const Registry&, const ConnectorRequest&) -> Result<std::unique_ptr<Source>> {
    return make_source(*current_world);
  };
  registry.add(numbers);
  ConnectorDescriptor dead;
  dead.name = "dead";
  dead.schemes = {"dead"};
  dead.create_sink = [](const Registry&, const ConnectorRequest&) -> Result<std::unique_ptr<Sink>> {
    return make_sink(*current_world, Decision::journal, true);
  };
  registry.add(dead);
  return registry;
}

Endpoint endpoint_of(const std::string& scheme) {
  Endpoint endpoint;
  endpoint.connector = scheme;
  endpoint.request.location.scheme = scheme;
  endpoint.text = scheme;
  return endpoint;
}

class Simulation {
 public:
  Simulation(World& world, Decision decision, bool dead_letters)
      : world_(world), decision_(decision), dead_letters_(dead_letters), registry_(simulated_registry()) {
    current_world = &world;
  }

  // One process: runs until the end or its death.
  Result<RunSummary> run(int lanes, int64_t epoch_rows) {
    std::stop_source stop;
    Context context{stop.get_token(), system_clock(), Log(), metrics_, memory_, registry_, "sim"};
    PipelinePlan plan;
    plan.kind = PipelineKind::table;
    plan.name = "sim";
    plan.named = true;
    plan.definition = "sim";
    plan.source = endpoint_of("numbers");
    plan.with["lanes"] = {std::to_string(lanes), ""};
    plan.with["epoch_rows"] = {std::to_string(epoch_rows), ""};
    if (dead_letters_) plan.dead_letters = endpoint_of("dead");
    auto pipeline = TRY(Pipeline::open(context, std::move(plan), make_sink(world_, decision_, false)));
    auto coordinator = make_coordinator(world_);
    RunCounters counters;
    return pipeline->run(context, coordinator.get(), world_.draining, counters);
  }

  void expect_each_row_once() const {
    const int64_t rows = int64_t{world_.splits} * world_.rows_per_split;
    int64_t lost = 0;
    int64_t doubled = 0;
    for (int64_t row = 0; row < rows; ++row) {
      bool bad = world_.bad_every > 0 && row % world_.bad_every == 0;
      const auto& where = bad ? world_.visible_dead : world_.visible;
      auto found = where.find(row);
      int seen = found == where.end() ? 0 : found->second;
      lost += seen == 0 ? 1 : 0;
      doubled += seen > 1 ? 1 : 0;
    }
    EXPECT_EQ(lost, 0);
    EXPECT_EQ(doubled, 0);
    EXPECT_EQ(world_.visible.size() + world_.visible_dead.size(), static_cast<size_t>(rows));
  }

 private:
  World& world_;
  Decision decision_;
  bool dead_letters_;
  Registry registry_;
  Metrics metrics_;
  Budget memory_{64 << 20};
};

struct Case {
  Decision decision;
  bool dead_letters;
  const char* name;
};

class CommitOrderTest : public testing::TestWithParam<Case> {};

TEST_P(CommitOrderTest, EveryRowArrivesOnceWithoutAnyCrash) {
  World world;
  world.bad_every = GetParam().dead_letters ? 11 : 0;
  Simulation simulation(world, GetParam().decision, GetParam().dead_letters);
  auto summary = simulation.run(2, 50);
  ASSERT_TRUE(summary.ok()) << summary.error().message();
  EXPECT_GT(summary->epochs, 1);
  simulation.expect_each_row_once();
  EXPECT_TRUE(world.spool.empty());
}

TEST_P(CommitOrderTest, EveryRowArrivesOnceWhereverTheProcessDies) {
  int deaths = 0;
  for (int die_at = 1;; ++die_at) {
    SCOPED_TRACE(fmt::format("die_at {}", die_at));
    World world;
    world.rows_per_split = 60;
    world.bad_every = GetParam().dead_letters ? 11 : 0;
    Simulation simulation(world, GetParam().decision, GetParam().dead_letters);
    world.new_process(die_at);
    auto first = simulation.run(2, 50);
    bool died = world.dead;
    std::mt19937 random(static_cast<unsigned>(die_at));
    for (int attempt = 0; world.dead; ++attempt) {
      ++deaths;
      world.new_process(attempt < 3 ? static_cast<int>(random() % 30) : 0);
      (void)simulation.run(1 + static_cast<int>(random() % 3), 50);
    }
    simulation.expect_each_row_once();
    if (HasFailure() || !died) break;
  }
  EXPECT_GT(deaths, 20);
}

INSTANTIATE_TEST_SUITE_P(Orders, CommitOrderTest,
                         testing::Values(Case{Decision::journal, false, "journal"},
                                         Case{Decision::target, false, "target"},
                                         Case{Decision::journal, true, "journal_with_dead_letters"},
                                         Case{Decision::target, true, "target_with_dead_letters"}),
                         [](const auto& info) { return info.param.name; });

TEST(PipelineTest, ARunWithNothingNewSaysSo) {
  World world;
  Simulation simulation(world, Decision::journal, false);
  ASSERT_TRUE(simulation.run(2, 1000).ok());
  auto again = simulation.run(2, 1000);
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_TRUE(again->nothing_new);
  simulation.expect_each_row_once();
}

TEST(PipelineTest, ABadRowWithoutDeadLettersStopsThePipelineAndNothingOfItsEpochIsVisible) {
  World world;
  world.bad_every = 97;
  Simulation simulation(world, Decision::journal, false);
  auto result = simulation.run(1, 1'000'000);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().fault, Fault::user);
  EXPECT_NE(result.error().what.find("bad"), std::string::npos) << result.error().what;
}

TEST(PipelineTest, WhatWasReadBeforeABadRowIsDeliveredAlthoughTheRunEndsMeanwhile) {
  for (Decision decision : {Decision::journal, Decision::target}) {
    World world;
    world.splits = 1;
    world.bad_row = 30;  // read while the epoch before it is committed
    world.commit_takes = Millis(400);
    Simulation simulation(world, decision, false);
    auto result = simulation.run(1, 7);
    ASSERT_FALSE(result.ok());
    EXPECT_NE(result.error().what.find("bad"), std::string::npos) << result.error().what;
    EXPECT_FALSE(world.visible.empty());
    EXPECT_TRUE(world.records["sim"].intents.empty());
    EXPECT_EQ(world.records["sim"].rows_delivered, static_cast<int64_t>(world.visible.size()));
  }
}

TEST(PipelineTest, WhatALaneHadPreparedWhenItFailedIsDiscarded) {
  World world;
  world.bad_every = 11;
  world.dead_letters_fail = true;
  Simulation simulation(world, Decision::journal, true);
  auto result = simulation.run(2, 50);
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.error().what.find("no room"), std::string::npos) << result.error().what;
  EXPECT_TRUE(world.spool.empty());
}

TEST(PipelineTest, AnEpochIsWrittenWhileTheOneBeforeIsCommitted) {
  for (Decision decision : {Decision::journal, Decision::target}) {
    World world;
    world.commit_takes = Millis(30);
    Simulation simulation(world, decision, false);
    ASSERT_TRUE(simulation.run(1, 70).ok());
    EXPECT_GT(world.written_while_committing, 0);
    simulation.expect_each_row_once();
  }
}

TEST(PipelineTest, AFullWriterGetsNoMoreRowsWhileTheEpochBeforeIsCommitted) {
  for (Decision decision : {Decision::journal, Decision::target}) {
    World world;
    world.commit_takes = Millis(60);
    Simulation simulation(world, decision, false);
    ASSERT_TRUE(simulation.run(1, 1'000'000).ok());
    EXPECT_LT(world.held_max, 40U + static_cast<size_t>(world.batch));
    simulation.expect_each_row_once();
  }
}

TEST(PipelineTest, AStoppedRunIntoOneFileShowsNothingAndTheNextOneShowsAll) {
  World world;
  world.single_writer = true;
  world.drain_after = 10;
  Simulation simulation(world, Decision::journal, false);
  auto stopped = simulation.run(2, 1'000'000);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().fault, Fault::cancelled);
  EXPECT_TRUE(world.visible.empty());
  world.draining = false;
  world.drain_after = 0;
  auto again = simulation.run(2, 1'000'000);
  ASSERT_TRUE(again.ok()) << again.error().message();
  simulation.expect_each_row_once();
}

TEST(PipelineTest, ASinkThatReplacesGetsOneEpochWhateverItsWritersAskFor) {
  World world;
  world.replaces = true;
  Simulation simulation(world, Decision::journal, false);
  auto summary = simulation.run(2, 1);
  ASSERT_TRUE(summary.ok()) << summary.error().message();
  EXPECT_EQ(summary->epochs, 1);
  simulation.expect_each_row_once();
  world.rows_per_split *= 2;  // what is new later is added in as many epochs as are due
  auto again = simulation.run(2, 1);
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_GT(again->epochs, 1);
}

TEST(PipelineTest, ASourceMayTellOnlyWithItsRowsThatTheyAreOfOneMoment) {
  World world;
  world.turns_out_one_snapshot = true;
  Simulation simulation(world, Decision::journal, false);
  auto summary = simulation.run(2, 10);
  ASSERT_TRUE(summary.ok()) << summary.error().message();
  EXPECT_EQ(summary->epochs, 1);
  simulation.expect_each_row_once();
}

TEST(PipelineTest, ASinkThatReplacesGetsNothingWhenTheRunIsStoppedOnTheWay) {
  World world;
  world.replaces = true;
  world.drain_after = 10;
  Simulation simulation(world, Decision::journal, false);
  auto stopped = simulation.run(2, 1);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().fault, Fault::cancelled);
  EXPECT_TRUE(world.visible.empty());
}

TEST(LaneTest, ADrainedLanePassesItsTurnToTheLanesThatAreAhead) {
  World world;
  auto source = make_source(world);
  Registry registry;
  Metrics metrics;
  Budget memory(1 << 20);
  Context context{{}, system_clock(), Log(), metrics, memory, registry, "sim"};
  ASSERT_TRUE(source->start(context, {}).ok());
  SplitQueue splits({.bundle_splits = 1});
  splits.add(source->poll_splits(context, {}).value().added);
  EpochGate gate(1);
  RunCounters counters;
  RunShared shared{*source, splits, gate, counters, world.draining, {INT64_MAX}};
  OrderedChannel channel(1 << 20);
  ReadingLane lane(shared, 0);
  auto step = lane.step(context, system_clock().steady() + Millis(1000));
  ASSERT_TRUE(step.ok() && step->rows.has_value());
  ASSERT_TRUE(channel.push(step->sequence, std::move(*step->rows), {}).ok());
  ASSERT_TRUE(channel.push(1, Rows{}, {}).ok());  // another lane is ahead, and may wait for room with its next rows
  world.draining = true;
  ASSERT_TRUE(run_feeding_lane(context, shared, std::move(lane), channel).ok());
  EXPECT_TRUE(channel.pop(system_clock().steady() + Millis(1000), {}).has_value());
  EXPECT_TRUE(channel.pop(system_clock().steady() + Millis(1000), {}).has_value());
}

}  // namespace
}  // namespace sluice::simulation
