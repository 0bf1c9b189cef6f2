// Against the server that SLUICE_TEST_POSTGRES names (postgresql://user:password@host:port/database); skipped without
// one. tests/e2e/test_shared_state.py runs it with a server of its own. Each test empties the schema `sluice`.
#include "state/postgresql/postgresql_coordinator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <thread>

#include "options/location.h"
#include "port/conformance/child_process.h"
#include "postgres/target.h"

namespace sluice::conformance {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const char* server_url() { return ::getenv("SLUICE_TEST_POSTGRES"); }

std::unique_ptr<postgres::Connection> connect() {
  const Location location = parse_location(server_url()).value();
  auto options = OptionValues::parse("test", postgres::connection_option_specs(), OptionScope::both, {}).value();
  return postgres::target_of(location, options, "test").connect({}).value();
}

std::string query(const std::string& sql) {
  auto rows = connect()->query(sql);
  if (!rows.ok()) return rows.error().what;
  return rows->rows() == 0 ? "" : std::string(rows->text(0, 0));
}

Result<std::unique_ptr<Coordinator>> open_store() { return open_postgresql_coordinator(server_url()); }

class PostgresqlCoordinatorTest : public testing::Test {
 protected:
  void SetUp() override {
    if (server_url() == nullptr) GTEST_SKIP() << "SLUICE_TEST_POSTGRES is not set";
    (void)connect()->query("DROP SCHEMA IF EXISTS sluice CASCADE");
  }
  static std::unique_ptr<Coordinator> open() { return open_store().value(); }
  static PipelineRecord definition(const std::string& text = "SELECT 1") {
    return {.name = "orders", .kind = "stream", .definition = text};
  }
  static Lease start(Coordinator& coordinator, const std::string& owner) {
    auto lease = coordinator.join("orders", owner);
    EXPECT_TRUE(lease.ok()) << (lease.ok() ? "" : lease.error().message());
    coordinator.define(lease.value(), definition()).value();
    return lease.value();
  }
  static Intent intent_of(const Lease& lease, int number, Positions from, Positions upto) {
    Intent intent;
    intent.epoch = lease.last_epoch + static_cast<Epoch>(number);
    intent.generation = lease.generation;
    intent.main = {Prepared{R"({"file":"ü"})", 10, 100, 1}};
    intent.from = std::move(from);
    intent.upto = std::move(upto);
    return intent;
  }
  static PipelineRecord record_of(Coordinator& coordinator) { return *coordinator.load("orders").value(); }
  // What the operating system or the network does to a process's connections: the server ends them.
  static void cut_connections() {
    (void)query(
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = 'sluice state'");
  }
  static void expire(const Lease& lease) {
    (void)connect()->query(fmt::format(
        "UPDATE sluice.state_lease SET expires = now() - interval '1 second' WHERE generation = {}", lease.generation));
  }
};

TEST_F(PostgresqlCoordinatorTest, ANewerVersionIsRefused) {
  open();
  (void)query("INSERT INTO sluice.state_version VALUES (99)");
  auto opened = open_store();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().fault, Fault::refused);
  EXPECT_THAT(opened.error().message(), HasSubstr("version 99"));
}

TEST_F(PostgresqlCoordinatorTest, AnUnknownOptionAndAWrongPasswordAreNamedWithoutThePassword) {
  auto unknown = open_postgresql_coordinator(std::string(server_url()) + "?sslmod=require");
  ASSERT_FALSE(unknown.ok());
  EXPECT_THAT(unknown.error().message(), HasSubstr("unknown option 'sslmod'"));
  Location location = parse_location(server_url()).value();
  auto wrong = open_postgresql_coordinator(fmt::format("postgresql://{}:hush@{}:{}/{}", location.user,
                                                       location.hosts[0].host, location.hosts[0].port, location.path));
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().fault, Fault::user) << wrong.error().message();
  EXPECT_THAT(wrong.error().message(), testing::Not(HasSubstr("hush")));
}

