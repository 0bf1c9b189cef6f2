// What every Coordinator has to do. A state store's test includes this and says how to open it:
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, CoordinatorBattery, testing::Values(CoordinatorCase{"sqlite", open_in_folder}));
//
// A process that dies is played by destroying its coordinator without release().
#pragma once

#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "port/conformance/scratch_folder.h"
#include "port/coordinator.h"

namespace sluice::conformance {

struct CoordinatorCase {
  std::string name;
  // Opens the store that belongs to `folder`: an empty one at first, the same one whenever it is called again.
  std::function<Result<std::unique_ptr<Coordinator>>(const std::string& folder)> open;
  friend void PrintTo(const CoordinatorCase& item, std::ostream* out) { *out << item.name; }
};

class CoordinatorBattery : public testing::TestWithParam<CoordinatorCase> {
 protected:
  std::unique_ptr<Coordinator> open() {
    auto opened = GetParam().open(folder_.path());
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : opened.error().message());
    return std::move(opened).value();
  }
  static PipelineRecord definition(const std::string& name) {
    PipelineRecord record;
    record.name = name;
    record.kind = "stream";
    record.definition = "SELECT 1";
    record.source = "file('in')";
    record.sink = "file('out')";
    return record;
  }
  static Lease start(Coordinator& coordinator, const std::string& name, const std::string& owner = "host:1:1") {
    auto lease = coordinator.acquire(name, owner);
    EXPECT_TRUE(lease.ok()) << (lease.ok() ? "" : lease.error().message());
    auto defined = coordinator.define(lease.value(), definition(name));
    EXPECT_TRUE(defined.ok()) << (defined.ok() ? "" : defined.error().message());
    return lease.value();
  }
  static PipelineRecord record_of(Coordinator& coordinator, const std::string& name) {
    auto loaded = coordinator.load(name);
    EXPECT_TRUE(loaded.ok() && loaded.value().has_value());
    return *loaded.value();
  }
  static Intent intent_of(const Lease& lease, Epoch epoch, Positions upto) {
    Intent intent;
    intent.epoch = epoch;
    intent.generation = lease.generation;
    intent.main = {Prepared{R"({"token":1})", 10, 100, 1}, Prepared{R"({"token":2})", 20, 200, 2}};
    intent.dead_letters = {Prepared{R"({"dead":"ü"})", 3, 30, 1}};
    intent.upto = std::move(upto);
    return intent;
  }
  static void expect_refused(const Result<void>& result, const std::string& saying) {
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().fault, Fault::refused) << result.error().message();
    EXPECT_THAT(result.error().message(), testing::HasSubstr(saying));
  }

  ScratchFolder folder_;
};

TEST_P(CoordinatorBattery, FollowedSchemasAreKeptWithTheirVersionUntilAReset) {
  auto number = arrow::field("id", arrow::int64(), false);
  auto time = arrow::field("at", arrow::timestamp(arrow::TimeUnit::MILLI, "UTC"));
  auto coordinator = open();
  auto lease = start(*coordinator, "orders");
  const TableId table{"shop", "orders"};
  ASSERT_TRUE(coordinator->save_schema(lease, {table, 1, arrow::schema({number}), arrow::schema({number})}).ok());
  ASSERT_TRUE(coordinator->save_schema(lease, {table, 2, arrow::schema({number, time}), arrow::schema({number})}).ok());
  ASSERT_TRUE(coordinator->save_schema(lease, {{}, 1, arrow::schema({time}), arrow::schema({time})}).ok());
  coordinator.reset();
  coordinator = open();
  auto record = record_of(*coordinator, "orders");
  ASSERT_EQ(record.schemas.size(), 2U);
  EXPECT_EQ(record.schemas[0].table, TableId{});
  EXPECT_EQ(record.schemas[1].table, table);
  EXPECT_EQ(record.schemas[1].version, 2);
  EXPECT_TRUE(record.schemas[1].source->Equals(*arrow::schema({number, time})));
  EXPECT_TRUE(record.schemas[1].output->Equals(*arrow::schema({number})));
  auto successor = coordinator->acquire("orders", "host:2:2").value();
  expect_refused(coordinator->save_schema(lease, {table, 3, arrow::schema({number}), arrow::schema({number})}),
                 "taken over");
  ASSERT_TRUE(coordinator->release(successor).ok());
  ASSERT_TRUE(coordinator->reset("orders", {}).ok());
  EXPECT_TRUE(record_of(*coordinator, "orders").schemas.empty());
}

