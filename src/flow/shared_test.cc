// One pipeline, several processes: as threads of this one with a Coordinator each, and as processes that are killed.
// Against the server that SLUICE_TEST_POSTGRES names; skipped without one (tests/e2e/test_shared_state.py has one).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "connector/file/file_connector.h"
#include "connector/postgresql/postgresql_connector.h"
#include "flow/handing_out.h"
#include "flow/pipeline.h"
#include "format/json/json_format.h"
#include "port/conformance/child_process.h"
#include "port/conformance/scratch_folder.h"
#include "postgres/target.h"
#include "state/postgresql/postgresql_coordinator.h"
#include "store/local/local.h"

namespace sluice::simulation {
namespace {

using conformance::ScratchFolder;

enum class Into { files, table };

const char* server_url() { return ::getenv("SLUICE_TEST_POSTGRES"); }

std::unique_ptr<postgres::Connection> connect() {
  const Location location = parse_location(server_url()).value();
  auto options = OptionValues::parse("test", postgres::connection_option_specs(), OptionScope::both, {}).value();
  return postgres::target_of(location, options, "test").connect({}).value();
}

HandingOut* current_group = nullptr;  // connectors are made through plain function pointers

Registry registry_with_group() {
  Registry registry;
  registry.add(local_store());
  registry.add(json_format());
  registry.add(file_connector());
  registry.add(postgresql_connector());
  ConnectorDescriptor numbers;
  numbers.name = "numbers";
  numbers.schemes = {"numbers"};
  numbers.create_source = [](const Registry&, const ConnectorRequest&) -> Result<std::unique_ptr<Source>> {
    return make_handing_out(*current_group);
  };
  registry.add(numbers);
  return registry;
}

// One member, with its own Coordinator, until `draining`.
Result<RunSummary> run_member(HandingOut& group, Into into, const std::atomic<bool>& draining, RunCounters& counters,
                              const std::string& definition = "numbers") {
  current_group = &group;
  const Registry registry = registry_with_group();
  Metrics metrics;
  Budget memory(64 << 20);
  std::stop_source stop;
  Context context{stop.get_token(), system_clock(), Log(), metrics, memory, registry, "numbers"};
  PipelinePlan plan;
  plan.kind = PipelineKind::stream;
  plan.name = "numbers";
  plan.named = true;
  plan.definition = definition;
  plan.source.connector = "numbers";
  plan.source.request.location.scheme = "numbers";
  plan.source.text = "numbers";
  plan.with["lanes"] = {"2", ""};
  plan.with["epoch_age"] = {"40ms", ""};
  Endpoint sink;
  sink.connector = into == Into::files ? "file" : "postgresql";
  sink.request.location =
      TRY(into == Into::files ? parse_location(group.folder + "/out/", "file") : parse_location(server_url()));
  sink.request.pipeline = "numbers";
  sink.request.streaming = true;
  if (into == Into::table) sink.request.options["table"] = {"delivered", ""};
  sink.text = sink.connector;
  plan.sink = std::move(sink);
  auto pipeline = TRY(Pipeline::open(context, std::move(plan), nullptr));
  auto coordinator = TRY(open_postgresql_coordinator(server_url()));
  return pipeline->run(context, coordinator.get(), draining, counters);
}

// What others see in the target: n → how often.
std::map<int64_t, int> delivered(const std::string& folder, Into into) {
  std::map<int64_t, int> seen;
  if (into == Into::table) {
    auto rows = connect()->query("SELECT n FROM delivered");
    for (int i = 0; rows.ok() && i < rows->rows(); ++i) ++seen[rows->integer(i, 0)];
    return seen;
  }
  std::error_code none;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder + "/out", none)) {
    if (!entry.is_regular_file() || entry.path().filename().string().starts_with('.')) continue;
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);) ++seen[std::stoll(line.substr(line.find(':') + 1))];
  }
  return seen;
}

size_t expected_rows(const HandingOut& group) {
  return static_cast<size_t>(group.splits) * static_cast<size_t>(group.rows_per_split);
}

