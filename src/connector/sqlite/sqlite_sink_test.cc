#include "connector/sqlite/sqlite_sink.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <unistd.h>

#include <csignal>

#include "batch/schema.h"
#include "connector/sqlite/sqlite_connector.h"
#include "port/conformance/child_process.h"
#include "port/conformance/sink_battery.h"

namespace sluice::conformance {
namespace {

using sqlite::Database;
using sqlite::OpenMode;
using testing::ElementsAre;
using testing::HasSubstr;

using Options = std::map<std::string, std::string>;

ConnectorRequest request_for(const std::string& path, const Options& options, bool one_off = false) {
  ConnectorRequest request;
  request.location.scheme = "sqlite";
  request.location.path = path;
  for (const auto& [name, value] : options) request.options[name] = {value, "test.sql:1:1"};
  request.where = "test.sql:1:1";
  request.pipeline = "battery";
  request.one_off = one_off;
  return request;
}

Result<std::unique_ptr<Sink>> make_sink(const std::string& path, const Options& options, bool one_off = false) {
  Registry registry;
  registry.add(sqlite_connector());
  return registry.create_sink(request_for(path, options, one_off));
}

// Each row as one text, values joined by '|', NULL as itself.
std::vector<std::string> query(const std::string& path, const std::string& sql) {
  auto database = value_of(Database::open(path, OpenMode::read_only));
  auto statement = value_of(database->prepare(sql));
  std::vector<std::string> rows;
  while (value_of(statement.step())) {
    std::string row;
    for (int i = 0; i < statement.columns(); ++i) {
      row += (i > 0 ? "|" : "") + (statement.is_null(i) ? "NULL" : std::string(statement.text(i)));
    }
    rows.push_back(row);
  }
  return rows;
}

Result<SeenRows> read_rows(const std::string& folder) {
  SeenRows rows;
  const std::string path = folder + "/deep/shop.db";
  if (!std::filesystem::exists(path)) return rows;
  auto database = TRY(Database::open(path, OpenMode::read_only));
  auto statement = TRY(database->prepare("SELECT id, note FROM orders"));
  while (TRY(statement.step())) rows.emplace_back(statement.integer(0), std::string(statement.text(1)));
  return rows;
}

INSTANTIATE_TEST_SUITE_P(Append, SinkBattery,
                         testing::Values(SinkCase{"append",
                                                  [](const std::string& folder) {
                                                    return make_sink(folder + "/deep/shop.db", {{"table", "orders"}});
                                                  },
                                                  read_rows}));
INSTANTIATE_TEST_SUITE_P(Upsert, SinkBattery,
                         testing::Values(SinkCase{
                             "upsert",
                             [](const std::string& folder) {
                               return make_sink(folder + "/deep/shop.db", {{"table", "orders"}, {"key", "id"}});
                             },
                             read_rows}));

class SqliteSinkTest : public testing::Test {
 protected:
  struct Run {
    std::unique_ptr<Sink> sink;
    std::unique_ptr<Writer> writer;
    std::unique_ptr<Committer> committer;
  };
  Run start(const Options& options, const SchemaPtr& schema, bool one_off = false) {
    Run run;
    run.sink = value_of(make_sink(path_, options, one_off));
    expect_ok(run.sink->open(context_, *schema, false));
    run.committer = value_of(run.sink->create_committer(context_));
    value_of(run.committer->fence_and_load(context_, ++generation_));
    run.writer = value_of(run.sink->create_writer(context_, {"battery", 0, generation_}));
    return run;
  }
  Result<void> deliver(Run& run, const BatchPtr& batch, const std::string& table = "") {
    Rows rows;
    rows.table.name = table;
    rows.batch = batch;
    rows.progress = {{"in", {std::to_string(++position_)}}};
    acknowledged_ = TRY(run.writer->write(context_, rows));
    auto prepared = TRY(run.writer->prepare(context_, 1));
    Positions from;
    if (position_ > 1) from = {{"in", {std::to_string(position_ - 1)}}};
    auto done = run.committer->commit(context_, prepared, from, {{"in", {std::to_string(position_)}}});
    if (!done.ok()) --position_;
    return done;
  }
  void execute(const std::string& sql) { expect_ok(value_of(Database::open(path_, OpenMode::create))->execute(sql)); }
  // Rows given as JSON per column: {"[1, 2]", "[\"a\", null]"}.
  static BatchPtr batch(const SchemaPtr& schema, const std::vector<std::string>& columns) {
    arrow::ArrayVector arrays;
    for (int i = 0; i < schema->num_fields(); ++i) {
      arrays.push_back(*arrow::json::ArrayFromJSONString(schema->field(i)->type(), columns.at(static_cast<size_t>(i))));
    }
    return arrow::RecordBatch::Make(schema, arrays[0]->length(), arrays);
  }
  static SchemaPtr id_and_note() {
    return arrow::schema({arrow::field("id", arrow::int64()), arrow::field("note", arrow::utf8())});
  }