TEST_F(PostgresqlCoordinatorTest, ARoleThatMayNotCreateTheTablesIsToldWhatItNeeds) {
  (void)query("DROP ROLE IF EXISTS sluice_nobody");
  (void)query("CREATE ROLE sluice_nobody LOGIN PASSWORD 'nobody'");
  Location location = parse_location(server_url()).value();
  auto opened = open_postgresql_coordinator(fmt::format("postgresql://sluice_nobody:nobody@{}:{}/{}",
                                                        location.hosts[0].host, location.hosts[0].port, location.path));
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.error().message(), HasSubstr("a schema 'sluice' that this role may create tables in"));
  (void)query("DROP ROLE sluice_nobody");
}

TEST_F(PostgresqlCoordinatorTest, ALeaseOutlivesALostConnectionOfItsOwner) {
  auto coordinator = open();
  Lease lease = coordinator->acquire("orders", "host:1:1").value();
  coordinator->define(lease, definition()).value();
  cut_connections();
  Intent intent = intent_of(lease, 1, {}, {{"a", {"1"}}});
  auto saved = coordinator->save_intent(lease, intent);
  ASSERT_TRUE(saved.ok()) << saved.error().message();
  cut_connections();
  ASSERT_TRUE(coordinator->renew(lease).ok());
  auto other = open()->acquire("orders", "host:2:2");
  ASSERT_FALSE(other.ok()) << "its lock is back as well";
  EXPECT_THAT(other.error().message(), HasSubstr("host:1:1"));
}

TEST_F(PostgresqlCoordinatorTest, AnOwnerWhoseConnectionIsGoneCanBeReplacedAtOnceAndIsFencedOff) {
  auto coordinator = open();
  Lease lease = coordinator->acquire("orders", "host:1:1").value();
  cut_connections();
  auto successor = open();
  ASSERT_TRUE(successor->acquire("orders", "host:2:2").ok());
  auto refused = coordinator->save_intent(lease, intent_of(lease, 1, {}, {{"a", {"1"}}}));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().fault, Fault::refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("taken over"));
}

TEST_F(PostgresqlCoordinatorTest, AHungOwnerIsReplacedWhenItsLeaseHasExpired) {
  auto hung = open();
  Lease lease = hung->acquire("orders", "host:1:1").value();
  auto coordinator = open();
  EXPECT_FALSE(coordinator->acquire("orders", "host:2:2").ok());
  expire(lease);
  ASSERT_TRUE(coordinator->acquire("orders", "host:2:2").ok());
  EXPECT_FALSE(hung->renew(lease).ok());
}

TEST_F(PostgresqlCoordinatorTest, ACommitThatWasLostOnTheWayIsNotDoneTwice) {
  auto coordinator = open();
  Lease lease = coordinator->acquire("orders", "host:1:1").value();
  coordinator->define(lease, definition()).value();
  // The server dies after the commit is on disk and before it answers.
  auto server = connect();
  server
      ->query(
          "CREATE FUNCTION sluice.die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM "
          "pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$; CREATE CONSTRAINT TRIGGER die AFTER INSERT ON "
          "sluice.state_position DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sluice.die()")
      .value();
  std::jthread mends([&] {
    system_clock().sleep(Millis(300), {});
    (void)server->query("DROP TRIGGER die ON sluice.state_position");
  });
  auto finished = coordinator->finish(lease, 1, {{"a", {"1"}}}, 7, 70, 0);
  ASSERT_TRUE(finished.ok()) << finished.error().message();
  EXPECT_EQ(record_of(*coordinator).rows_delivered, 7);
}

TEST_F(PostgresqlCoordinatorTest, KillingTheOwnerFreesTheLeaseAtOnce) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  pid_t child = ::fork();
  if (child == 0) {
    auto coordinator = open_store();
    bool held = coordinator.ok() && coordinator.value()->acquire("orders", "child").ok();
    (void)!::write(ready[1], held ? "y" : "n", 1);
    for (;;) ::pause();
  }
  char answer = 'n';
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  auto coordinator = open();
  auto refusal = coordinator->acquire("orders", "parent");
  EXPECT_FALSE(refusal.ok());
  EXPECT_THAT(refusal.error().what, HasSubstr("child"));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(coordinator->acquire("orders", "parent").ok());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(PostgresqlCoordinatorTest, ResetIsRefusedWhileADecidedEpochIsOpen) {
  auto coordinator = open();
  Lease lease = coordinator->acquire("orders", "host:1:1").value();
  coordinator->define(lease, definition()).value();
  coordinator->save_intent(lease, intent_of(lease, 1, {}, {})).value();
  coordinator->release(lease).value();
  auto reset = coordinator->reset("orders", {});
  ASSERT_FALSE(reset.ok());
  EXPECT_THAT(reset.error().what, HasSubstr("run it once"));
}

