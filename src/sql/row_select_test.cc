#include "sql/row_select.h"

#include <atomic>
#include <thread>

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

void add_orders() {
  auto user = arrow::struct_({arrow::field("id", arrow::int64()), arrow::field("city", arrow::utf8())});
  add_table("orders",
            arrow::schema({arrow::field("id", arrow::int64()), arrow::field("item", arrow::utf8()),
                           arrow::field("price", arrow::float64()), arrow::field("user", user),
                           arrow::field("day", arrow::date32())}),
            {R"([{"id": 1, "item": "apple", "price": 1.5, "user": {"id": 7, "city": "Bonn"}, "day": 20000},
                 {"id": 2, "item": "a much longer name than twelve bytes", "price": null, "user": null, "day": 20001}])",
             R"([])",
             R"([{"id": 3, "item": null, "price": 3.25, "user": {"id": 9, "city": null}, "day": null},
                 {"id": null, "item": "pear", "price": -1, "user": {"id": 7, "city": "Köln am schönen Rhein"}, "day": 20001}])"});
}

TEST(RowSelect, StarPassesEverythingThroughWithoutDuckDB) {
  add_orders();
  auto outcome = run("SELECT * FROM file('orders')");
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_EQ(outcome->all()->num_rows(), 4);
  EXPECT_THAT(outcome->description, HasSubstr("passed through"));
  EXPECT_FALSE(outcome->request.columns);
}

TEST(RowSelect, PlainColumnsAndStructFieldsAreProjectedAndRenamed) {
  add_orders();
  auto outcome = run("SELECT o.user.city AS town, ID, o.price FROM file('orders') o");
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_THAT(outcome->description, HasSubstr("passed through"));
  EXPECT_EQ(outcome->schema->field_names(), (std::vector<std::string>{"town", "id", "price"}));
  EXPECT_EQ(outcome->text(), "Bonn|1|1.5\nNULL|2|NULL\nNULL|3|3.25\nKöln am schönen Rhein|NULL|-1\n");
  ASSERT_TRUE(outcome->request.columns);
  EXPECT_EQ(*outcome->request.columns, (std::vector<ColumnPath>{{"id"}, {"price"}, {"user", "city"}}));
}

TEST(RowSelect, SimpleConditionsArePushedAndEvaluatedAgainUnlessTheSourceIsExact) {
  add_orders();
  std::string sql =
      "SELECT id FROM file('orders') WHERE price >= 1 AND item IN ('apple', 'pear', 'x') AND day = '2024-10-04'";
  auto outcome = run(sql);
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  ASSERT_EQ(outcome->request.filter.size(), 3U);
  EXPECT_EQ(to_string(outcome->request.filter[0]), "price >= 1");
  EXPECT_EQ(outcome->text(), "1\n");
  testing::tables()["orders"].exact = {true, true, true};
  EXPECT_EQ(text_of(sql), "1\n2\n3\nNULL\n");  // the source says so, and did not
}

TEST(RowSelect, NativeConditionsAgreeWithDuckDB) {
  add_orders();
  for (const char* where : {"id = 1", "id <> 1", "id < 3", "3 > id", "id BETWEEN 2 AND 3", "item = 'pear'",
                            "item > 'apple'", "item IS NULL", "item IS NOT NULL", "price > 1", "price <= 3.25",
                            "day >= DATE '2024-10-05'", "day < '2024-10-05'", "user.city = 'Bonn'", "user.id IN (7, 8)",
                            "user IS NULL", "id = 1 AND price = 1.5", "id > 100"}) {
    auto native = run(fmt::format("SELECT id, item FROM file('orders') WHERE {}", where));
    auto duck = run(fmt::format("SELECT id, item || '' AS item FROM file('orders') WHERE {}", where));
    ASSERT_TRUE(native.ok() && duck.ok()) << where << (native.ok() ? duck : native).error().message();
    EXPECT_THAT(native->description, HasSubstr("passed through")) << where;
    EXPECT_THAT(duck->description, HasSubstr("DuckDB")) << where;
    EXPECT_EQ(native->text(), duck->text()) << where;
  }
}

