#include "gateway/pipeline_host.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connector/file/file_connector.h"
#include "format/json/json_format.h"
#include "port/registry.h"
#include "state/sqlite/sqlite_coordinator.h"
#include "store/local/local.h"

namespace sluice {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

// A connector whose sources fail as often as `failures` says, and then are files.
std::atomic<int> failures{0};
Result<std::unique_ptr<Source>> flaky_source(const Registry& registry, const ConnectorRequest& request) {
  if (failures-- > 0) return transient("the line is down");
  return registry.create_source(ConnectorRequest{.location = TRY(parse_location("/" + request.location.path, "file")),
                                                 .where = request.where,
                                                 .pipeline = request.pipeline});
}

class PipelineHostTest : public ::testing::Test {
 protected:
  PipelineHostTest()
      : folder_(::testing::TempDir() + "host_" + ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ + "/sql");
    registry_.add(local_store());
    registry_.add(json_format());
    registry_.add(file_connector());
    ConnectorDescriptor flaky;
    flaky.name = "flaky";
    flaky.schemes = {"flaky"};
    flaky.create_source = flaky_source;
    registry_.add(flaky);
    coordinator_ = open_sqlite_coordinator(folder_ + "/state.db").value();
    write("in.jsonl", "{\"a\": 1}\n{\"a\": 2}\n");
    settings_.folder = folder_ + "/sql";
    settings_.backoff_first = Millis(10);
  }