TEST_F(PostgresqlCoordinatorTest, TenThousandPositionsFinishQuickly) {
  auto coordinator = open();
  Lease lease = coordinator->acquire("orders", "host:1:1").value();
  coordinator->define(lease, definition()).value();
  Intent intent = intent_of(lease, 1, {}, {});
  for (int i = 0; i < 10'000; ++i) intent.upto[fmt::format("/data/incoming/2026/01/part-{:06}.json", i)] = {"1024"};
  const auto began = system_clock().steady();
  ASSERT_TRUE(coordinator->save_intent(lease, intent).ok());
  ASSERT_TRUE(coordinator->finish(lease, intent.epoch, intent.upto, 1, 1, 0).ok());
  EXPECT_LT(system_clock().steady() - began, std::chrono::seconds(5));
  EXPECT_EQ(record_of(*coordinator).positions.size(), 10'000U);
}

// --- members ---

TEST_F(PostgresqlCoordinatorTest, MembersRunBesideEachOtherAndASoleOwnerDoesNot) {
  auto first = open();
  auto second = open();
  Lease a = start(*first, "host:1:1");
  Lease b = start(*second, "host:2:2");
  EXPECT_NE(a.generation, b.generation);
  EXPECT_NE(a.last_epoch, b.last_epoch);
  EXPECT_TRUE(first->renew(a).ok());
  auto record = record_of(*first);
  ASSERT_EQ(record.members.size(), 2U);
  EXPECT_EQ(record.members[0].owner, "host:1:1");
  EXPECT_EQ(record.members[1].owner, "host:2:2");
  EXPECT_FALSE(open()->acquire("orders", "host:3:3").ok()) << "a sole owner waits until all members are gone";
  EXPECT_FALSE(open()->reset("orders", {}).ok());
  first->release(a).value();
  second->release(b).value();
  auto third = open();
  ASSERT_TRUE(third->acquire("orders", "host:3:3").ok());
  EXPECT_FALSE(first->join("orders", "host:1:1").ok()) << "nor does a member come beside a sole owner";
}

TEST_F(PostgresqlCoordinatorTest, MembersAgreeOnTheDefinition) {
  auto first = open();
  auto second = open();
  start(*first, "host:1:1");
  Lease b = second->join("orders", "host:2:2").value();
  auto other = second->define(b, definition("SELECT 2"));
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().fault, Fault::user);
  EXPECT_THAT(other.error().message(), HasSubstr("running with another definition (host:1:1)"));
  EXPECT_TRUE(second->define(b, definition()).ok());
}

TEST_F(PostgresqlCoordinatorTest, OfTwoMembersWhoMoveOneSplitTheFirstWins) {
  auto first = open();
  auto second = open();
  Lease a = start(*first, "host:1:1");
  Lease b = start(*second, "host:2:2");
  // Both read split s from its beginning: a has lost it without knowing.
  Intent of_b = intent_of(b, 1, {}, {{"s", {"5"}}});
  ASSERT_TRUE(second->save_intent(b, of_b).ok());
  auto pending = first->save_intent(a, intent_of(a, 1, {}, {{"s", {"3"}}}));
  ASSERT_FALSE(pending.ok());
  EXPECT_EQ(pending.error().fault, Fault::transient);
  EXPECT_THAT(pending.error().message(), HasSubstr("still delivering split 's'"));
  ASSERT_TRUE(second->finish(b, of_b.epoch, of_b.upto, 10, 100, 0).ok());
  auto moved = first->save_intent(a, intent_of(a, 1, {}, {{"s", {"3"}}, {"t", {"1"}}}));
  ASSERT_FALSE(moved.ok());
  EXPECT_EQ(moved.error().fault, Fault::transient);
  EXPECT_THAT(moved.error().message(), HasSubstr("has moved split 's'"));
  ASSERT_TRUE(first->save_intent(a, intent_of(a, 1, {{"s", {"5"}}}, {{"s", {"8"}}, {"t", {"1"}}})).ok());
  auto record = record_of(*first);
  EXPECT_EQ(record.positions, (Positions{{"s", {"5"}}}));
  ASSERT_EQ(record.intents.size(), 1U);
}

TEST_F(PostgresqlCoordinatorTest, TheIntentsOfADeadMemberGoToWhoeverAsksFirstAndThoseOfTheLivingToNobody) {
  auto first = open();
  auto second = open();
  auto third = open();
  Lease a = start(*first, "host:1:1");
  Lease b = start(*second, "host:2:2");
  Lease c = start(*third, "host:3:3");
  Intent of_a = intent_of(a, 1, {}, {{"s", {"5"}}});
  ASSERT_TRUE(first->save_intent(a, of_a).ok());
  EXPECT_THAT(second->take_over(b).value(), IsEmpty()) << "its owner lives";
  EXPECT_EQ(first->take_over(a).value().size(), 1U) << "its own";
  first.reset();  // dies
  auto taken = second->take_over(b).value();
  ASSERT_EQ(taken.size(), 1U);
  EXPECT_EQ(taken[0].epoch, of_a.epoch);
  EXPECT_EQ(taken[0].generation, a.generation);
  EXPECT_EQ(taken[0].owner, b.generation);
  EXPECT_EQ(taken[0].upto, of_a.upto);
  EXPECT_EQ(taken[0].main[0].payload, of_a.main[0].payload);
  EXPECT_THAT(third->take_over(c).value(), IsEmpty());
  auto late = third->finish(c, of_a.epoch, of_a.upto, 10, 100, 0);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().fault, Fault::refused);
  ASSERT_TRUE(second->finish(b, of_a.epoch, of_a.upto, 10, 100, 0).ok());
  auto record = record_of(*second);
  EXPECT_EQ(record.positions, (Positions{{"s", {"5"}}}));
  EXPECT_EQ(record.rows_delivered, 10);
  EXPECT_EQ(record.last_epoch, 1U) << "the pipeline counts its epochs";
  ASSERT_EQ(record.members.size(), 2U);
  EXPECT_EQ(record.members[0].last_epoch, b.last_epoch) << "it has decided nothing of its own";
}