TEST_P(CoordinatorBattery, ANewStoreKnowsNothing) {
  auto coordinator = open();
  EXPECT_TRUE(coordinator->list().value().empty());
  EXPECT_FALSE(coordinator->load("orders").value().has_value());
}

TEST_P(CoordinatorBattery, ADefinitionIsReadBackAfterReopening) {
  Lease lease = start(*open(), "orders");
  auto record = record_of(*open(), "orders");
  EXPECT_EQ(record.name, "orders");
  EXPECT_EQ(record.kind, "stream");
  EXPECT_EQ(record.definition, "SELECT 1");
  EXPECT_EQ(record.source, "file('in')");
  EXPECT_EQ(record.sink, "file('out')");
  EXPECT_TRUE(record.positions.empty());
  EXPECT_FALSE(record.finished);
}

TEST_P(CoordinatorBattery, ALeaseIsHeldByOneAndNamesItsOwnerToTheOthers) {
  auto first = open();
  auto second = open();
  start(*first, "orders", "alpha:42:7");
  auto refusal = second->acquire("orders", "beta:43:8");
  ASSERT_FALSE(refusal.ok());
  EXPECT_EQ(refusal.error().fault, Fault::transient) << "it may be free later";
  EXPECT_THAT(refusal.error().what, testing::AllOf(testing::HasSubstr("orders"), testing::HasSubstr("alpha:42:7")));
  EXPECT_FALSE(first->acquire("orders", "alpha:42:7").ok()) << "not even the same process may run it twice";
  EXPECT_TRUE(second->acquire("customers", "beta:43:8").ok()) << "another pipeline is free";
}

TEST_P(CoordinatorBattery, EveryoneSeesWhoRunsAPipelineWhileItRuns) {
  auto runner = open();
  auto watcher = open();
  Lease lease = start(*runner, "orders", "alpha:42:7");
  auto running = record_of(*watcher, "orders");
  ASSERT_TRUE(running.lease.has_value());
  EXPECT_EQ(running.lease->owner, "alpha:42:7");
  EXPECT_EQ(running.lease->generation, lease.generation);
  ASSERT_TRUE(runner->release(lease).ok());
  EXPECT_FALSE(record_of(*watcher, "orders").lease.has_value());
}

TEST_P(CoordinatorBattery, TheLeaseOfADeadProcessIsFreeAndTheGenerationGrows) {
  Generation before = start(*open(), "orders").generation;
  auto next = open();
  EXPECT_FALSE(record_of(*next, "orders").lease.has_value());
  EXPECT_GT(start(*next, "orders").generation, before);
}

TEST_P(CoordinatorBattery, GenerationsGrowAcrossReleaseAndDrop) {
  auto coordinator = open();
  Lease first = start(*coordinator, "orders");
  ASSERT_TRUE(coordinator->release(first).ok());
  Lease second = start(*coordinator, "orders");
  EXPECT_GT(second.generation, first.generation);
  ASSERT_TRUE(coordinator->release(second).ok());
  ASSERT_TRUE(coordinator->drop("orders").ok());
  EXPECT_GT(start(*coordinator, "orders").generation, second.generation);
}

