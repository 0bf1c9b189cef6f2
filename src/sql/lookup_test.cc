#include "sql/lookup.h"

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

class Lookups : public ::testing::Test {
 protected:
  void SetUp() override {
    add_table("orders",
              arrow::schema({arrow::field("id", arrow::int64()), arrow::field("customer", arrow::int32()),
                             arrow::field("name", arrow::utf8())}),
              {R"([{"id": 1, "customer": 10, "name": "apple"}, {"id": 2, "customer": 11, "name": "pear"},
                   {"id": 3, "customer": null, "name": "fig"}])",
               R"([{"id": 4, "customer": 10, "name": "plum"}, {"id": 5, "customer": 99, "name": "nut"}])"});
    add_table("customers",
              arrow::schema({arrow::field("id", arrow::int64()), arrow::field("name", arrow::utf8()),
                             arrow::field("unused", arrow::utf8())}),
              {R"([{"id": 11, "name": "Bob", "unused": "x"}, {"id": null, "name": "nobody", "unused": "x"}])",
               R"([{"id": 10, "name": "Ann, who has a long name", "unused": "x"}])"});
    add_table("tags", arrow::schema({arrow::field("customer", arrow::int32()), arrow::field("tag", arrow::utf8())}),
              {R"([{"customer": 10, "tag": "a"}, {"customer": 11, "tag": "b"}, {"customer": 10, "tag": "c"}])"});
  }
};

TEST_F(Lookups, AnInnerLookupIsAFilterThatKeepsOrder) {
  auto outcome =
      run("SELECT o.id, c.name AS who FROM file('orders') o JOIN file('customers') AS c ON o.customer = c.id");
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_EQ(outcome->text(), "1|Ann, who has a long name\n2|Bob\n4|Ann, who has a long name\n");
  EXPECT_THAT(outcome->description,
              HasSubstr("lookup c: file('customers') on o.customer = id; 3 rows in memory, keys unique"));
  EXPECT_EQ(testing::tables()["customers"].request.columns, (std::vector<ColumnPath>{{"id"}, {"name"}}));
  EXPECT_EQ(*outcome->request.columns, (std::vector<ColumnPath>{{"id"}, {"customer"}}));
}

TEST_F(Lookups, ALeftLookupKeepsUnmatchedRows) {
  EXPECT_EQ(
      text_of("SELECT o.id, c.name FROM file('orders') o LEFT OUTER JOIN file('customers') c ON c.id = o.customer"),
      "1|Ann, who has a long name\n2|Bob\n3|NULL\n4|Ann, who has a long name\n5|NULL\n");
}

TEST_F(Lookups, RepeatedKeysMultiplyRowsInTheOrderOfTheSource) {
  auto outcome = run("SELECT id, t.tag FROM file('orders') o LEFT JOIN file('tags') t ON o.customer = t.customer");
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_EQ(outcome->text(), "1|a\n1|c\n2|b\n3|NULL\n4|a\n4|c\n5|NULL\n");
  EXPECT_THAT(outcome->description, HasSubstr("not unique"));
}

TEST_F(Lookups, UsingStarsWhereAndChainsResolveAsInSql) {
  EXPECT_EQ(text_of("SELECT * FROM file('orders') o JOIN file('tags') t USING (customer)"),
            "1|10|apple|a\n1|10|apple|c\n2|11|pear|b\n4|10|plum|a\n4|10|plum|c\n");
  EXPECT_EQ(text_of("SELECT customer, t.* FROM file('orders') o JOIN file('tags') t USING (customer) WHERE tag = 'c' "
                    "AND o.id > 1"),
            "10|10|c\n");  // t.* has it, too: DuckDB joins
  EXPECT_EQ(
      text_of("SELECT o.id, c.name, t.tag FROM file('orders') o JOIN file('customers') c ON o.customer = c.id "
              "LEFT JOIN file('tags') t ON c.id = t.customer AND o.customer = t.customer WHERE upper(t.tag) <> 'A'"),
      "1|Ann, who has a long name|c\n2|Bob|b\n4|Ann, who has a long name|c\n");
  EXPECT_EQ(text_of("SELECT count(*) FROM (SELECT o.* FROM file('orders') o JOIN file('tags') t USING (customer))"),
            "5\n");
}

