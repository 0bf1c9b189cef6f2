// Against the server that SLUICE_TEST_POSTGRES names (postgresql://user:password@host:port/database); skipped without
// one. tests/e2e/test_postgres_sink.py runs it with a server of its own.
#include "connector/postgresql/sink.h"

#include <thread>

#include <arrow/api.h>
#include <arrow/json/from_string.h>

#include "connector/postgresql/settings.h"
#include "port/conformance/sink_battery.h"

namespace sluice::conformance {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Options = std::map<std::string, std::string>;

const char* server_url() { return ::getenv("SLUICE_TEST_POSTGRES"); }

ConnectorRequest request_for(const Options& options, bool one_off = false) {
  ConnectorRequest request;
  request.location = parse_location(server_url()).value();
  for (const auto& [name, value] : options) request.options[name] = {value, "test.sql:1:1"};
  request.where = "test.sql:1:1";
  request.pipeline = "battery";
  request.one_off = one_off;
  return request;
}

Result<std::unique_ptr<Sink>> make_sink(const Options& options, bool one_off = false) {
  return postgresql::create_sink(Registry(), request_for(options, one_off));
}

std::unique_ptr<postgres::Connection> connect() {
  return value_of(postgresql::sink_settings(request_for({{"table", "t"}})).value().target.connect({}));
}

// Each row as one text, values joined by '|', NULL as itself.
std::vector<std::string> query(const std::string& sql) {
  auto result = connect()->query(sql);
  if (!result.ok()) return {result.error().what};
  std::vector<std::string> rows;
  for (int i = 0; i < result->rows(); ++i) {
    std::string row;
    for (int c = 0; c < result->columns(); ++c) {
      row += (c > 0 ? "|" : "") + (result->is_null(i, c) ? "NULL" : std::string(result->text(i, c)));
    }
    rows.push_back(row);
  }
  return rows;
}

// A table of its own for each test, whatever happened to be there.
std::string table_of(const std::string& folder) {
  return fmt::format("battery.t{}", std::hash<std::string>()(folder) % 1'000'000'000);
}

Result<SeenRows> read_rows(const std::string& folder) {
  SeenRows rows;
  auto result = connect()->query("SELECT id, note FROM " + table_of(folder));
  if (!result.ok()) return rows;
  for (int i = 0; i < result->rows(); ++i) rows.emplace_back(result->integer(i, 0), std::string(result->text(i, 1)));
  return rows;
}

std::vector<SinkCase> cases() {
  if (server_url() == nullptr) return {};
  return {SinkCase{"append",
                   [](const std::string& folder) {
                     return make_sink({{"table", table_of(folder)}});
                   },
                   read_rows},
          SinkCase{"upsert",
                   [](const std::string& folder) {
                     return make_sink({{"table", table_of(folder)}, {"key", "id"}, {"mode", "upsert"}});
                   },
                   read_rows}};
}
INSTANTIATE_TEST_SUITE_P(Postgres, SinkBattery, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

class PostgresSinkTest : public testing::Test {
 protected:
  struct Run {
    std::unique_ptr<Sink> sink;
    std::unique_ptr<Writer> writer;
    std::unique_ptr<Committer> committer;
  };

  void SetUp() override {
    if (server_url() == nullptr) GTEST_SKIP() << "SLUICE_TEST_POSTGRES names no server";
    query(fmt::format("DROP SCHEMA IF EXISTS {0} CASCADE; DROP SCHEMA IF EXISTS sluice CASCADE; CREATE SCHEMA {0}",
                      schema_));
  }
  void TearDown() override {
    if (server_url() != nullptr) query(fmt::format("DROP SCHEMA IF EXISTS {} CASCADE", schema_));
  }
  [[nodiscard]] std::string table() const { return std::string(schema_) + ".t"; }

  Run start(Options options, const SchemaPtr& schema, bool collect_rejects = false) {
    options["table"] = table();
    Run run;
    run.sink = value_of(make_sink(options));
    expect_ok(run.sink->open(context_, *schema, false));
    run.committer = value_of(run.sink->create_committer(context_));
    value_of(run.committer->fence_and_load(context_, ++generation_));
    WriterId id{"battery", 0, generation_, {}};
    id.collect_rejects = collect_rejects;
    run.writer = value_of(run.sink->create_writer(context_, id));
    return run;
  }
  Result<void> deliver(Run& run, const BatchPtr& batch) { return deliver_all(run, {batch}); }
  // As one epoch.
  Result<void> deliver_all(Run& run, const std::vector<BatchPtr>& batches) {
    rejects_.clear();
    for (const auto& batch : batches) {
      Rows rows;
      rows.batch = batch;
      rows.progress = {{"in", {"?"}}};
      auto ack = TRY(run.writer->write(context_, rows));
      for (auto& reject : ack.rejects) rejects_.push_back(reject.reason);
    }
    ++epoch_;
    auto prepared = TRY(run.writer->prepare(context_, epoch_));
    const Positions from = position_ == 0 ? Positions{} : Positions{{"in", {std::to_string(position_)}}};
    TRY(run.committer->commit(context_, prepared, from, {{"in", {std::to_string(position_ + 1)}}}));
    ++position_;
    return {};
  }
  // Rows given as JSON per column: {"[1, 2]", "[\"a\", null]"}.
  static BatchPtr batch(const SchemaPtr& schema, const std::vector<std::string>& columns) {
    arrow::ArrayVector arrays;
    for (int i = 0; i < schema->num_fields(); ++i) {
      arrays.push_back(*arrow::json::ArrayFromJSONString(schema->field(i)->type(), columns.at(static_cast<size_t>(i))));
    }
    return arrow::RecordBatch::Make(schema, arrays[0]->length(), arrays);
  }
  static SchemaPtr big_schema() {
    return arrow::schema({arrow::field("id", arrow::int64()), arrow::field("note", arrow::utf8())});
  }
  // 20,000 rows of 100 bytes.
  static BatchPtr big_batch(int64_t first_id) {
    constexpr int64_t kRows = 20'000;
    arrow::Int64Builder ids;
    arrow::StringBuilder notes;
    for (int64_t i = 0; i < kRows; ++i) {
      EXPECT_TRUE(ids.Append(first_id + i).ok() && notes.Append(std::string(100, 'x')).ok());
    }
    return arrow::RecordBatch::Make(big_schema(), kRows, {*ids.Finish(), *notes.Finish()});
  }
  static SchemaPtr changes(bool toast = false) {
    arrow::FieldVector fields{arrow::field("id", arrow::int64()), arrow::field("a", arrow::utf8()),
                              arrow::field("b", arrow::utf8()), arrow::field("_op", arrow::utf8())};
    if (toast) fields.push_back(arrow::field("_unchanged", arrow::utf8()));
    return arrow::schema(fields);
  }

  static constexpr const char* schema_ = "sink_test";
  TestContext context_;
  std::vector<std::string> rejects_;
  Generation generation_ = 0;
  Epoch epoch_ = 0;
  int position_ = 0;
};

TEST_F(PostgresSinkTest, TheLastChangeOfAKeyWinsWhateverTheEpochHolds) {
  auto run = start({{"key", "id"}}, changes());
  expect_ok(deliver(run, batch(changes(), {"[1, 2, 3]", R"(["a", "b", "c"])", R"(["x", "y", "z"])",
                                           R"(["insert", "snapshot", "insert"])"})));
  expect_ok(deliver_all(
      run, {batch(changes(), {"[1, 2, 4, 1]", R"(["A", null, "d", "AA"])", R"(["x", null, null, null])",
                              R"(["update", "delete", "insert", "update"])"}),
            batch(changes(),
                  {"[2, 4, 3]", R"(["B", null, null])", "[null, null, null]", R"(["insert", "delete", "delete"])"})}));
  EXPECT_THAT(query("SELECT * FROM " + table() + " ORDER BY id"), ElementsAre("1|AA|NULL", "2|B|NULL"));
}

TEST_F(PostgresSinkTest, AnUnchangedValueKeepsWhatTheTargetHas) {
  auto schema = changes(true);
  auto run = start({{"key", "id"}}, schema);
  expect_ok(deliver(run, batch(schema, {"[1, 2]", R"(["a", "b"])", R"(["big", "large"])", R"(["insert", "insert"])",
                                        "[null, null]"})));
  // Kept from the table; kept from an earlier change of the same epoch; a value of its own.
  expect_ok(deliver(
      run, batch(schema, {"[1, 2, 2, 3, 3]", R"(["A", "b2", "b3", "c", "cc"])", R"([null, "new", null, "third", null])",
                          R"(["update", "update", "update", "insert", "update"])", R"(["b", null, "b", null, "b"])"})));
  EXPECT_THAT(query("SELECT * FROM " + table() + " ORDER BY id"), ElementsAre("1|A|big", "2|b3|new", "3|cc|third"));
  expect_error(deliver(run, batch(schema, {"[9]", R"(["z"])", "[null]", R"(["update"])", R"(["b"])"})), Fault::user,
               "there is no row with the key 9");
}

TEST_F(PostgresSinkTest, AppendingChangesKeepsWhatEachRowMeant) {
  auto run = start({}, changes());
  expect_ok(deliver(run, batch(changes(), {"[1, 1]", R"(["a", null])", "[null, null]", R"(["insert", "delete"])"})));
  EXPECT_THAT(query("SELECT id, _op FROM " + table()), ElementsAre("1|insert", "1|delete"));
}

TEST_F(PostgresSinkTest, ChangesAreUpsertedIntoATableWithAPrimaryKey) {
  query("CREATE TABLE " + table() + "(id bigint PRIMARY KEY, a text, b text, own integer DEFAULT 7)");
  auto run = start({}, changes());
  expect_ok(deliver(run, batch(changes(), {"[1, 1]", R"(["a", "b"])", "[null, null]", R"(["insert", "update"])"})));
  EXPECT_THAT(query("SELECT * FROM " + table()), ElementsAre("1|b|NULL|7"));
}

TEST_F(PostgresSinkTest, RowsTheTableRefusesAreFoundAmongTheOthers) {
  query("CREATE TABLE " + table() + "(id integer PRIMARY KEY, note text CHECK (note <> 'bad'), at inet)");
  auto schema = arrow::schema(
      {arrow::field("id", arrow::int64()), arrow::field("note", arrow::utf8()), arrow::field("at", arrow::utf8())});
  auto run = start({}, schema, true);
  expect_ok(deliver(run, batch(schema, {"[1, 2, 3000000000, 4, 4, 5]", R"(["a", "bad", "b", "c", "d", "e"])",
                                        R"(["10.0.0.1", null, null, null, null, "nowhere"])"})));
  EXPECT_THAT(query("SELECT * FROM " + table() + " ORDER BY id"), ElementsAre("1|a|10.0.0.1", "4|c|NULL"));
  ASSERT_EQ(rejects_.size(), 4U);
  EXPECT_EQ(rejects_[0], "column 'id': 3000000000 does not fit integer");
  EXPECT_THAT(rejects_[1], testing::HasSubstr("violates check constraint"));
  EXPECT_THAT(rejects_[2], testing::HasSubstr("duplicate key value"));
  EXPECT_THAT(rejects_[3], testing::HasSubstr("invalid input syntax for type inet"));
}

TEST_F(PostgresSinkTest, WithoutDeadLettersTheEpochFailsAndNamesTheRow) {
  query("CREATE TABLE " + table() + "(id integer PRIMARY KEY)");
  auto schema = arrow::schema({arrow::field("id", arrow::int32())});
  auto run = start({}, schema);
  expect_error(deliver(run, batch(schema, {"[1, 2, 2]"})), Fault::user, "Key (id)=(2) already exists.");
  EXPECT_THAT(query("SELECT * FROM " + table()), IsEmpty());
}

TEST_F(PostgresSinkTest, NewColumnsAreAddedAndWiderTypesFollowed) {
  auto before = arrow::schema({arrow::field("id", arrow::int32())});
  auto after = arrow::schema({arrow::field("id", arrow::int64()), arrow::field("note", arrow::utf8())});
  auto run = start({}, before);
  expect_ok(deliver(run, batch(before, {"[1]"})));
  expect_ok(run.sink->evolve(context_, {{"", "t"}, before, after}));
  expect_ok(run.sink->evolve(context_, {{"", "t"}, before, after}));
  expect_ok(deliver(run, batch(after, {"[3000000000]", R"(["b"])"})));
  EXPECT_THAT(query("SELECT * FROM " + table() + " ORDER BY id"), ElementsAre("1|NULL", "3000000000|b"));
  auto text = arrow::schema({arrow::field("id", arrow::utf8())});
  expect_error(run.sink->evolve(context_, {{"", "t"}, after, text}), Fault::user, "column 'id'");
}

TEST_F(PostgresSinkTest, ATruncateEmptiesTheTableWithItsPosition) {
  auto schema = arrow::schema({arrow::field("id", arrow::int32())});
  auto run = start({}, schema);
  expect_ok(deliver(run, batch(schema, {"[1, 2]"})));
  expect_ok(run.committer->truncate(context_, {"", "t"}, {{"in", {"1"}}}, {{"in", {"2"}}}));
  expect_ok(run.committer->truncate(context_, {"", "t"}, {{"in", {"1"}}}, {{"in", {"2"}}}));
  EXPECT_THAT(query("SELECT * FROM " + table()), IsEmpty());
  position_ = 2;
  expect_ok(deliver(run, batch(schema, {"[3]"})));
  EXPECT_THAT(query("SELECT * FROM " + table()), ElementsAre("3"));
}

// A process that was taken for dead, and its conditional intent with it, must not decide it any more: whoever took it
// over has asked the target whether it happened and thrown its dead letters away.
TEST_F(PostgresSinkTest, AMemberThatWasTakenForDeadDecidesNothing) {
  auto schema = arrow::schema({arrow::field("id", arrow::int32())});
  auto join = [&](Generation generation, std::vector<Generation> spared) {
    Run run;
    run.sink = value_of(make_sink({{"table", table()}}));
    expect_ok(run.sink->open(context_, *schema, false));
    run.committer = value_of(run.sink->create_committer(context_));
    EXPECT_THAT(value_of(run.committer->join_and_load(context_, generation, spared)), testing::Optional(IsEmpty()));
    run.writer = value_of(run.sink->create_writer(context_, WriterId{"battery", 0, generation, {}}));
    return run;
  };
  auto write = [&](Run& run, int id) {
    Rows rows;
    rows.batch = batch(schema, {fmt::format("[{}]", id)});
    value_of(run.writer->write(context_, rows));
    return value_of(run.writer->prepare(context_, 1));
  };
  auto dead = join(1, {1});
  auto sibling = join(2, {1, 2});
  const auto of_dead = write(dead, 1);
  auto successor = join(3, {2, 3});
  expect_error(dead.committer->commit(context_, of_dead, {}, {{"a", {"1"}}}), Fault::transient,
               "took this one for dead");
  expect_ok(sibling.committer->commit(context_, write(sibling, 2), {}, {{"b", {"1"}}}));
  expect_ok(successor.committer->commit(context_, write(successor, 3), {}, {{"a", {"1"}}}));
  EXPECT_THAT(query("SELECT * FROM " + table() + " ORDER BY 1"), ElementsAre("2", "3"));
  EXPECT_THAT(query("SELECT generation FROM sluice.members ORDER BY 1"), ElementsAre("2", "3"));
}

TEST_F(PostgresSinkTest, WhatALaneSentAndNeverHandedInIsUndone) {
  auto schema = arrow::schema({arrow::field("id", arrow::int32())});
  auto run = start({}, schema, true);  // judged rows are sent at once
  Rows rows;
  rows.batch = batch(schema, {"[1, 2]"});
  value_of(run.writer->write(context_, rows));
  run.writer = value_of(run.sink->create_writer(context_, {"battery", 0, generation_, {}}));
  expect_ok(deliver(run, batch(schema, {"[3]"})));
  EXPECT_THAT(query("SELECT * FROM " + table()), ElementsAre("3"));
}

// Two lanes with 2 MB of rows each, which are sent before the epoch ends.
class PostgresLanesTest : public PostgresSinkTest {
 protected:
  void start_two(const Options& options = {}) {
    other_.reset();  // before the sink they write to
    run_.writer.reset();
    run_ = start(options, big_schema());
    run_.writer = writer(0, true);
    other_ = writer(1, true);
  }
  std::unique_ptr<Writer> writer(int lane, bool splits_stand_alone) {
    WriterId id{"battery", lane, generation_, {}};
    id.splits_stand_alone = splits_stand_alone;
    return value_of(run_.sink->create_writer(context_, id));
  }
  void write(Writer& writer, const std::string& split, int64_t first_id) {
    Rows rows;
    rows.batch = big_batch(first_id);
    rows.progress = {{split, {"1"}}};
    value_of(writer.write(context_, rows));
  }
  void write_both() {
    write(*run_.writer, "a", 0);
    write(*other_, "b", 1'000'000);
  }
  Result<void> commit() {
    auto prepared = value_of(run_.writer->prepare(context_, 1));
    for (auto& part : value_of(other_->prepare(context_, 1))) prepared.push_back(std::move(part));
    return run_.committer->commit(context_, prepared, {}, {{"a", {"1"}}, {"b", {"2"}}, {"c", {"3"}}});
  }
  [[nodiscard]] std::vector<std::string> rows_and_transactions() const {
    return query("SELECT count(*), count(DISTINCT id), count(DISTINCT xmin::text) FROM " + table());
  }
  static std::vector<std::string> positions() {
    return query("SELECT split, position FROM sluice.positions ORDER BY 1");
  }

  Run run_;
  std::unique_ptr<Writer> other_;
};

TEST_F(PostgresLanesTest, EachHasATransactionWhereNoRowCanWaitForAnother) {
  start_two();
  write_both();
  expect_ok(commit());
  EXPECT_THAT(rows_and_transactions(), ElementsAre("40000|40000|2"));
  EXPECT_THAT(positions(), ElementsAre("a|1", "b|2", "c|3"));
  EXPECT_THAT(query("SELECT split, xmin = (SELECT xmin FROM " + table() +
                    " WHERE id = 0) FROM sluice.positions ORDER BY split"),
              ElementsAre("a|t", "b|f", "c|t"));
}

TEST_F(PostgresLanesTest, TheyShareOneWhereRowsMayWaitForEachOther) {
  query("CREATE TABLE " + table() + "_of (id bigint PRIMARY KEY); INSERT INTO " + table() +
        "_of SELECT generate_series(0, 2000000)");
  const std::string function = schema_ + std::string(".f");
  query("CREATE FUNCTION " + function + "() RETURNS bigint LANGUAGE sql AS 'SELECT 7'");
  const std::string domain = schema_ + std::string(".positive");
  query("CREATE DOMAIN " + domain + " AS bigint CHECK (VALUE >= 0)");
  const std::vector<std::pair<std::string, int>> definitions = {
      {"id bigint UNIQUE, note text", 1},
      {"id bigint REFERENCES " + table() + "_of, note text", 1},
      {"id bigint, note text, more bigint DEFAULT " + function + "()", 1},
      {"id bigint CHECK (id + " + function + "() > 0), note text", 1},
      {"id " + domain + ", note text", 1},
      {"id bigint CHECK (id >= 0), note text, more bigserial, at timestamptz DEFAULT now()", 2},
  };
  for (const auto& [columns, transactions] : definitions) {
    query("DROP TABLE IF EXISTS " + table() + "; DROP SCHEMA IF EXISTS sluice CASCADE");
    query("CREATE TABLE " + table() + " (" + columns + ")");
    start_two();
    write_both();
    expect_ok(commit());
    EXPECT_THAT(rows_and_transactions(), ElementsAre(fmt::format("40000|40000|{}", transactions))) << columns;
  }
}

TEST_F(PostgresLanesTest, TheyShareOneWhereSplitsDoNotStandAlone) {
  start_two();
  run_.writer = writer(0, false);
  other_ = writer(1, false);
  write_both();
  expect_ok(commit());
  EXPECT_THAT(rows_and_transactions(), ElementsAre("40000|40000|1"));
}

TEST_F(PostgresLanesTest, TheyShareOneAsSoonAsTheTableHasAUniqueIndex) {
  start_two();
  write_both();
  expect_ok(commit());
  query("CREATE UNIQUE INDEX ON " + table() + " (id)");
  write(*run_.writer, "a", 2'000'000);
  write(*other_, "b", 3'000'000);
  auto prepared = value_of(run_.writer->prepare(context_, 2));
  for (auto& part : value_of(other_->prepare(context_, 2))) prepared.push_back(std::move(part));
  expect_ok(run_.committer->commit(context_, prepared, {{"a", {"1"}}, {"b", {"2"}}}, {{"a", {"5"}}, {"b", {"6"}}}));
  EXPECT_THAT(rows_and_transactions(), ElementsAre("80000|80000|3"));
}

// Whoever wants the whole table waits for the first transaction, and would have the second one wait for him.
TEST_F(PostgresLanesTest, TheyShareOneWhileSomebodyWaitsForTheTable) {
  start_two();
  write(*run_.writer, "a", 0);
  std::thread waiting([this] { query("ALTER TABLE " + table() + " ADD COLUMN new integer DEFAULT 7"); });
  while (query("SELECT FROM pg_locks WHERE relation = '" + table() + "'::regclass AND NOT granted").empty()) {
    std::this_thread::sleep_for(Millis(5));
  }
  write(*other_, "b", 1'000'000);
  expect_ok(commit());
  waiting.join();
  EXPECT_THAT(rows_and_transactions(), ElementsAre("40000|40000|1"));
  EXPECT_THAT(query("SELECT DISTINCT new FROM " + table()), ElementsAre("7"));
}

TEST_F(PostgresLanesTest, NothingHappensWhenOneOfThemIsCut) {
  start_two();
  write_both();
  EXPECT_THAT(query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state <> 'idle' AND pid = (SELECT "
                    "max(pid) FROM pg_locks WHERE relation = '" +
                    table() + "'::regclass)"),
              ElementsAre("t"));
  expect_error(commit(), Fault::transient, "");
  EXPECT_THAT(query("SELECT FROM " + table()), IsEmpty());
  EXPECT_THAT(positions(), IsEmpty());
}

TEST_F(PostgresSinkTest, AnEpochLargerThanTheMemoryIsSentWhileItIsWritten) {
  TestContext poor("battery", 1 << 20);
  auto run = start({}, big_schema());
  Rows rows;
  rows.batch = big_batch(0);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(value_of(run.writer->write(poor, rows)).wants_cut);
  EXPECT_THAT(query("SELECT count(*) FROM " + table()), ElementsAre("0"));
  auto prepared = value_of(run.writer->prepare(poor, 1));
  expect_ok(run.committer->commit(poor, prepared, {}, {{"in", {"1"}}}));
  EXPECT_THAT(query("SELECT count(*) FROM " + table()), ElementsAre("200000"));
  EXPECT_EQ(poor.memory().used(), 0);
}

}  // namespace
}  // namespace sluice::conformance