template <typename Done>
bool eventually(Done done) {
  for (int i = 0; i < 3000; ++i) {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

// A member on a thread of its own; ended at the latest when it goes out of scope.
class Member {
 public:
  Member(HandingOut& group, Into into, std::string definition = "numbers")
      : result_(std::async(std::launch::async, [this, &group, into, definition = std::move(definition)] {
          return run_member(group, into, draining_, counters_, definition);
        })) {}
  ~Member() { draining_ = true; }
  [[nodiscard]] int64_t retries() const { return counters_.retries; }
  Result<RunSummary> wait() { return result_.get(); }
  Result<RunSummary> end() {
    draining_ = true;
    return result_.get();
  }
  // What it failed with, when it has ended by itself.
  std::string failure() {
    if (!result_.valid() || result_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return "";
    auto result = result_.get();
    return result.ok() ? "it ended. " : result.error().message() + ". ";
  }

 private:
  std::atomic<bool> draining_{false};
  RunCounters counters_;
  std::future<Result<RunSummary>> result_;
};

class SharedPipelineTest : public testing::TestWithParam<Into> {
 protected:
  void SetUp() override {
    if (server_url() == nullptr) GTEST_SKIP() << "SLUICE_TEST_POSTGRES is not set";
    (void)connect()->query("DROP SCHEMA IF EXISTS sluice CASCADE");
    (void)connect()->query("DROP TABLE IF EXISTS delivered");
    group_.folder = folder_.path();
  }
  void expect_each_row_once() const {
    auto seen = delivered(folder_.path(), GetParam());
    int lost = 0;
    int doubled = 0;
    for (int split = 0; split < group_.splits; ++split) {
      for (int row = 0; row < group_.rows_per_split; ++row) {
        const int count = seen[int64_t{split} * 1'000'000 + row];
        lost += count == 0 ? 1 : 0;
        doubled += count > 1 ? 1 : 0;
      }
    }
    EXPECT_EQ(lost, 0);
    EXPECT_EQ(doubled, 0);
  }
  bool all_delivered() const {
    return eventually([&] { return delivered(folder_.path(), GetParam()).size() >= expected_rows(group_); });
  }
  size_t rows() const { return delivered(folder_.path(), GetParam()).size(); }
  static PipelineRecord record() {
    return open_postgresql_coordinator(server_url()).value()->load("numbers").value().value();
  }

  ScratchFolder folder_;
  HandingOut group_;
};
INSTANTIATE_TEST_SUITE_P(Into, SharedPipelineTest, testing::Values(Into::files, Into::table),
                         [](const auto& info) { return info.param == Into::files ? "files" : "table"; });

TEST_P(SharedPipelineTest, MembersShareTheSplitsAndOneGoesOnWithThoseOfWhoLeaves) {
  group_.rows_per_split = 400;
  Member first(group_, GetParam());
  ASSERT_TRUE(eventually([&] { return rows() > 0; })) << first.failure();
  Member second(group_, GetParam());
  ASSERT_TRUE(eventually([&] { return record().members.size() == 2; })) << first.failure() << second.failure();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  auto summary = first.end();
  ASSERT_TRUE(summary.ok()) << summary.error().message();
  EXPECT_GT(summary->rows, 0);
  EXPECT_EQ(record().members.size(), 1U);
  EXPECT_TRUE(all_delivered()) << second.failure();
  summary = second.end();
  ASSERT_TRUE(summary.ok()) << summary.error().message();
  EXPECT_GT(summary->rows, 0);
  expect_each_row_once();
  EXPECT_EQ(record().rows_delivered, static_cast<int64_t>(expected_rows(group_)));
}

TEST_P(SharedPipelineTest, AMemberThatReadsOnInASplitOfAnotherCommitsNothingOfIt) {
  HandingOut unaware;
  unaware.folder = folder_.path();
  unaware.unaware_after = 250;
  unaware.rows_per_split = group_.rows_per_split = 600;
  Member first(unaware, GetParam());
  ASSERT_TRUE(eventually([&] { return rows() > 0; })) << first.failure();
  Member second(group_, GetParam());
  EXPECT_TRUE(all_delivered()) << first.failure() << second.failure();
  EXPECT_TRUE(eventually([&] { return unaware.losses > 0; }));
  // As a rule both read the split for a while, and one of them is stopped at its commit.
  RecordProperty("stopped_commits", std::to_string(first.retries() + second.retries()));
  for (auto* member : {&first, &second}) {
    auto summary = member->end();
    ASSERT_TRUE(summary.ok()) << summary.error().message();
  }
  expect_each_row_once();
}

TEST_P(SharedPipelineTest, AMemberWithAnotherDefinitionIsRefusedWhileTheOthersRun) {
  Member first(group_, GetParam());
  ASSERT_TRUE(eventually([&] { return rows() > 0; })) << first.failure();
  auto other = Member(group_, GetParam(), "others").wait();
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().fault, Fault::user);
  EXPECT_TRUE(first.end().ok());
}

TEST_P(SharedPipelineTest, AServerThatDropsEverybodyIsSurvivedByAll) {
  group_.rows_per_split = 400;
  Member first(group_, GetParam());
  Member second(group_, GetParam());
  ASSERT_TRUE(eventually([&] { return rows() > 0; })) << first.failure() << second.failure();
  for (int i = 0; i < 3; ++i) {
    (void)connect()->query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'sluice%' AND pid <> "
        "pg_backend_pid()");
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
  }
  EXPECT_TRUE(all_delivered()) << first.failure() << second.failure();
  for (auto* member : {&first, &second}) {
    auto summary = member->end();
    ASSERT_TRUE(summary.ok()) << summary.error().message();
  }
  expect_each_row_once();
}

// A stretch that fails between poll_splits() and released() must not keep a split that nobody reads any more.
TEST(HandingOutTest, WhatWasRevokedIsFreeWhenReadingBeginsAnew) {
  ScratchFolder folder;
  HandingOut group;
  group.folder = folder.path();
  Registry registry;
  Metrics metrics;
  Budget memory(1 << 20);
  Context context{{}, system_clock(), Log(), metrics, memory, registry, "numbers"};
  auto added_to = [&](Source& source) { return source.poll_splits(context, {}).value().added.size(); };
  auto first = make_handing_out(group);
  ASSERT_TRUE(first->start(context, {}).ok());
  EXPECT_EQ(added_to(*first), static_cast<size_t>(group.splits));
  auto second = make_handing_out(group);
  ASSERT_TRUE(second->start(context, {}).ok());
  EXPECT_EQ(first->poll_splits(context, {}).value().revoked.size(), 1U);
  EXPECT_EQ(added_to(*second), 0U);
  ASSERT_TRUE(first->start(context, {}).ok());
  EXPECT_EQ(added_to(*second), 1U);
}

// --- kill -9 ---

TEST(SharedPipelineChild, DISABLED_Runs) {
  HandingOut group;
  group.folder = ::getenv("SLUICE_TEST_FOLDER");
  group.rows_per_split = 600;
  const bool files = std::string(::getenv("SLUICE_TEST_INTO")) == "files";
  std::atomic<bool> draining{false};
  std::jthread stops([&](const std::stop_token& stop) {
    while (!stop.stop_requested() && !std::filesystem::exists(group.folder + "/stop")) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    draining = true;
  });
  RunCounters counters;
  auto summary = run_member(group, files ? Into::files : Into::table, draining, counters);
  ASSERT_TRUE(summary.ok()) << summary.error().message();
}

struct Kill {
  std::string point;
  Into into;
  friend void PrintTo(const Kill& kill, std::ostream* out) { *out << kill.point; }
};
class SharedPipelineKill : public testing::TestWithParam<Kill> {};

// Two processes; one is killed at a step and not started again until the other has had its splits for a while.
TEST_P(SharedPipelineKill, LosesAndDoublesNothing) {
  if (server_url() == nullptr) GTEST_SKIP() << "SLUICE_TEST_POSTGRES is not set";
  (void)connect()->query("DROP SCHEMA IF EXISTS sluice CASCADE");
  (void)connect()->query("DROP TABLE IF EXISTS delivered");
  ScratchFolder folder;
  HandingOut group;
  group.rows_per_split = 600;
  const auto& [point, into] = GetParam();
  auto start = [&](const std::string& crash_at) {
    std::map<std::string, std::string> environment{{"SLUICE_TEST_FOLDER", folder.path()},
                                                   {"SLUICE_TEST_INTO", into == Into::files ? "files" : "table"}};
    if (!crash_at.empty()) environment["SLUICE_CRASH_AT"] = crash_at;
    return std::async(std::launch::async,
                      [environment] { return conformance::run_test_in_child("SharedPipelineChild.*", environment); });
  };
  auto all_delivered = [&] { return delivered(folder.path(), into).size() >= expected_rows(group); };
  auto first = start(point + ":3");  // early: on a busy machine the other one may read nearly everything
  EXPECT_TRUE(eventually([&] { return !delivered(folder.path(), into).empty(); }));
  auto second = start("");
  const bool died = eventually([&] { return first.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
  if (!died) std::ofstream(folder.path() + "/stop") << "now";
  ASSERT_EQ(first.get(), -SIGKILL) << "the step was never come to";
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  auto third = start("");
  EXPECT_TRUE(eventually(all_delivered));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // what is doubled may come late
  std::ofstream(folder.path() + "/stop") << "now";
  EXPECT_EQ(second.get(), 0);
  EXPECT_EQ(third.get(), 0);
  auto seen = delivered(folder.path(), into);
  EXPECT_EQ(seen.size(), expected_rows(group));
  for (const auto& [n, count] : seen) EXPECT_EQ(count, 1) << n;
  auto record = *open_postgresql_coordinator(server_url()).value()->load("numbers").value();
  EXPECT_TRUE(record.intents.empty());
  EXPECT_TRUE(record.members.empty());
}

std::vector<Kill> kills() {
  std::vector<Kill> all;
  for (const char* point : {"commit.prepared", "state.intent.after", "commit.decided", "file.commit.after",
                            "state.finish.before", "state.finish.after", "commit.settled"}) {
    all.push_back({point, Into::files});
  }
  for (const char* point :
       {"commit.prepared", "postgresql.commit.inside", "postgresql.commit.after", "state.finish.after"}) {
    all.push_back({point, Into::table});
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(Points, SharedPipelineKill, testing::ValuesIn(kills()), [](const auto& info) {
  std::string name = info.param.point + (info.param.into == Into::files ? "_files" : "_table");
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
});

}  // namespace
}  // namespace sluice::simulation