TEST_P(CoordinatorBattery, AZombieCanWriteNothing) {
  Lease zombie = start(*open(), "orders");
  auto coordinator = open();
  Lease lease = start(*coordinator, "orders");
  const std::string saying = "another process has taken over pipeline 'orders'";
  expect_refused(coordinator->renew(zombie), saying);
  expect_refused(coordinator->define(zombie, definition("orders")), saying);
  expect_refused(coordinator->save_intent(zombie, intent_of(zombie, 1, {{"a", {"1"}}})), saying);
  expect_refused(coordinator->finish(zombie, 1, {{"a", {"1"}}}, 1, 1, 0), saying);
  expect_refused(coordinator->forget_intent(zombie, 1), saying);
  expect_refused(coordinator->set_finished(zombie, true), saying);
  expect_refused(coordinator->set_error(zombie, "no"), saying);
  expect_refused(coordinator->release(zombie), saying);
  EXPECT_TRUE(coordinator->renew(lease).ok());
  auto record = record_of(*coordinator, "orders");
  EXPECT_TRUE(record.positions.empty());
  EXPECT_TRUE(record.intents.empty());
  EXPECT_FALSE(record.finished);
  EXPECT_EQ(record.last_error, "");
  ASSERT_TRUE(record.lease.has_value());
  EXPECT_EQ(record.lease->generation, lease.generation);
}

TEST_P(CoordinatorBattery, ALeaseThatWasGivenBackCanWriteNothing) {
  auto coordinator = open();
  Lease lease = start(*coordinator, "orders");
  ASSERT_TRUE(coordinator->release(lease).ok());
  EXPECT_FALSE(coordinator->finish(lease, 1, {{"a", {"1"}}}, 1, 1, 0).ok());
  EXPECT_TRUE(record_of(*coordinator, "orders").positions.empty());
}

TEST_P(CoordinatorBattery, AnIntentSurvivesTheProcessInFull) {
  Intent saved;
  {
    auto coordinator = open();
    Lease lease = start(*coordinator, "orders");
    saved = intent_of(lease, 5, {{"a", {"1"}}, {"b", {R"({"row":2})"}}});
    saved.conditional = true;
    ASSERT_TRUE(coordinator->save_intent(lease, saved).ok());
    ASSERT_TRUE(coordinator->save_intent(lease, intent_of(lease, 6, {{"a", {"2"}}})).ok());
  }
  auto record = record_of(*open(), "orders");
  EXPECT_TRUE(record.positions.empty()) << "decided is not yet delivered";
  EXPECT_EQ(record.last_epoch, 6U);
  ASSERT_EQ(record.intents.size(), 2U);
  const Intent& read = record.intents[0];
  EXPECT_EQ(read.epoch, 5U);
  EXPECT_EQ(read.generation, saved.generation);
  EXPECT_TRUE(read.conditional);
  EXPECT_EQ(read.upto, saved.upto);
  ASSERT_EQ(read.main.size(), 2U);
  EXPECT_EQ(read.main[0].payload, R"({"token":1})");
  EXPECT_EQ(read.main[1].payload, R"({"token":2})");
  EXPECT_EQ(read.main[1].rows, 20);
  EXPECT_EQ(read.main[1].bytes, 200);
  EXPECT_EQ(read.main[1].objects, 2);
  ASSERT_EQ(read.dead_letters.size(), 1U);
  EXPECT_EQ(read.dead_letters[0].payload, R"({"dead":"ü"})");
  EXPECT_EQ(record.intents[1].epoch, 6U) << "oldest first";
  EXPECT_FALSE(record.intents[1].conditional);
}

TEST_P(CoordinatorBattery, FinishingAdvancesPositionsAndCountersAndDropsTheIntent) {
  auto coordinator = open();
  Lease lease = start(*coordinator, "orders");
  ASSERT_TRUE(coordinator->finish(lease, 1, {{"a", {"1"}}, {"b", {"1"}}}, 10, 100, 1).ok());
  ASSERT_TRUE(coordinator->save_intent(lease, intent_of(lease, 2, {{"b", {"2"}}, {"c", {"1"}}})).ok());
  ASSERT_TRUE(coordinator->finish(lease, 2, {{"b", {"2"}}, {"c", {"1"}}}, 5, 50, 2).ok());
  auto record = record_of(*open(), "orders");
  EXPECT_EQ(record.positions, (Positions{{"a", {"1"}}, {"b", {"2"}}, {"c", {"1"}}}));
  EXPECT_TRUE(record.intents.empty());
  EXPECT_EQ(record.rows_delivered, 15);
  EXPECT_EQ(record.bytes_delivered, 150);
  EXPECT_EQ(record.rows_dead, 3);
  EXPECT_EQ(record.last_epoch, 2U);
}