TEST(RowSelect, ConditionsWhoseLiteralsDoNotFitTheColumnGoToDuckDB) {
  add_orders();
  for (const char* where :
       {"id > 1.5", "id < 99999999999999999999", "day > TIMESTAMP '2024-10-04 12:00:00'", "item = 5"}) {
    auto outcome = run(fmt::format("SELECT id FROM file('orders') WHERE {}", where));
    if (outcome.ok())
      EXPECT_THAT(outcome->description, HasSubstr("DuckDB")) << where;
    else
      EXPECT_THAT(outcome.error().what, HasSubstr("a.sql:1:")) << where;
  }
}

TEST(RowSelect, ExpressionsRunInDuckDB) {
  add_orders();
  EXPECT_EQ(text_of("SELECT id + 1 AS n, upper(item) AS item, user.city || '!' AS c, day + INTERVAL 1 DAY AS d "
                    "FROM file('orders') WHERE id IS NOT NULL"),
            "2|APPLE|Bonn!|2024-10-05 00:00:00.000000\n3|A MUCH LONGER NAME THAN TWELVE BYTES|NULL|2024-10-06 "
            "00:00:00.000000\n"
            "4|NULL|NULL|NULL\n");
}

TEST(RowSelect, OrderIsKeptOverManyVectors) {
  arrow::Int64Builder ids;
  arrow::StringBuilder names;
  for (int64_t i = 0; i < 50'000; ++i) {
    ASSERT_TRUE(ids.Append(i).ok());
    ASSERT_TRUE(names.Append(fmt::format("row number {} of a table", i)).ok());
  }
  auto schema = arrow::schema({arrow::field("i", arrow::int64()), arrow::field("s", arrow::utf8())});
  testing::Table table;
  table.schema = schema;
  auto batch = arrow::RecordBatch::Make(schema, 50'000, {*ids.Finish(), *names.Finish()});
  table.batches = {batch->Slice(3, 20'000), batch->Slice(20'003)};  // offsets that are no multiple of 8
  testing::tables()["many"] = table;
  auto outcome = run("SELECT i + 0 AS i, s || '' AS s, i % 3 AS m FROM file('many') WHERE i % 7 <> 0");
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  auto all = outcome->all();
  const auto& out = static_cast<const arrow::Int64Array&>(*all->column(0));
  const auto& text = static_cast<const arrow::StringArray&>(*all->column(1));
  int64_t expected = 3;
  for (int64_t row = 0; row < out.length(); ++row, ++expected) {
    if (expected % 7 == 0) ++expected;
    ASSERT_EQ(out.Value(row), expected);
    ASSERT_EQ(text.GetView(row), fmt::format("row number {} of a table", expected));
  }
  EXPECT_EQ(expected, 50'000);
}

// Every type goes in, through an identity that DuckDB has to evaluate, and out again.
void expect_round_trip(const TypePtr& type, const std::string& json, const TypePtr& expected_type = nullptr) {
  SCOPED_TRACE(type->ToString());
  auto schema = arrow::schema({arrow::field("k", arrow::int64()), arrow::field("v", type)});
  auto values = arrow::json::ArrayFromJSONString(type, json);
  ASSERT_TRUE(values.ok()) << values.status().ToString();
  arrow::Int64Builder keys;
  for (int64_t i = 0; i < (*values)->length(); ++i) ASSERT_TRUE(keys.Append(i).ok());
  testing::Table table;
  table.schema = schema;
  auto batch = arrow::RecordBatch::Make(schema, (*values)->length(), {*keys.Finish(), *values});
  table.batches = {batch, batch->Slice(1), batch->Slice(0, 0)};
  testing::tables()["typed"] = table;
  auto outcome = run("SELECT k + 0 AS k, CASE WHEN k >= 0 THEN v END AS v FROM file('typed')");
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_EQ(type_name(*outcome->schema->field(1)->type()), type_name(expected_type ? *expected_type : *type));
  if (expected_type) return;
  for (int i = 0; i < 2; ++i) {
    auto out = outcome->batches[static_cast<size_t>(i)]->column(1);
    auto in = table.batches[static_cast<size_t>(i)]->column(1);
    ASSERT_EQ(out->length(), in->length());
    EXPECT_TRUE(out->Equals(*in, arrow::EqualOptions().nans_equal(true))) << out->ToString() << in->ToString();
  }
}

TEST(RowSelect, ColumnsThatAreOnlyPickedBypassDuckDB) {
  add_orders();
  auto outcome = run("SELECT item, id + 1 AS next, user.city, o.* FROM file('orders') o WHERE price > 0 OR id = 2");
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_THAT(outcome->description, HasSubstr("7 of 8 columns passed through"));
  EXPECT_EQ(outcome->schema->field_names(),
            (std::vector<std::string>{"item", "next", "city", "id", "item_1", "price", "user", "day"}));
  auto all = outcome->all()->SelectColumns({0, 1, 2, 3}).ValueOrDie();
  outcome->batches = {all};
  EXPECT_EQ(outcome->text(), "apple|2|Bonn|1\na much longer name than twelve bytes|3|NULL|2\nNULL|4|NULL|3\n");
  EXPECT_EQ(text_of("SELECT id, price IS DISTINCT FROM 1.5 AS d, item FROM file('orders') WHERE id < 2"),
            "1|false|apple\n");
  EXPECT_EQ(text_of("SELECT id AS a, a + 1 AS b FROM file('orders') WHERE id < 3"), "1|2\n2|3\n");  // a's alias is used
  EXPECT_EQ(text_of("SELECT id, unnest([1, 2]) AS u FROM file('orders') WHERE id = 1"), "1|1\n1|2\n");
  EXPECT_EQ(text_of("SELECT * EXCLUDE (item, price, user, day) FROM file('orders') WHERE id = 1"), "1\n");
}

TEST(RowSelect, ColumnsThatDifferByCaseOnlyKeepTheirNames) {
  add_table("cases", arrow::schema({arrow::field("id", arrow::int64()), arrow::field("ID", arrow::int64())}),
            {R"([{"id": 1, "ID": 2}])"});
  EXPECT_EQ(run("SELECT * FROM file('cases')")->schema->field_names(), (std::vector<std::string>{"id", "ID"}));
  EXPECT_EQ(text_of("SELECT \"ID\" AS b, id FROM file('cases') WHERE \"ID\" = 2"), "2|1\n");
  EXPECT_THAT(text_of("SELECT *, 1 + 1 AS x FROM file('cases')"),
              HasSubstr("columns 'id' and 'ID' differ by case only, which SQL expressions cannot tell apart"));
}

TEST(RowSelect, LanesRunSideBySide) {
  add_orders();
  World world;
  auto plans = plan_sql(world.context, "SELECT id + 1 AS id, upper(item) AS item FROM file('orders') WHERE id % 2 = 1",
                        "a.sql", {});
  ASSERT_TRUE(plans.ok());
  auto& rows = *(*plans)[0].rows;
  const auto& table = testing::tables()["orders"];
  ASSERT_TRUE(rows.bind(world.context, table.schema).ok());
  std::vector<std::thread> threads;
  std::atomic<int64_t> total = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      auto lane = rows.create(world.context, false);
      for (int n = 0; lane.ok() && n < 200; ++n) {
        auto result = lane.value()->apply(world.context, table.batches[n % 2 == 0 ? 0 : 2], nullptr);
        if (result.ok()) total += result.value()->num_rows();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(total, 4 * 200);
}

TEST(RowSelect, RowsThatFailAreRejectedAloneAlsoWhereColumnsBypass) {
  add_table("bad2", arrow::schema({arrow::field("n", arrow::utf8()), arrow::field("i", arrow::int64())}),
            {R"([{"n": "1", "i": 1}, {"n": "z", "i": 2}, {"n": "3", "i": 3}, {"n": "4", "i": 4}])"});
  auto outcome = run("SELECT i, n, n::INT AS m FROM file('bad2') WHERE n::INT <> 3", true);
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_EQ(outcome->text(), "1|1|1\n4|4|4\n");
  ASSERT_EQ(outcome->rejects.size(), 1U);
  EXPECT_EQ(outcome->rejects[0].payload, R"({"n":"z","i":2})");
}

TEST(RowSelect, EveryTypeGoesThroughDuckDBAndBack) {
  for (const auto& type : {arrow::int8(), arrow::int16(), arrow::int32(), arrow::int64(), arrow::uint8(),
                           arrow::uint16(), arrow::uint32(), arrow::uint64()}) {
    expect_round_trip(type, "[1, null, 0, 100, 7, null, null, 3, 4]");
  }
  expect_round_trip(arrow::boolean(), "[true, null, false, true, true, false, null, true, false]");
  expect_round_trip(arrow::float32(), "[1.5, null, -0.25, 3e30]");
  expect_round_trip(arrow::float64(), "[1.5, null, -0.25, 3e300]");
  expect_round_trip(arrow::utf8(), R"(["", null, "short", "exactly 12 b", "more than twelve bytes", "äöü€𝄞"])");
  expect_round_trip(arrow::large_utf8(), R"(["", null, "more than twelve bytes"])", arrow::utf8());
  expect_round_trip(arrow::binary(), R"(["", null, "bytes of some length"])");
  expect_round_trip(arrow::date32(), "[0, null, 20000, -1]");
  for (auto unit : {arrow::TimeUnit::SECOND, arrow::TimeUnit::MILLI, arrow::TimeUnit::MICRO, arrow::TimeUnit::NANO}) {
    expect_round_trip(arrow::timestamp(unit), "[0, null, 1700000000, -5]");
  }
  expect_round_trip(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "[0, null, 1700000000, -5]");
  expect_round_trip(arrow::timestamp(arrow::TimeUnit::MILLI, "UTC"), "[0, null, 1700000000, -5]",
                    arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"));
  expect_round_trip(arrow::time64(arrow::TimeUnit::MICRO), "[0, null, 86399999999]");
  expect_round_trip(arrow::decimal128(4, 2), R"(["1.50", null, "-99.99"])");
  expect_round_trip(arrow::decimal128(18, 6), R"(["1.500000", null, "-99.990000"])");
  expect_round_trip(arrow::decimal128(38, 10), R"(["1234567890123456789012345678.0123456789", null, "-0.0000000001"])");
  expect_round_trip(arrow::dictionary(arrow::int32(), arrow::utf8()), R"(["a", null, "b", "a"])", arrow::utf8());
}

TEST(RowSelect, NestedTypesGoThroughDuckDBAndBack) {
  expect_round_trip(arrow::list(arrow::int64()), "[[1, null, 3], null, [], [4], [5, 6]]");
  expect_round_trip(arrow::list(arrow::utf8()), R"([["a string of some length", null], null, [], ["x"]])");
  expect_round_trip(arrow::large_list(arrow::int32()), "[[1], null, [2, 3]]", arrow::list(arrow::int32()));
  auto inner = arrow::struct_({arrow::field("a", arrow::int64()), arrow::field("b", arrow::list(arrow::utf8()))});
  expect_round_trip(inner, R"([{"a": 1, "b": ["x", null]}, null, {"a": null, "b": null}, {"a": 4, "b": []}])");
  expect_round_trip(arrow::list(inner), R"([[{"a": 1, "b": ["x"]}, null], null, [], [{"a": 2, "b": null}]])");
  expect_round_trip(arrow::map(arrow::utf8(), arrow::int64()), R"([[["k", 1], ["l", null]], null, []])");
  expect_round_trip(arrow::fixed_size_list(arrow::float32(), 2), "[[1, 2], null, [3, 4]]");
}

TEST(RowSelect, WhatDuckDBComputesIntoNestedValuesComesOutRight) {
  add_orders();
  EXPECT_EQ(text_of("SELECT list_transform([id, 10], x -> x * 2) AS l, {'i': id, 's': item} AS s FROM file('orders') "
                    "WHERE id < 3"),
            "list<l: int64>[2, 20]|{i:int64 = 1, s:string = apple}\n"
            "list<l: int64>[4, 20]|{i:int64 = 2, s:string = a much longer name than twelve bytes}\n");
}

TEST(RowSelect, AFailingRowIsNamedOrRejectedAlone) {
  add_table(
      "bad", arrow::schema({arrow::field("n", arrow::utf8()), arrow::field("i", arrow::int64())}),
      {R"([{"n": "1", "i": 1}, {"n": "2", "i": 2}, {"n": "abc", "i": 3}, {"n": "4", "i": 4}, {"n": null, "i": 5}, {"n": "x", "i": 6}])"});
  auto failed = run("SELECT i,\n  n::INT AS n FROM file('bad')");
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().what,
            "a.sql:2:4: Could not convert string 'abc' to INT32 when casting from source column n in row "
            "{\"n\":\"abc\",\"i\":3}");
  auto outcome = run("SELECT i, n::INT AS n FROM file('bad')", true);
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_EQ(outcome->text(), "1|1\n2|2\n4|4\n5|NULL\n");
  ASSERT_EQ(outcome->rejects.size(), 2U);
  EXPECT_EQ(outcome->rejects[0].payload, R"({"n":"abc","i":3})");
  EXPECT_EQ(outcome->rejects[1].payload, R"({"n":"x","i":6})");
  EXPECT_THAT(outcome->rejects[0].reason, HasSubstr("Could not convert string 'abc' to INT32"));
}

TEST(RowSelect, UnknownColumnsAreNamedAtTheirPositionWithCandidates) {
  add_orders();
  EXPECT_EQ(text_of("SELECT id,\n   itm || 'x' FROM file('orders')"),
            "a.sql:2:4: column 'itm' was not found; did you mean 'item'?");
  EXPECT_EQ(text_of("SELECT id, itm FROM file('orders')"),
            "a.sql:1:12: column 'itm' was not found; did you mean 'item'?");
  EXPECT_EQ(text_of("SELECT max(itm) FROM file('orders')"),
            "a.sql:1:12: column 'itm' was not found; did you mean 'item'?");
}

TEST(RowSelect, ColumnsCalledLikeTheConnectorOrAnAliasResolve) {
  add_orders();
  EXPECT_EQ(text_of("SELECT file.id + 0 AS id FROM file('orders') WHERE id = 1"), "1\n");
  EXPECT_EQ(text_of("SELECT o.user.id + 0 AS id FROM file('orders') AS o WHERE o.id = 1"), "7\n");
}

TEST(RowSelect, NamesGivenToColumnsInFromCount) {
  add_table("pairs", arrow::schema({arrow::field("a", arrow::int64()), arrow::field("b", arrow::int64())}),
            {R"([{"a": 1, "b": 2}])"});
  auto outcome = run("SELECT * FROM file('pairs') AS t(x, y)");
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_EQ(outcome->schema->field_names(), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(text_of("SELECT a FROM file('pairs') AS t(b, a) WHERE a > 1"), "2\n");
}

TEST(RowSelect, ChangeColumnsRideAlongUnlessNamed) {
  add_table("changes",
            arrow::schema({arrow::field("id", arrow::int64()), arrow::field("_op", arrow::utf8()),
                           arrow::field("_pos", arrow::utf8())}),
            {R"([{"id": 1, "_op": "insert", "_pos": "1"}])"});
  EXPECT_EQ(text_of("SELECT id FROM file('changes')"), "1|insert|1\n");
  EXPECT_EQ(text_of("SELECT id + 1 AS id FROM file('changes')"), "2|insert|1\n");
  EXPECT_EQ(text_of("SELECT id + 1 AS id, upper(_op) AS _op FROM file('changes')"), "2|INSERT|1\n");
}

}  // namespace
}  // namespace sluice::sql
