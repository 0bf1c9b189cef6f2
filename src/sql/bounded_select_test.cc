#include "sql/bounded_select.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sql/testing_run.h"

namespace sluice::sql {
namespace {

using testing::add_table;
using ::testing::HasSubstr;
using testing::run;
using testing::text_of;
using testing::World;

class BoundedQueries : public ::testing::Test {
 protected:
  void SetUp() override {
    auto schema = arrow::schema(
        {arrow::field("id", arrow::int64()), arrow::field("g", arrow::utf8()), arrow::field("x", arrow::float64())});
    testing::Table table;
    table.schema = schema;
    for (int64_t b = 0; b < 10; ++b) {
      arrow::Int64Builder ids;
      arrow::StringBuilder groups;
      arrow::DoubleBuilder xs;
      for (int64_t i = 0; i < 20'000; ++i) {
        ASSERT_TRUE(ids.Append(b * 20'000 + i).ok());
        ASSERT_TRUE(groups.Append(fmt::format("group {} with a long name", i % 3)).ok());
        ASSERT_TRUE(xs.Append(0.5).ok());
      }
      table.batches.push_back(
          arrow::RecordBatch::Make(schema, 20'000, {*ids.Finish(), *groups.Finish(), *xs.Finish()}));
    }
    testing::tables()["rows"] = std::move(table);
    add_table("names", arrow::schema({arrow::field("g", arrow::utf8()), arrow::field("n", arrow::int32())}),
              {R"([{"g": "group 0 with a long name", "n": 100}, {"g": "group 2 with a long name", "n": 102}])"});
  }
};

TEST_F(BoundedQueries, AggregatesRunOverAllBatches) {
  EXPECT_EQ(text_of("SELECT count(*) AS n, sum(x) AS s, max(id) AS m, min(g) AS g FROM file('rows')"),
            "200000|100000|199999|group 0 with a long name\n");
  EXPECT_EQ(text_of("SELECT g, count(*) FROM file('rows') WHERE id < 10 GROUP BY g ORDER BY 2, 1"),
            "group 1 with a long name|3\ngroup 2 with a long name|3\ngroup 0 with a long name|4\n");
}

TEST_F(BoundedQueries, JoinsOfSeveralInputsAndWindowsWork) {
  EXPECT_EQ(text_of("SELECT n, count(*) FROM file('rows') r RIGHT JOIN file('names') n ON r.g = n.g AND r.id < 6 GROUP "
                    "BY n ORDER BY n"),
            "100|2\n102|2\n");
  EXPECT_EQ(text_of("SELECT id, row_number() OVER (ORDER BY id DESC) FROM file('rows') WHERE id < 2 ORDER BY id"),
            "0|2\n1|1\n");
}

TEST_F(BoundedQueries, OrderAndLargeResultsComeInPieces) {
  auto outcome = run("SELECT id, g FROM file('rows') ORDER BY id DESC");
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_GT(outcome->batches.size(), 1U);
  auto all = outcome->all();
  const auto& ids = static_cast<const arrow::Int64Array&>(*all->column(0));
  ASSERT_EQ(ids.length(), 200'000);
  for (int64_t i = 0; i < ids.length(); ++i) ASSERT_EQ(ids.Value(i), 199'999 - i);
  EXPECT_EQ(*outcome->request.columns, (std::vector<ColumnPath>{{"id"}, {"g"}}));
}

TEST_F(BoundedQueries, ALimitIsPushedAndEndsTheReadingEarly) {
  auto outcome = run("SELECT id FROM file('rows') LIMIT 3 OFFSET 2");
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_EQ(outcome->text(), "2\n3\n4\n");
  EXPECT_EQ(outcome->request.limit, 5);
  EXPECT_FALSE(run("SELECT count(*) FROM file('rows') LIMIT 1")->request.limit);
  EXPECT_FALSE(run("SELECT id FROM file('rows') WHERE id > 5 LIMIT 1")->request.limit);
  EXPECT_FALSE(run("SELECT DISTINCT g FROM file('rows') LIMIT 1")->request.limit);
}

TEST_F(BoundedQueries, ConditionsArePushedFromAboveASingleInput) {
  auto outcome = run("SELECT count(*) FROM file('rows') r WHERE r.id >= 5 AND id < 7 AND length(g) > 0");
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  ASSERT_EQ(outcome->request.filter.size(), 2U);
  EXPECT_EQ(to_string(outcome->request.filter[1]), "id < 7");
  EXPECT_EQ(outcome->text(), "2\n");
}

TEST_F(BoundedQueries, CommonTableExpressionsAndSubqueriesWork) {
  EXPECT_EQ(
      text_of(
          "WITH t AS (SELECT * FROM file('rows') WHERE id < 4) SELECT a.id, b.id FROM t a, t b WHERE a.id = b.id + 3"),
      "3|0\n");
  EXPECT_EQ(text_of("SELECT id FROM file('rows') WHERE id IN (SELECT n FROM file('names')) ORDER BY id"), "100\n102\n");
  EXPECT_EQ(text_of("SELECT id FROM file('rows') WHERE id = 1 UNION ALL SELECT n FROM file('names') ORDER BY 1"),
            "1\n100\n102\n");
  EXPECT_EQ(text_of("SELECT * FROM (SELECT g AS k, id FROM file('rows')) WHERE id = 7"),
            "group 1 with a long name|7\n");
}

TEST_F(BoundedQueries, StatementsWithoutInputsRun) {
  EXPECT_EQ(text_of("SELECT 1 AS a, 'x' AS b"), "1|x\n");
  EXPECT_EQ(text_of("SELECT * FROM range(3)"), "0\n1\n2\n");
  EXPECT_EQ(text_of("VALUES (1, 'a'), (2, 'b')"), "1|a\n2|b\n");
  EXPECT_EQ(text_of("SELECT r.range + id FROM range(2) r, file('rows') WHERE id = 5 ORDER BY 1"), "5\n6\n");
}

TEST_F(BoundedQueries, ErrorsHavePositions) {
  EXPECT_THAT(text_of("SELECT id,\n  sum(g) FROM file('rows') GROUP BY id"),
              HasSubstr("a.sql:2:3: No function matches"));
  EXPECT_THAT(text_of("SELECT max(g::INT) FROM file('rows')"), HasSubstr("a.sql:1:13: Could not convert string"));
  EXPECT_THAT(text_of("SELECT foo(id) FROM file('rows')"),
              HasSubstr("a.sql:1:8: Scalar Function with name foo does not exist"));
}

class Failing : public BatchStream {
 public:
  explicit Failing(SchemaPtr schema) : schema_(std::move(schema)) {}
  [[nodiscard]] SchemaPtr schema() const override { return schema_; }
  Result<BatchPtr> next() override { return transient("the disk is on fire"); }

 private:
  SchemaPtr schema_;
};

TEST_F(BoundedQueries, AnInputsErrorComesOutAsItWas) {
  World world;
  auto plans = plan_sql(world.context, "SELECT count(*) FROM file('rows')", "a.sql", {});
  ASSERT_TRUE(plans.ok());
  auto schema = testing::tables()["rows"].schema;
  ASSERT_TRUE((*plans)[0].query->bind(world.context, {schema}).ok());
  Failing failing(schema);
  auto result = (*plans)[0].query->run(world.context, {&failing}, [](BatchPtr) { return Result<void>(); });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().fault, Fault::transient);
  EXPECT_EQ(result.error().what, "the disk is on fire");
}

}  // namespace
}  // namespace sluice::sql