TEST_P(CoordinatorBattery, ASuccessorFinishesTheIntentOfADeadProcess) {
  {
    auto coordinator = open();
    Lease lease = start(*coordinator, "orders");
    ASSERT_TRUE(coordinator->save_intent(lease, intent_of(lease, 1, {{"a", {"9"}}})).ok());
  }
  auto coordinator = open();
  Lease lease = start(*coordinator, "orders");
  ASSERT_TRUE(coordinator->finish(lease, 1, {{"a", {"9"}}}, 30, 300, 3).ok());
  auto record = record_of(*coordinator, "orders");
  EXPECT_EQ(record.positions, (Positions{{"a", {"9"}}}));
  EXPECT_TRUE(record.intents.empty());
}

TEST_P(CoordinatorBattery, AForgottenIntentLeavesPositionsAlone) {
  auto coordinator = open();
  Lease lease = start(*coordinator, "orders");
  ASSERT_TRUE(coordinator->finish(lease, 1, {{"a", {"1"}}}, 1, 1, 0).ok());
  ASSERT_TRUE(coordinator->save_intent(lease, intent_of(lease, 2, {{"a", {"2"}}})).ok());
  ASSERT_TRUE(coordinator->forget_intent(lease, 2).ok());
  auto record = record_of(*coordinator, "orders");
  EXPECT_TRUE(record.intents.empty());
  EXPECT_EQ(record.positions, (Positions{{"a", {"1"}}}));
  EXPECT_EQ(record.last_epoch, 2U) << "an epoch's number is never used again";
}

TEST_P(CoordinatorBattery, DefiningAgainKeepsPositionsAndCounters) {
  auto coordinator = open();
  Lease lease = start(*coordinator, "orders");
  ASSERT_TRUE(coordinator->finish(lease, 1, {{"a", {"1"}}}, 7, 70, 0).ok());
  auto changed = definition("orders");
  changed.definition = "SELECT 2";
  ASSERT_TRUE(coordinator->define(lease, changed).ok());
  auto record = record_of(*coordinator, "orders");
  EXPECT_EQ(record.definition, "SELECT 2");
  EXPECT_EQ(record.positions, (Positions{{"a", {"1"}}}));
  EXPECT_EQ(record.rows_delivered, 7);
}

TEST_P(CoordinatorBattery, FinishedAndErrorAreKept) {
  auto coordinator = open();
  Lease lease = start(*coordinator, "orders");
  ASSERT_TRUE(coordinator->set_finished(lease, true).ok());
  ASSERT_TRUE(coordinator->set_error(lease, "it's broken").ok());
  auto record = record_of(*open(), "orders");
  EXPECT_TRUE(record.finished);
  EXPECT_EQ(record.last_error, "it's broken");
  EXPECT_GT(record.updated.time_since_epoch().count(), 0);
}

TEST_P(CoordinatorBattery, ResetReplacesAllPositionsButNotWhileRunning) {
  auto coordinator = open();
  Lease lease = start(*coordinator, "orders");
  ASSERT_TRUE(coordinator->finish(lease, 1, {{"a", {"1"}}, {"b", {"2"}}}, 1, 1, 0).ok());
  expect_refused(open()->reset("orders", {}), "running");
  ASSERT_TRUE(coordinator->release(lease).ok());
  ASSERT_TRUE(coordinator->reset("orders", {{"c", {"3"}}}).ok());
  EXPECT_EQ(record_of(*coordinator, "orders").positions, (Positions{{"c", {"3"}}}));
  EXPECT_FALSE(coordinator->reset("unknown", {}).ok());
  EXPECT_TRUE(coordinator->acquire("orders", "host:1:1").ok()) << "reset gives the pipeline back";
}

