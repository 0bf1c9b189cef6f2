#include "connector/sqlite/sqlite_source.h"

#include <arrow/api.h>

#include "port/conformance/expect.h"
#include "port/conformance/scratch_folder.h"
#include "port/conformance/test_context.h"
#include "sqlite/database.h"

namespace sluice::conformance {
namespace {

using sqlite::Database;
using sqlite::OpenMode;
using testing::ElementsAre;
using testing::HasSubstr;

class SqliteSourceTest : public testing::Test {
 protected:
  void execute(const std::string& sql) { expect_ok(value_of(Database::open(path_, OpenMode::create))->execute(sql)); }
  Result<std::unique_ptr<Source>> open(const std::string& table) { return sqlite::sqlite_source(path_, table); }

  struct Read {
    std::vector<std::string> rows;  // Arrow's text of each row
    std::vector<Reject> rejects;
    std::vector<std::string> positions;
  };
  Read read_all(Source& source, const ReadRequest& request, const Positions& durable = {}) {
    Read read;
    value_of(source.plan(context_, request));
    expect_ok(source.start(context_, durable));
    auto events = value_of(source.poll_splits(context_, {}));
    EXPECT_TRUE(events.finished);
    if (events.added.empty()) return read;
    auto reader = value_of(source.create_reader(context_, events.added));
    for (;;) {
      auto event = value_of(reader->next(context_, {}));
      if (std::holds_alternative<End>(event)) return read;
      auto& rows = std::get<Rows>(event);
      for (int64_t row = 0; row < rows.batch->num_rows(); ++row) {
        std::string text;
        for (const auto& column : rows.batch->columns()) {
          text += (text.empty() ? "" : "|") + (*column->GetScalar(row))->ToString();
        }
        read.rows.push_back(text);
      }
      for (auto& reject : rows.rejects) read.rejects.push_back(std::move(reject));
      for (auto& step : rows.progress) read.positions.push_back(step.upto.token);
    }
  }