TEST_F(PostgresqlCoordinatorTest, AMemberThatWasTakenForDeadCanWriteNothingUntilItJoinsAnew) {
  auto first = open();
  auto second = open();
  Lease zombie = start(*first, "host:1:1");
  Lease b = start(*second, "host:2:2");
  Intent decided = intent_of(zombie, 1, {}, {{"s", {"5"}}});
  ASSERT_TRUE(first->save_intent(zombie, decided).ok());
  expire(zombie);
  EXPECT_EQ(second->take_over(b).value().size(), 1U);
  for (const auto& result :
       {first->renew(zombie), first->save_intent(zombie, intent_of(zombie, 2, {{"s", {"5"}}}, {{"s", {"6"}}})),
        first->finish(zombie, decided.epoch, decided.upto, 10, 100, 0), first->set_error(zombie, "no")}) {
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().fault, Fault::transient) << "it may join anew";
    EXPECT_THAT(result.error().message(), HasSubstr("another has taken over its part of pipeline 'orders'"));
  }
  Lease anew = start(*first, "host:1:1");
  EXPECT_GT(anew.generation, b.generation);
  EXPECT_TRUE(first->renew(anew).ok());
}

TEST_F(PostgresqlCoordinatorTest, ASoleOwnerCompletesWhatDeadMembersDecided) {
  auto first = open();
  Lease a = start(*first, "host:1:1");
  Intent decided = intent_of(a, 1, {}, {{"s", {"5"}}});
  ASSERT_TRUE(first->save_intent(a, decided).ok());
  first.reset();
  auto second = open();
  Lease sole = second->acquire("orders", "host:2:2").value();
  auto taken = second->take_over(sole).value();
  ASSERT_EQ(taken.size(), 1U);
  ASSERT_TRUE(second->finish(sole, taken[0].epoch, taken[0].upto, 1, 1, 0).ok());
  EXPECT_EQ(record_of(*second).positions, (Positions{{"s", {"5"}}}));
}

}  // namespace
}  // namespace sluice::conformance