TEST_P(CoordinatorBattery, DropRemovesEverythingButNotWhileRunning) {
  auto coordinator = open();
  Lease lease = start(*coordinator, "orders");
  ASSERT_TRUE(coordinator->finish(lease, 1, {{"a", {"1"}}}, 1, 1, 0).ok());
  ASSERT_TRUE(coordinator->save_intent(lease, intent_of(lease, 2, {{"a", {"2"}}})).ok());
  expect_refused(open()->drop("orders"), "running");
  ASSERT_TRUE(coordinator->release(lease).ok());
  ASSERT_TRUE(coordinator->drop("orders").ok());
  EXPECT_FALSE(coordinator->load("orders").value().has_value());
  EXPECT_TRUE(coordinator->list().value().empty());
  EXPECT_FALSE(coordinator->drop("orders").ok());
  start(*coordinator, "orders");
  auto record = record_of(*coordinator, "orders");
  EXPECT_TRUE(record.positions.empty());
  EXPECT_TRUE(record.intents.empty());
  EXPECT_EQ(record.rows_delivered, 0);
}

TEST_P(CoordinatorBattery, PipelinesDoNotSeeEachOther) {
  auto coordinator = open();
  Lease a = start(*coordinator, "a");
  Lease b = start(*coordinator, "b");
  ASSERT_TRUE(coordinator->finish(a, 1, {{"s", {"1"}}}, 1, 1, 0).ok());
  ASSERT_TRUE(coordinator->finish(b, 1, {{"s", {"2"}}}, 2, 2, 0).ok());
  auto records = coordinator->list().value();
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].positions, (Positions{{"s", {"1"}}}));
  EXPECT_EQ(records[1].positions, (Positions{{"s", {"2"}}}));
}

TEST_P(CoordinatorBattery, NamesAndTokensMayHoldAnyBytes) {
  auto coordinator = open();
  Lease lease = start(*coordinator, "it's \"ü\"");
  Positions odd{{"data/\xff\xfe'.json", {"tab\tnewline\nnul" + std::string(1, '\0')}}, {"", {""}}, {"日本", {"{}"}}};
  ASSERT_TRUE(coordinator->save_intent(lease, intent_of(lease, 1, odd)).ok());
  EXPECT_EQ(record_of(*coordinator, "it's \"ü\"").intents.at(0).upto, odd);
  ASSERT_TRUE(coordinator->finish(lease, 1, odd, 1, 1, 0).ok());
  EXPECT_EQ(record_of(*coordinator, "it's \"ü\"").positions, odd);
}

TEST_P(CoordinatorBattery, ThreadsMayShareIt) {
  auto coordinator = open();
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      const std::string name = "pipeline" + std::to_string(thread);
      Lease lease = start(*coordinator, name);
      for (Epoch epoch = 1; epoch <= 20; ++epoch) {
        Positions upto{{"s", {std::to_string(epoch)}}};
        EXPECT_TRUE(coordinator->save_intent(lease, intent_of(lease, epoch, upto)).ok());
        EXPECT_TRUE(coordinator->finish(lease, epoch, upto, 1, 1, 0).ok());
      }
    });
  }
  threads.clear();
  for (const auto& record : coordinator->list().value()) {
    EXPECT_EQ(record.positions, (Positions{{"s", {"20"}}}));
    EXPECT_EQ(record.rows_delivered, 20);
  }
}

TEST_P(CoordinatorBattery, OfManyWhoStartAtOnceExactlyOneGetsTheLease) {
  std::atomic<int> winners{0};
  std::vector<std::unique_ptr<Coordinator>> kept(8);
  std::vector<std::jthread> threads;
  for (auto& mine : kept) {
    threads.emplace_back([&] {
      mine = open();
      if (mine->acquire("orders", "host:1:1").ok()) ++winners;
    });
  }
  threads.clear();
  EXPECT_EQ(winners, 1);
}

}  // namespace sluice::conformance