  ScratchFolder folder_;
  TestContext context_;
  std::string path_ = folder_.file("shop.db");
};

TEST_F(SqliteSourceTest, DeclaredTypesBecomeTheSchema) {
  execute(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, ok BOOLEAN, price REAL, sum DECIMAL(10,2), name VARCHAR(20), day DATE,"
      " at TIMESTAMP, data BLOB, anything)");
  auto source = value_of(open("T"));
  EXPECT_EQ(value_of(source->fetch_schema(context_))->ToString(),
            "id: int64\nok: bool\nprice: double\nsum: double\nname: string\nday: string\nat: string\ndata: binary\n"
            "anything: binary");
  EXPECT_TRUE(source->traits().replayable);
}

TEST_F(SqliteSourceTest, RowsComeInOrderInBatchesAndResumeAtEveryPosition) {
  execute("CREATE TABLE t(id INTEGER PRIMARY KEY, note TEXT)");
  for (int id : {-5, 1, 2, 10, 11, 12, 40}) execute(fmt::format("INSERT INTO t VALUES ({}, 'n{}')", id, id));
  ReadRequest request;
  request.batch_rows = 3;
  auto whole = read_all(*value_of(open("t")), request);
  EXPECT_THAT(whole.rows, ElementsAre("-5|n-5", "1|n1", "2|n2", "10|n10", "11|n11", "12|n12", "40|n40"));
  EXPECT_THAT(whole.positions, ElementsAre("2", "12", "40"));
  EXPECT_THAT(read_all(*value_of(open("t")), request, {{"t", {"2"}}}).rows,
              ElementsAre("10|n10", "11|n11", "12|n12", "40|n40"));
  EXPECT_TRUE(read_all(*value_of(open("t")), request, {{"t", {"40"}}}).rows.empty());
  execute("INSERT INTO t VALUES (41, 'new')");
  EXPECT_THAT(read_all(*value_of(open("t")), request, {{"t", {"40"}}}).rows, ElementsAre("41|new"));
}

TEST_F(SqliteSourceTest, BatchesEndAtTheirBytes) {
  execute("CREATE TABLE t(id INTEGER PRIMARY KEY, note TEXT)");
  for (int id = 1; id <= 5; ++id) execute(fmt::format("INSERT INTO t VALUES ({}, hex(zeroblob(500)))", id));
  ReadRequest request;
  request.batch_bytes = 2000;
  auto read = read_all(*value_of(open("t")), request);
  EXPECT_EQ(read.rows.size(), 5U);
  EXPECT_THAT(read.positions, ElementsAre("2", "4", "5"));
}

TEST_F(SqliteSourceTest, TheExtremesOfRowidsAreRead) {
  execute("CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES (-9223372036854775808), (9223372036854775807)");
  auto read = read_all(*value_of(open("t")), {});
  EXPECT_THAT(read.rows, ElementsAre("-9223372036854775808", "9223372036854775807"));
  EXPECT_TRUE(read_all(*value_of(open("t")), {}, {{"t", {read.positions.back()}}}).rows.empty());
}

TEST_F(SqliteSourceTest, ProjectionAndLimitArePushed) {
  execute(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b TEXT); INSERT INTO t VALUES "
      "(1,'a','b'),(2,'c','d'),(3,'e','f')");
  ReadRequest request;
  request.columns = {{"b"}, {"id"}};
  request.limit = 2;
  EXPECT_THAT(read_all(*value_of(open("t")), request).rows, ElementsAre("b|1", "d|2"));
  request.columns = std::vector<ColumnPath>();
  auto none = read_all(*value_of(open("t")), request);
  EXPECT_EQ(none.rows.size(), 2U) << "count(*) needs rows, not columns";
}

TEST_F(SqliteSourceTest, AValueOfAnotherKindIsRejectedWithItsRow) {
  execute(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, price INTEGER); INSERT INTO t VALUES (1, 5), (2, 'abc'), (3, 1.5), (4, "
      "NULL)");
  auto read = read_all(*value_of(open("t")), {});
  EXPECT_THAT(read.rows, ElementsAre("1|5", "4|null"));
  ASSERT_EQ(read.rejects.size(), 2U);
  EXPECT_EQ(read.rejects[0].reason, "column 'price' is declared INTEGER but holds the text 'abc'");
  EXPECT_EQ(read.rejects[0].payload, R"({"id":2,"price":"abc"})");
  EXPECT_THAT(read.rejects[0].where, HasSubstr("table 't', rowid 2"));
  EXPECT_EQ(read.rejects[1].reason, "column 'price' is declared INTEGER but holds the number 1.5");
  EXPECT_THAT(read.positions, ElementsAre("4"));
}

TEST_F(SqliteSourceTest, RowidsThatVacuumMayChangeAreNotExactlyOnce) {
  execute("CREATE TABLE t(rowid TEXT, a TEXT); INSERT INTO t VALUES ('x', 'y')");
  auto source = value_of(open("t"));
  EXPECT_FALSE(source->traits().replayable);
  EXPECT_THAT(source->traits().not_replayable_because, HasSubstr("INTEGER PRIMARY KEY"));
  EXPECT_THAT(read_all(*source, {}).rows, ElementsAre("x|y"));
}

TEST_F(SqliteSourceTest, WhatHasNoRowidsIsRefused) {
  execute("CREATE TABLE t(a TEXT PRIMARY KEY) WITHOUT ROWID; CREATE VIEW v AS SELECT 1; CREATE TABLE orders(a)");
  expect_error(open("t"), Fault::user, "WITHOUT ROWID");
  expect_error(open("v"), Fault::user, "a view");
  expect_error(open("oders"), Fault::user, "did you mean 'orders'?");
  expect_error(sqlite::sqlite_source(folder_.file("none.db"), "t"), Fault::user, "no such file");
}

TEST_F(SqliteSourceTest, AnEmptyTableHasNothingToRead) {
  execute("CREATE TABLE t(a INTEGER)");
  EXPECT_TRUE(read_all(*value_of(open("t")), {}).rows.empty());
}

TEST_F(SqliteSourceTest, PositionsCanBeNamed) {
  execute("CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES (7), (9)");
  auto source = value_of(open("t"));
  EXPECT_EQ(value_of(source->resolve_position(context_, "latest")), (Positions{{"t", {"9"}}}));
  EXPECT_EQ(value_of(source->resolve_position(context_, "8")), (Positions{{"t", {"8"}}}));
  EXPECT_EQ(value_of(source->resolve_position(context_, "earliest")), Positions{});
  expect_error(source->resolve_position(context_, "soon"), Fault::user, "'soon' is no position");
}

}  // namespace
}  // namespace sluice::conformance
