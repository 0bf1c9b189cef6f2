#include "sql/planner.h"

#include <gtest/gtest.h>

#include "sql/quick_select.h"
#include "sql/testing_source.h"

namespace sluice::sql {
namespace {

using testing::World;

std::string complaint(std::string_view text) {
  World world;
  auto plans = plan_sql(world.context, text, "a.sql", {});
  return plans.ok() ? "no error" : plans.error().message();
}

// "rows" or "query" per statement.
std::string kinds(std::string_view text) {
  World world;
  auto plans = plan_sql(world.context, text, "a.sql", {});
  if (!plans.ok()) return plans.error().message();
  std::string out;
  for (const auto& plan : *plans) out += plan.rows != nullptr ? "rows " : plan.query != nullptr ? "query " : "none ";
  return out;
}

TEST(Planner, RowWiseStatementsAreTransformsAndTheRestAreQueries) {
  EXPECT_EQ(kinds("SELECT * FROM file('a')"), "rows ");
  EXPECT_EQ(kinds("SELECT upper(x), a + 1, CASE WHEN b THEN 1 ELSE 2 END, c::DATE FROM file('a') WHERE d LIKE 'x%'"),
            "rows ");
  EXPECT_EQ(kinds("SELECT list_transform(l, x -> x + 1), {'a': 1}, unnest(l) FROM file('a')"), "rows ");
  EXPECT_EQ(kinds("SELECT o.*, c.name FROM file('a') o LEFT JOIN file('b') AS c ON o.id = c.id AND c.k = o.k"),
            "rows ");
  EXPECT_EQ(kinds("SELECT * FROM file('a') o JOIN file('b') c USING (id)"), "rows ");
  EXPECT_EQ(kinds("SELECT count(*) FROM file('a')"), "query ");
  EXPECT_EQ(kinds("SELECT DISTINCT x FROM file('a')"), "query ");
  EXPECT_EQ(kinds("SELECT x FROM file('a') ORDER BY x"), "query ");
  EXPECT_EQ(kinds("SELECT x FROM file('a') LIMIT 3"), "rows ");
  EXPECT_EQ(kinds("SELECT x FROM file('a') LIMIT 3 OFFSET 1"), "query ");
  EXPECT_EQ(kinds("SELECT sum(x) OVER () FROM file('a')"), "query ");
  EXPECT_EQ(kinds("SELECT x FROM file('a') UNION ALL SELECT y FROM file('b')"), "query ");
  EXPECT_EQ(kinds("WITH t AS (SELECT * FROM file('a')) SELECT * FROM t"), "query ");
  EXPECT_EQ(kinds("SELECT * FROM file('a') o FULL JOIN file('b') c ON o.id = c.id"), "query ");
  EXPECT_EQ(kinds("SELECT * FROM file('a') o JOIN file('b') c ON o.id = c.id AND o.x > c.y"), "query ");
  EXPECT_EQ(kinds("SELECT random() FROM file('a')"), "query ");
  EXPECT_EQ(kinds("SELECT 1"), "query ");
  EXPECT_EQ(kinds("VALUES (1), (2)"), "query ");
  EXPECT_EQ(kinds("SELECT * FROM range(3), file('a')"), "query ");
}

bool is_quick(const std::string& sql) {
  auto script = Script::make(sql, "a.sql", {});
  auto tokens = tokenize(*script);
  auto statements = split_statements(*script, *tokens);
  return read_quick_select(*tokens, (*statements)[0]).has_value();
}

TEST(Planner, TheSimplestSelectsAreReadWithoutDuckDBAndNothingElse) {
  for (const char* sql :
       {"SELECT * FROM file('a')", "SELECT a, o.b.c AS d, \"x y\" FROM file('a', n := 1) AS o",
        "SELECT a FROM file('a') o WHERE a = 1 AND o.b >= 'x' AND c IS NOT NULL AND d IN (1, -2) AND e < 1.5",
        "SELECT a FROM file('a') WHERE a >= DATE '2026-01-01' AND b = true", "SELECT a FROM file('a') LIMIT 1",
        "SELECT a FROM file('a') WHERE a = 1 LIMIT 20"}) {
    EXPECT_TRUE(is_quick(sql)) << sql;
  }
  for (const char* sql : {"SELECT DISTINCT a FROM file('a')",
                          "SELECT a b FROM file('a')",
                          "SELECT current_date FROM file('a')",
                          "SELECT f(a) FROM file('a')",
                          "SELECT a[1] FROM file('a')",
                          "SELECT a + 1 FROM file('a')",
                          "SELECT a FROM file('a') LIMIT 1 OFFSET 2",
                          "SELECT a FROM file('a') LIMIT 10%",
                          "CREATE TABLE t AS SELECT a FROM file('a') LIMIT 1 INSERT INTO file('b/')",
                          "SELECT a FROM file('a'), file('b')",
                          "SELECT a FROM t",
                          "SELECT a FROM file('a') WHERE a = 1 OR b = 2",
                          "SELECT a FROM file('a') WHERE a = 1 + 2",
                          "SELECT a FROM file('a') WHERE a = 1e5",
                          "SELECT a FROM file('a') WHERE a = b",
                          "SELECT a FROM file('a') WHERE NOT a",
                          "SELECT a FROM file('a') WHERE a IN (SELECT 1)",
                          "SELECT date '2026-01-01' FROM file('a')",
                          "SELECT a FROM file('a') ORDER BY a",
                          "SELECT * EXCLUDE (a) FROM file('a')",
                          "SELECT a FROM file('a') AS o(x)",
                          "SELECT a FROM file('a') WHERE a = 1 COLLATE nocase",
                          "SELECT a::INT FROM file('a')",
                          "SELECT a FROM file('a') UNION SELECT 1",
                          "SELECT o.* FROM file('a') o",
                          "FROM file('a')"}) {
    EXPECT_FALSE(is_quick(sql)) << sql;
  }
}

std::string stream(std::string_view select) {
  return complaint(fmt::format("CREATE STREAM s AS\n{}\nINSERT INTO file('out/')", select));
}

TEST(Planner, AStreamRefusesWhatIsNotRowWiseWithReasonAndPosition) {
  const std::string tail = "; CREATE TABLE runs over all rows of bounded inputs";
  const std::string head = ": a stream handles each row as it comes, and ";
  EXPECT_EQ(stream("SELECT x FROM file('a')"), "no error");
  EXPECT_EQ(stream("SELECT DISTINCT x FROM file('a')"), "a.sql:2:8" + head + "DISTINCT needs all rows" + tail);
  EXPECT_EQ(stream("SELECT x FROM file('a') LIMIT 3"),
            "a.sql:2:25" + head + "LIMIT and OFFSET count over all rows" + tail);
  EXPECT_EQ(stream("SELECT x FROM file('a') ORDER BY x"), "a.sql:2:25" + head + "ORDER BY needs all rows" + tail);
  EXPECT_EQ(stream("SELECT x, count(*) FROM file('a') GROUP BY x"),
            "a.sql:2:35" + head + "GROUP BY needs all rows" + tail);
  EXPECT_EQ(stream("SELECT 1, count(*) FROM file('a')"),
            "a.sql:2:11" + head + "count() is an aggregate, which needs all rows" + tail);
  EXPECT_EQ(stream("SELECT row_number() OVER () FROM file('a')"),
            "a.sql:2:8" + head + "a window function needs more than one row" + tail);
  EXPECT_EQ(stream("SELECT x FROM file('a') WHERE x IN (SELECT 1)"),
            "a.sql:2:33" + head + "a subquery is a query of its own; use a lookup JOIN" + tail);
  EXPECT_NE(stream("SELECT random() FROM file('a')")
                .find("a.sql:2:8: a stream handles each row as it comes, and random() "
                      "gives a different value each time"),
            std::string::npos);
  EXPECT_NE(stream("SELECT now() FROM file('a')").find("is the time of the query"), std::string::npos);
  EXPECT_NE(stream("SELECT current_date FROM file('a')").find("is the time of the query"), std::string::npos);
  EXPECT_NE(stream("SELECT uper(x) FROM file('a')").find("did you mean upper()?"), std::string::npos);
  EXPECT_NE(stream("SELECT x FROM file('a') UNION ALL SELECT x FROM file('b')").find("a.sql:2:25"), std::string::npos);
  EXPECT_NE(stream("SELECT 1").find("it reads from nothing"), std::string::npos);
  EXPECT_NE(stream("SELECT * FROM file('a') o RIGHT JOIN file('b') c ON o.id = c.id").find("only JOIN and LEFT JOIN"),
            std::string::npos);
}

TEST(Planner, MistakesInConnectorCallsAreNamedAtTheirPosition) {
  EXPECT_EQ(complaint("SELECT *\nFROM fil('a')"), "a.sql:2:6: unknown connector 'fil'; did you mean 'file'?");
  EXPECT_EQ(complaint("SELECT * FROM iceberg('a')"),
            "a.sql:1:15: connector 'iceberg' is not in this version of Sluice yet");
  EXPECT_EQ(complaint("SELECT * FROM read_csv('a')"),
            "a.sql:1:15: read_csv() would read behind Sluice's back; use file('…')");
  EXPECT_EQ(complaint("SELECT * FROM file('a' || 'b')"),
            "a.sql:1:24: expected ',' or ')' after an argument of file(…); arguments are literals, found '||'");
  EXPECT_EQ(complaint("SELECT * FROM file('s3://b/k')").substr(0, 12), "a.sql:1:20: ");
  EXPECT_EQ(complaint("SELECT a b c FROM file('x')"), "a.sql:1:12: syntax error at or near \"c\"");
  EXPECT_EQ(complaint("CREATE STREAM s AS SELECT * FROM s3('b/k') INSERT INTO file('x')"),
            "a.sql:1:34: s3('…') is read once; a stream follows a bucket with s3queue('…')");
  EXPECT_EQ(
      complaint("SELECT * FROM orders"),
      "a.sql:1:15: FROM orders: nothing earlier in this file has that name; read a source with a connector call such "
      "as file('…')");
}

TEST(Planner, ANameDefinedEarlierIsItsSinkReadBack) {
  World world;
  auto plans =
      plan_sql(world.context,
               "CREATE TABLE daily AS SELECT * FROM file('a') INSERT INTO file('lake/', partition_by := 'day', "
               "token := 'hush');\nSELECT daily.x FROM Daily",
               "a.sql", {});
  ASSERT_TRUE(plans.ok()) << plans.error().message();
  ASSERT_EQ(plans->size(), 2U);
  const auto& source = (*plans)[1].source;
  EXPECT_EQ(source.request.location.path, "lake/");
  EXPECT_FALSE(source.request.options.contains("partition_by"));
  EXPECT_TRUE(source.request.options.contains("token"));
  EXPECT_EQ(source.request.where, "a.sql:2:21");
}

TEST(Planner, ADefinitionIsTheSameHoweverItIsSpacedAndHoldsNoSecret) {
  World world;
  auto text = [&](std::string_view sql) { return plan_sql(world.context, sql, "a.sql", {})->at(0).definition; };
  auto one = text("INSERT INTO file('b', token := 'hush') SELECT  x /* c */ FROM file('a')");
  auto two = text("INSERT INTO file('b',token='other')\n SELECT x FROM file( 'a' )");
  EXPECT_EQ(one, two);
  EXPECT_EQ(one, "SELECT x FROM file('a') INSERT INTO file('b', token := '***')");
}

TEST(Planner, UnnamedStatementsAreNamedByWhatTheySay) {
  World world;
  auto plans = plan_sql(world.context,
                        "INSERT INTO file('b') SELECT x FROM file('a'); INSERT INTO file('c') SELECT x FROM file('a')",
                        "a.sql", {});
  ASSERT_TRUE(plans.ok()) << plans.error().message();
  EXPECT_TRUE((*plans)[0].name.starts_with("insert_"));
  EXPECT_NE((*plans)[0].name, (*plans)[1].name);
  EXPECT_TRUE((*plans)[0].sink->request.one_off);
  EXPECT_FALSE((*plans)[0].named);
}

}  // namespace
}  // namespace sluice::sql