  void write(const std::string& name, const std::string& text) { std::ofstream(folder_ + "/" + name) << text; }
  std::string table(const std::string& name, const std::string& from = "file") {
    return fmt::format("CREATE TABLE {1} AS SELECT * FROM {2}('{0}/in.jsonl') INSERT INTO file('{0}/{1}/');\n", folder_,
                       name, from);
  }
  Result<void> load() {
    host_ = TRY(PipelineHost::load(context_, *coordinator_, draining_, settings_));
    return {};
  }
  std::string complaint() {
    auto loaded = load();
    return loaded.ok() ? "accepted" : loaded.error().message();
  }
  HostedPipeline wait_for(const std::string& name, HostedState state) {
    for (int i = 0; i < 500; ++i) {
      for (auto& pipeline : host_->list()) {
        if (pipeline.name == name && pipeline.state == state) return pipeline;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ADD_FAILURE() << name << " did not become " << to_string(state);
    return {};
  }
  size_t files_in(const std::string& name) {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/" + name)) {
      count += entry.path().filename().string().starts_with('.') ? 0 : 1;
    }
    return count;
  }

  std::string folder_;
  Registry registry_;
  Metrics metrics_;
  Budget memory_{256 << 20};
  std::stop_source stop_;
  Context context_{stop_.get_token(), system_clock(), Log(), metrics_, memory_, registry_, ""};
  std::unique_ptr<Coordinator> coordinator_;
  std::atomic<bool> draining_{false};
  PipelineHost::Settings settings_;
  std::unique_ptr<PipelineHost> host_;
};

TEST_F(PipelineHostTest, BoundedStatementsRunOnceInTheirOrderAndAreCounted) {
  write("sql/a.sql", table("one") + "CREATE TABLE two AS SELECT a FROM one INSERT INTO file('" + folder_ + "/two/');");
  ASSERT_TRUE(load().ok());
  host_->start();
  wait_for("two", HostedState::finished);
  host_->join();
  EXPECT_EQ(files_in("one"), 1u);
  EXPECT_EQ(files_in("two"), 1u);
  host_->publish_metrics();
  EXPECT_THAT(metrics_.render(), HasSubstr("sluice_rows_written_total{pipeline=\"two\"} 2\n"));
  EXPECT_THAT(metrics_.render(), HasSubstr("sluice_pipeline_running{pipeline=\"two\"} 0\n"));
}

TEST_F(PipelineHostTest, AStreamRunsUntilItDrains) {
  write("sql/s.sql",
        fmt::format(
            "CREATE STREAM follow WITH (epoch_age := '50ms') AS SELECT * FROM file('{0}/in.jsonl', watch := true) "
            "INSERT INTO file('{0}/out/');",
            folder_));
  ASSERT_TRUE(load().ok());
  host_->start();
  wait_for("follow", HostedState::running);
  for (int i = 0; i < 500; ++i) {
    host_->publish_metrics();
    if (metrics_.render().find("sluice_rows_written_total{pipeline=\"follow\"} 2\n") != std::string::npos) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_THAT(metrics_.render(), HasSubstr("sluice_rows_written_total{pipeline=\"follow\"} 2\n"));
  draining_ = true;
  host_->join();
  wait_for("follow", HostedState::stopped);
}

TEST_F(PipelineHostTest, AFailureThatMayPassIsTriedAgainAndOthersGoOn) {
  failures = 3;
  write("sql/flaky.sql", table("shaky", "flaky") + table("steady"));
  ASSERT_TRUE(load().ok());
  host_->start();
  auto shaky = wait_for("shaky", HostedState::finished);
  EXPECT_EQ(shaky.failures, 3);
  EXPECT_EQ(shaky.error, "");
  wait_for("steady", HostedState::finished);
}

TEST_F(PipelineHostTest, ATableThatIsTriedAgainDoesNotHoldUpThoseBehindIt) {
  failures = INT32_MAX;
  write("sql/flaky.sql", table("shaky", "flaky") + table("steady"));
  ASSERT_TRUE(load().ok());
  host_->start();
  wait_for("steady", HostedState::finished);
  wait_for("shaky", HostedState::retrying);
  failures = 0;
  wait_for("shaky", HostedState::finished);
}

TEST_F(PipelineHostTest, APipelineThatAnotherServerRunsIsTakenOverWhenThatEnds) {
  write("sql/s.sql",
        fmt::format(
            "CREATE STREAM follow WITH (epoch_age := '50ms') AS SELECT * FROM file('{0}/in.jsonl', watch := true) "
            "INSERT INTO file('{0}/out/');",
            folder_));
  auto store = open_sqlite_coordinator(folder_ + "/state.db").value();
  std::atomic<bool> other_drains{false};
  auto other = PipelineHost::load(context_, *store, other_drains, settings_).value();
  other->start();
  for (int i = 0; i < 500 && !store->load("follow").value().has_value(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_TRUE(load().ok());
  host_->start();
  auto waiting = wait_for("follow", HostedState::retrying);
  EXPECT_THAT(waiting.error, HasSubstr("already running"));
  EXPECT_TRUE(waiting.next_run.has_value());
  EXPECT_EQ(waiting.failures, 0);
  other_drains = true;
  other->join();
  EXPECT_EQ(wait_for("follow", HostedState::running).error, "");
  draining_ = true;
  host_->join();
}

TEST_F(PipelineHostTest, AFailureThatStaysIsShownAndOthersGoOn) {
  write("sql/a.sql", "CREATE TABLE broken AS SELECT * FROM file('" + folder_ + "/missing.jsonl') INSERT INTO file('" +
                         folder_ + "/x/');\n" + table("good"));
  ASSERT_TRUE(load().ok());
  host_->start();
  auto broken = wait_for("broken", HostedState::failed);
  EXPECT_THAT(broken.error, HasSubstr("missing.jsonl"));
  EXPECT_EQ(broken.failures, 1);
  wait_for("good", HostedState::finished);
  host_->publish_metrics();
  EXPECT_THAT(metrics_.render(), HasSubstr("sluice_pipeline_failed{pipeline=\"broken\"} 1\n"));
}

TEST_F(PipelineHostTest, AScheduledPipelineWaitsForItsTime) {
  write("sql/a.sql", table("nightly"));
  settings_.schedules.push_back({"n", "nightly", Cron::parse("0 0 29 2 *").value(), "sluice.yaml:3:3"});
  ASSERT_TRUE(load().ok());
  host_->start();
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  auto nightly = wait_for("nightly", HostedState::scheduled);
  ASSERT_TRUE(nightly.next_run.has_value());
  EXPECT_THAT(format_utc(*nightly.next_run), HasSubstr("-02-29T00:00"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/nightly"));
  draining_ = true;
  host_->join();
}

TEST_F(PipelineHostTest, MistakesAreErrorsWithTheirPosition) {
  write("sql/a.sql", "CREATE TABEL x AS SELECT 1;");
  EXPECT_THAT(complaint(), HasSubstr("sql/a.sql:1:"));
  write("sql/a.sql", table("same"));
  write("sql/b.sql", "\n" + table("same"));
  EXPECT_EQ(complaint(), folder_ + "/sql/b.sql:2: 'same' is already defined at " + folder_ + "/sql/a.sql:1");
  write("sql/b.sql", "INSERT INTO file('x/') SELECT 1;");
  EXPECT_THAT(complaint(), EndsWith("what has no name would deliver its rows again at every start"));
  std::filesystem::remove(folder_ + "/sql/b.sql");
  settings_.schedules.push_back({"n", "sane", Cron::parse("* * * * *").value(), "sluice.yaml:3:3"});
  EXPECT_EQ(complaint(), "sluice.yaml:3:3: there is no pipeline 'sane' for the schedule 'n'; did you mean 'same'?");
  settings_.folder = folder_ + "/nowhere";
  EXPECT_EQ(complaint(), "cannot read the folder of pipelines '" + folder_ + "/nowhere': No such file or directory");
}

}  // namespace
}  // namespace sluice