TEST_F(Lookups, ColumnsOfUsingAreThereOnceOrOnBothSidesAsInSql) {
  add_table("keys", arrow::schema({arrow::field("customer", arrow::int32())}),
            {R"([{"customer": 10}, {"customer": 7}])"});
  const auto joined = [](const std::string& list, const std::string& more = "") {
    auto outcome = run("SELECT " + list + " FROM file('orders') o JOIN file('keys') k USING (customer) " + more);
    if (!outcome.ok()) return outcome.error().message();
    return fmt::format("{}: {}", fmt::join(outcome->schema->field_names(), " "), outcome->text());
  };
  EXPECT_EQ(joined("*"), "id customer name: 1|10|apple\n4|10|plum\n");
  EXPECT_EQ(joined("* EXCLUDE (name)"), "id customer: 1|10\n4|10\n");
  EXPECT_EQ(joined("*, upper(name) AS big", "WHERE o.id > 1"), "id customer name big: 4|10|plum|PLUM\n");
  EXPECT_EQ(joined("COLUMNS(*)"), "id customer name: 1|10|apple\n4|10|plum\n");
  EXPECT_EQ(joined("o.id, t.tag || '' AS tag", "LEFT JOIN file('tags') t USING (customer) ORDER BY ALL"),
            "id tag: 1|a\n1|c\n4|a\n4|c\n");
  EXPECT_EQ(joined("o.id, t.tag || '' AS tag", "LEFT JOIN file('tags') t USING (customer)"),
            "id tag: 1|a\n1|c\n4|a\n4|c\n");
  EXPECT_EQ(joined("k.*"), "customer: 10\n10\n");
  EXPECT_EQ(joined("k.customer + 1 AS next"), "next: 11\n11\n");
  EXPECT_THAT(joined("k"), HasSubstr("k: {customer:int32 = 10}\n"));
}

TEST_F(Lookups, OnlyOneSideUsedStillAlignsRows) {
  EXPECT_EQ(text_of("SELECT t.tag FROM file('orders') o JOIN file('tags') t ON o.customer = t.customer"),
            "a\nc\nb\na\nc\n");
  EXPECT_EQ(text_of("SELECT o.id FROM file('orders') o JOIN file('tags') t ON o.customer = t.customer"),
            "1\n1\n2\n4\n4\n");
  EXPECT_EQ(text_of("SELECT 1 AS one FROM file('orders') o JOIN file('customers') c ON o.customer = c.id"),
            "1\n1\n1\n");
}

TEST_F(Lookups, AmbiguousAndUnknownNamesAreErrorsWithPositions) {
  EXPECT_THAT(text_of("SELECT name FROM file('orders') o JOIN file('customers') c ON o.customer = c.id"),
              HasSubstr("a.sql:1:8: Ambiguous reference to column name \"name\""));
  EXPECT_THAT(
      text_of("SELECT o.id FROM file('orders') o JOIN file('customers') c ON o.customer = c.nope"),
      HasSubstr("column nope of the lookup's condition was not found in file('customers'); it has: id, name, unused"));
  EXPECT_THAT(text_of("SELECT o.id FROM file('orders') o JOIN file('customers') c ON o.name = c.id"),
              HasSubstr("o.name = id: a lookup cannot compare VARCHAR with BIGINT"));
}

TEST_F(Lookups, LargeBatchesKeepTheirOrder) {
  arrow::Int64Builder ids;
  arrow::Int32Builder customers;
  for (int i = 0; i < 30'000; ++i) {
    ASSERT_TRUE(ids.Append(i).ok());
    ASSERT_TRUE(customers.Append(i % 13).ok());
  }
  testing::Table table;
  table.schema = arrow::schema({arrow::field("id", arrow::int64()), arrow::field("customer", arrow::int32())});
  table.batches = {arrow::RecordBatch::Make(table.schema, 30'000, {*ids.Finish(), *customers.Finish()})};
  testing::tables()["big"] = table;
  auto outcome =
      run("SELECT b.id, c.name || '' AS n FROM file('big') b JOIN file('customers') c ON b.customer = c.id WHERE "
          "c.name <> 'Bob'");
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  auto all = outcome->all();
  const auto& out = static_cast<const arrow::Int64Array&>(*all->column(0));
  ASSERT_EQ(out.length(), 2'307);
  for (int64_t i = 0; i < out.length(); ++i) ASSERT_EQ(out.Value(i), i * 13 + 10);
}

TEST_F(Lookups, RefreshReplacesWhatLanesSeeAtTheirNextBatch) {
  World world;
  auto plans =
      plan_sql(world.context, "SELECT o.id, c.name FROM file('orders') o JOIN file('customers') c ON o.customer = c.id",
               "a.sql", {});
  ASSERT_TRUE(plans.ok());
  auto& rows = *(*plans)[0].rows;
  auto schema = testing::tables()["orders"].schema;
  ASSERT_TRUE(rows.request(world.context, schema, {}).ok());
  ASSERT_TRUE(rows.bind(world.context, schema).ok());
  auto lane = rows.create(world.context, false);
  ASSERT_TRUE(lane.ok());
  auto batch = testing::tables()["orders"].batches[0];
  auto rows_of = [&](Transform& transform) {
    auto result = transform.apply(world.context, batch, nullptr);
    return result.ok() ? result.value()->num_rows() : -1;
  };
  EXPECT_EQ(rows_of(**lane), 2);
  testing::tables()["customers"].batches.pop_back();
  ASSERT_TRUE(rows.refresh(world.context).ok());
  EXPECT_EQ(rows_of(**lane), 1);
}

}  // namespace
}  // namespace sluice::sql