  ScratchFolder folder_;
  TestContext context_;
  std::string path_ = folder_.file("shop.db");
  WriteAck acknowledged_;
  Generation generation_ = 0;
  int position_ = 0;
};

TEST_F(SqliteSinkTest, AnUpdateKeepsWhatItDoesNotCarry) {
  auto schema = arrow::schema({arrow::field("id", arrow::int64()), arrow::field("note", arrow::utf8()),
                               arrow::field("v", arrow::utf8()), arrow::field("_op", arrow::utf8()),
                               arrow::field("_unchanged", arrow::utf8())});
  auto run = start({{"table", "orders"}, {"key", "id"}}, schema);
  expect_ok(deliver(run, batch(schema, {"[1, 2]", R"(["large", "huge"])", R"(["a", "b"])", R"(["insert", "insert"])",
                                        "[null, null]"})));
  expect_ok(deliver(run, batch(schema, {"[1, 2, 2]", "[null, null, null]", R"(["A", "B", null])",
                                        R"(["update", "update", "update"])", R"(["note", null, "note,v"])"})));
  EXPECT_THAT(query(path_, "SELECT * FROM orders ORDER BY id"), testing::ElementsAre("1|large|A", "2|NULL|B"));
  expect_error(deliver(run, batch(schema, {"[9]", "[null]", R"(["z"])", R"(["update"])", R"(["note"])"})),
               Fault::refused, "its row is not in the table");
}

TEST_F(SqliteSinkTest, EveryTypeLandsAsItsExactText) {
  auto schema = arrow::schema(
      {arrow::field("b", arrow::boolean()), arrow::field("i", arrow::int64()), arrow::field("u", arrow::uint64()),
       arrow::field("f", arrow::float64()), arrow::field("d", arrow::decimal128(38, 10)),
       arrow::field("t", arrow::timestamp(arrow::TimeUnit::MICRO)),
       arrow::field("z", arrow::timestamp(arrow::TimeUnit::MILLI, "UTC")), arrow::field("day", arrow::date32()),
       arrow::field("clock", arrow::time64(arrow::TimeUnit::MICRO)), arrow::field("s", arrow::utf8()),
       arrow::field("l", arrow::list(arrow::int32())),
       arrow::field("o", arrow::struct_({arrow::field("x", arrow::utf8()), arrow::field("y", arrow::float64())})),
       arrow::field("n", arrow::null())});
  auto run = start({{"table", "t"}}, schema);
  expect_ok(deliver(
      run, batch(schema, {"[true, null]", "[-9223372036854775808, null]", "[9223372036854775807, null]", "[0.1, null]",
                          R"(["1234567890123456789012345678.0123456789", null])", "[-1, null]", "[1767225599123, null]",
                          "[-719162, null]", "[86399999999, null]", R"(["日本 'x'", null])", "[[1, null], null]",
                          R"([{"x": "a\"b", "y": 1.5}, null])", "[null, null]"})));
  EXPECT_THAT(query(path_, "SELECT * FROM t"),
              ElementsAre("1|-9223372036854775808|9223372036854775807|0.1|1234567890123456789012345678.0123456789|"
                          "1969-12-31T23:59:59.999999|2025-12-31T23:59:59.123Z|0001-01-01|23:59:59.999999|日本 'x'|"
                          R"([1,null]|{"x":"a\"b","y":1.5}|NULL)",
                          "NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL"));
  EXPECT_THAT(query(path_, "SELECT typeof(b), typeof(f), typeof(d), typeof(t), typeof(l) FROM t LIMIT 1"),
              ElementsAre("integer|real|text|text|text"));
}

TEST_F(SqliteSinkTest, WhatSqliteCannotHoldIsRejectedAndNeverBent) {
  auto schema = arrow::schema({arrow::field("u", arrow::uint64()), arrow::field("f", arrow::float64())});
  auto run = start({{"table", "t"}}, schema);
  arrow::UInt64Builder u;
  arrow::DoubleBuilder f;
  ASSERT_TRUE(u.AppendValues({1, UINT64_MAX, 3, 4}).ok());
  ASSERT_TRUE(f.AppendValues({1.0, 2.0, NAN, INFINITY}).ok());
  expect_ok(deliver(run, arrow::RecordBatch::Make(schema, 4, {*u.Finish(), *f.Finish()})));
  EXPECT_THAT(query(path_, "SELECT u, f FROM t"), ElementsAre("1|1.0", "4|Inf"));
  ASSERT_EQ(acknowledged_.rejects.size(), 2U);
  EXPECT_EQ(acknowledged_.rejects[0].payload, R"({"u":18446744073709551615,"f":2})");
  EXPECT_EQ(acknowledged_.rejects[0].reason, "column 'u': SQLite cannot hold the value 18446744073709551615");
  EXPECT_EQ(acknowledged_.rejects[0].split, "in");
  EXPECT_EQ(acknowledged_.rejects[1].reason, "column 'f': SQLite cannot hold the value \"NaN\"");
}

TEST_F(SqliteSinkTest, TypesWithoutAPlaceAreRefusedByName) {
  auto sink = value_of(make_sink(path_, {{"table", "t"}}));
  auto with = [&](const TypePtr& type) {
    return sink->validate_schema(context_, *arrow::schema({arrow::field("x", type)}));
  };
  expect_error(with(arrow::duration(arrow::TimeUnit::SECOND)), Fault::user, "column 'x'");
  expect_error(with(arrow::month_day_nano_interval()), Fault::user, "column 'x'");
  expect_error(sink->validate_schema(
                   context_, *arrow::schema({arrow::field("id", arrow::int32()), arrow::field("ID", arrow::int32())})),
               Fault::user, "'id' and 'ID'");
}

TEST_F(SqliteSinkTest, UpsertsReplaceByKeyAndDeletesRemove) {
  auto schema = arrow::schema(
      {arrow::field("id", arrow::int64()), arrow::field("note", arrow::utf8()), arrow::field("_op", arrow::utf8())});
  auto run = start({{"table", "t"}, {"key", "id"}}, schema);
  EXPECT_TRUE(run.sink->traits().upsert);
  expect_ok(deliver(run, batch(schema, {"[1, 2, 3]", R"(["a", "b", "c"])", R"(["insert", "snapshot", "insert"])"})));
  expect_ok(deliver(run, batch(schema, {"[1, 2, 2, 4]", R"(["A", null, "B", null])",
                                        R"(["update", "delete", "insert", "delete"])"})));
  EXPECT_THAT(query(path_, "SELECT * FROM t ORDER BY id"), ElementsAre("1|A", "2|B", "3|c"));
}

TEST_F(SqliteSinkTest, AppendingChangesKeepsWhatEachRowMeant) {
  auto schema = arrow::schema({arrow::field("id", arrow::int64()), arrow::field("_op", arrow::utf8())});
  auto run = start({{"table", "t"}}, schema);
  expect_ok(deliver(run, batch(schema, {"[1, 1]", R"(["insert", "delete"])"})));
  EXPECT_THAT(query(path_, "SELECT id, _op FROM t"), ElementsAre("1|insert", "1|delete"));
}

TEST_F(SqliteSinkTest, AnUpsertWithoutItsKeyIsRejected) {
  auto run = start({{"table", "t"}, {"key", "id"}}, id_and_note());
  expect_ok(deliver(run, batch(id_and_note(), {"[1, null]", R"(["a", "b"])"})));
  ASSERT_EQ(acknowledged_.rejects.size(), 1U);
  EXPECT_EQ(acknowledged_.rejects[0].reason, "key column 'id' is NULL");
}

TEST_F(SqliteSinkTest, ARowTheTableRefusesFailsTheEpochAndIsNamed) {
  execute("CREATE TABLE t(id INTEGER, note TEXT CHECK (note <> 'bad'))");
  auto run = start({{"table", "t"}}, id_and_note());
  expect_error(deliver(run, batch(id_and_note(), {"[1, 2]", R"(["fine", "bad"])"})), Fault::user,
               "CHECK constraint failed: note <> 'bad' in table 't', row {\"id\":2,\"note\":\"bad\"}");
  EXPECT_TRUE(query(path_, "SELECT * FROM t").empty());
  expect_ok(deliver(run, batch(id_and_note(), {"[1]", R"(["fine"])"})));
}

TEST_F(SqliteSinkTest, ATableThatWouldChangeValuesIsRefusedBeforeTheFirstRow) {
  execute("CREATE TABLE t(id INTEGER, note NUMERIC); CREATE TABLE u(id INTEGER); CREATE VIEW v AS SELECT 1 AS id");
  auto open = [&](const Options& options) {
    return value_of(make_sink(path_, options))->open(context_, *id_and_note(), false);
  };
  expect_error(open({{"table", "t"}}), Fault::user, "column 'note' of table 't' is declared NUMERIC");
  expect_error(open({{"table", "u"}}), Fault::user, "table 'u' has no column 'note'");
  expect_error(open({{"table", "v"}}), Fault::user, "'v' is a view");
  expect_error(open({{"table", "w"}, {"create_table", "false"}}), Fault::user, "no table 'w'");
  execute("CREATE TABLE x(id INTEGER, note TEXT)");
  expect_error(open({{"table", "x"}, {"key", "id"}}), Fault::user, "no primary key or unique index on (id)");
  expect_ok(open({{"table", "x"}}));
}

TEST_F(SqliteSinkTest, IfExistsDecidesForUnnamedStatementsOnly) {
  execute("CREATE TABLE t(id INTEGER, note TEXT); INSERT INTO t VALUES (9, 'old')");
  auto error = value_of(make_sink(path_, {{"table", "t"}, {"if_exists", "error"}}, true));
  expect_error(error->open(context_, *id_and_note(), false), Fault::refused, "already has rows");
  expect_ok(error->open(context_, *id_and_note(), true));
  expect_error(make_sink(path_, {{"table", "t"}, {"if_exists", "error"}}), Fault::user, "unnamed statements");

  auto schema = arrow::schema({arrow::field("id", arrow::int64())});
  auto run = start({{"table", "t"}, {"if_exists", "replace"}}, schema, true);
  EXPECT_THAT(query(path_, "SELECT * FROM t"), ElementsAre("9|old")) << "until the new rows are there";
  expect_ok(deliver(run, batch(schema, {"[1]"})));
  expect_ok(deliver(run, batch(schema, {"[2]"})));
  EXPECT_THAT(query(path_, "SELECT * FROM t"), ElementsAre("1", "2"));
  auto resumed = start({{"table", "t"}, {"if_exists", "replace"}}, schema, true);
  expect_ok(deliver(resumed, batch(schema, {"[3]"})));
  EXPECT_THAT(query(path_, "SELECT * FROM t"), ElementsAre("1", "2", "3")) << "a resumed run has replaced already";
}

TEST_F(SqliteSinkTest, ATableOfTheSourcesNameIsMadeForEach) {
  auto run = start({{"table", "copy_of_{table}"}}, id_and_note());
  expect_ok(deliver(run, batch(id_and_note(), {"[1]", R"(["a"])"}), "orders"));
  expect_ok(deliver(run, batch(id_and_note(), {"[2]", R"(["b"])"}), "users"));
  EXPECT_THAT(query(path_, "SELECT * FROM copy_of_orders"), ElementsAre("1|a"));
  EXPECT_THAT(query(path_, "SELECT * FROM copy_of_users"), ElementsAre("2|b"));
}

TEST_F(SqliteSinkTest, NewColumnsAreAddedOnce) {
  auto before = arrow::schema({arrow::field("id", arrow::int64())});
  auto run = start({{"table", "t"}}, before);
  expect_ok(deliver(run, batch(before, {"[1]"})));
  expect_ok(run.sink->evolve(context_, {{"", "t"}, before, id_and_note()}));
  expect_ok(run.sink->evolve(context_, {{"", "t"}, before, id_and_note()}));
  expect_ok(deliver(run, batch(id_and_note(), {"[2]", R"(["b"])"})));
  EXPECT_THAT(query(path_, "SELECT * FROM t"), ElementsAre("1|NULL", "2|b"));
  auto changed = arrow::schema({arrow::field("id", arrow::utf8())});
  expect_error(run.sink->evolve(context_, {{"", "t"}, before, changed}), Fault::user, "declared INTEGER");
}

TEST_F(SqliteSinkTest, ATruncateEmptiesTheTableOnceWithItsPosition) {
  auto schema = id_and_note();
  auto run = start({{"table", "t"}}, schema);
  EXPECT_TRUE(run.sink->traits().truncate);
  expect_ok(deliver(run, batch(schema, {"[1, 2]", R"(["a", "b"])"})));
  const Positions before{{"in", {"1"}}};
  const Positions behind{{"in", {"2"}}};
  expect_ok(run.committer->truncate(context_, {"", "t"}, before, behind));
  EXPECT_THAT(query(path_, "SELECT * FROM t"), testing::IsEmpty());
  position_ = 2;
  expect_ok(deliver(run, batch(schema, {"[3]", R"(["c"])"})));
  // What was followed before is not followed again: positions have moved past it.
  expect_error(run.committer->truncate(context_, {"", "t"}, before, behind), Fault::refused);
  EXPECT_THAT(query(path_, "SELECT id FROM t"), ElementsAre("3"));
}

TEST_F(SqliteSinkTest, ATableOfManyGetsColumnsThatItsRowsBring) {
  auto narrow = arrow::schema({arrow::field("id", arrow::int64())});
  auto run = start({{"table", "copy_{table}"}}, narrow);
  EXPECT_TRUE(run.sink->traits().many_tables);
  expect_ok(run.sink->open_table(context_, {"", "orders"}, *narrow, false));
  expect_ok(deliver(run, batch(narrow, {"[1]"}), "orders"));
  expect_ok(deliver(run, batch(id_and_note(), {"[2]", R"(["b"])"}), "orders"));
  EXPECT_THAT(query(path_, "SELECT id, note FROM copy_orders"), ElementsAre("1|NULL", "2|b"));
}

TEST_F(SqliteSinkTest, DroppingForgetsThePipelineAndTidiesUp) {
  auto run = start({{"table", "t"}}, id_and_note());
  expect_ok(deliver(run, batch(id_and_note(), {"[1]", R"(["a"])"})));
  expect_ok(run.sink->drop(context_));
  EXPECT_THAT(query(path_, "SELECT name FROM sqlite_schema"), ElementsAre("t"));
  expect_error(deliver(run, batch(id_and_note(), {"[2]", R"(["b"])"})), Fault::user, "sluice_fence");
}

TEST_F(SqliteSinkTest, AnEpochIsCutWhenItIsLargeOrMemoryIsShort) {
  auto run = start({{"table", "t"}}, id_and_note());
  arrow::Int64Builder ids;
  arrow::StringBuilder notes;
  for (int i = 0; i < 60'000; ++i) {
    ASSERT_TRUE(ids.Append(i).ok() && notes.Append("x").ok());
  }
  Rows rows;
  rows.batch = arrow::RecordBatch::Make(id_and_note(), 60'000, {*ids.Finish(), *notes.Finish()});
  EXPECT_FALSE(value_of(run.writer->write(context_, rows)).wants_cut);
  EXPECT_TRUE(value_of(run.writer->write(context_, rows)).wants_cut);
  TestContext poor("battery", 200);
  auto writer = value_of(run.sink->create_writer(poor, {"battery", 1, 1}));
  rows.batch = rows.batch->Slice(0, 10);
  EXPECT_FALSE(value_of(writer->write(poor, rows)).wants_cut);
  EXPECT_TRUE(value_of(writer->write(poor, rows)).wants_cut);
}

TEST_F(SqliteSinkTest, DeadLettersOfAnotherSinkAreRefusedOnRecovery) {
  auto sink = value_of(make_sink(path_, {{"table", "t"}}));
  auto committer = value_of(sink->create_committer(context_));
  std::vector<Prepared> lost{{R"({"spooled":1})", 3, 30, 1}};
  expect_error(committer->resume(context_, lost), Fault::refused, "3 rows were held in memory");
}

TEST_F(SqliteSinkTest, OptionsAreCheckedWhereTheyWereWritten) {
  expect_error(make_sink(path_, {}), Fault::user, "table");
  expect_error(make_sink(path_, {{"table", "t"}, {"mode", "upsert"}}), Fault::user, "needs a key");
  expect_error(make_sink(path_, {{"table", "sluice_positions"}}), Fault::user, "choose another name");
  expect_error(make_sink(path_, {{"table", "t"}, {"tabel", "u"}}), Fault::user, "did you mean 'table'");
  auto sink = value_of(make_sink(path_, {{"table", "t"}, {"key", "nope"}}));
  expect_error(sink->open(context_, *id_and_note(), false), Fault::user, "key column 'nope'");
}

// A small pipeline that resumes from the target's positions: five epochs of ten rows, upserted or appended.
void run_pipeline(const std::string& path, Generation generation) {
  TestContext context;
  auto schema = arrow::schema({arrow::field("id", arrow::int64())});
  auto sink = make_sink(path, {{"table", "t"}}).value();
  sink->open(context, *schema, false).value();
  auto committer = sink->create_committer(context).value();
  auto held = *committer->fence_and_load(context, generation).value();
  auto writer = sink->create_writer(context, {"battery", 0, generation}).value();
  int64_t at = held.contains("in") ? std::stoll(held["in"].token) : 0;
  for (Epoch epoch = 1; at < 50; ++epoch, at += 10) {
    arrow::Int64Builder ids;
    for (int64_t id = at; id < at + 10; ++id) (void)ids.Append(id);
    Rows rows;
    rows.batch = arrow::RecordBatch::Make(schema, 10, {*ids.Finish()});
    writer->write(context, rows).value();
    auto prepared = writer->prepare(context, epoch).value();
    Positions from;
    if (at > 0) from["in"] = {std::to_string(at)};
    committer->commit(context, prepared, from, {{"in", {std::to_string(at + 10)}}}).value();
  }
}

TEST(SqliteSinkChild, DISABLED_RunsThePipeline) {
  run_pipeline(::getenv("SLUICE_TEST_TARGET"), static_cast<Generation>(std::atoi(::getenv("SLUICE_TEST_GENERATION"))));
}

class SqliteSinkCrash : public testing::TestWithParam<std::string> {};

TEST_P(SqliteSinkCrash, KillingItAtEveryVisitLosesAndDoublesNothing) {
  for (int visit = 1; visit <= 5; ++visit) {
    ScratchFolder folder;
    const std::string path = folder.file("shop.db");
    int status = run_test_in_child("SqliteSinkChild.*", {{"SLUICE_CRASH_AT", fmt::format("{}:{}", GetParam(), visit)},
                                                         {"SLUICE_TEST_TARGET", path},
                                                         {"SLUICE_TEST_GENERATION", "1"}});
    EXPECT_EQ(status, -SIGKILL);
    run_pipeline(path, 2);
    EXPECT_THAT(query(path, "SELECT count(*), count(DISTINCT id), min(id), max(id) FROM t"), ElementsAre("50|50|0|49"))
        << GetParam() << " visit " << visit;
  }
}

INSTANTIATE_TEST_SUITE_P(Points, SqliteSinkCrash,
                         testing::Values("sqlite.commit.before", "sqlite.commit.inside", "sqlite.commit.after"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

}  // namespace
}  // namespace sluice::conformance
