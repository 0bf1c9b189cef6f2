#include "sql/statements.h"

#include <gtest/gtest.h>

namespace sluice::sql {
namespace {

Result<std::vector<Statement>> split(std::string_view text, const Variables& vars = {}) {
  auto script = TRY(Script::make(text, "a.sql", vars));
  auto tokens = TRY(tokenize(script));
  return split_statements(script, tokens);
}

std::string syntax_complaint(std::string_view text, const Variables& vars = {}) {
  auto result = split(text, vars);
  return result.ok() ? "no error" : result.error().what;
}

TEST(Statements, ACreateStreamHasNameOptionsSelectAndSink) {
  auto statements = split(R"(-- copy orders
    CREATE OR REPLACE STREAM "my orders" WITH (epoch := 10s, dead_letters := file('bad/')) AS
      SELECT id /* ; */, ';' AS s FROM file('in/*.json', format := 'json', tags := ['a', 'b''c'], limit = -3)
      INSERT INTO s3('b/k', codec => zstd, part := 64MB, rdkafka.linger.ms := 5);)");
  ASSERT_TRUE(statements.ok()) << statements.error().what;
  ASSERT_EQ(statements->size(), 1U);
  const auto& s = (*statements)[0];
  EXPECT_EQ(s.kind, PipelineKind::stream);
  EXPECT_TRUE(s.or_replace);
  EXPECT_EQ(s.name, "my orders");
  ASSERT_EQ(s.with.size(), 1U);
  EXPECT_EQ(s.with[0].value, "10s");
  ASSERT_TRUE(s.dead_letters);
  EXPECT_EQ(s.dead_letters->location, "bad/");
  ASSERT_TRUE(s.sink);
  EXPECT_EQ(s.sink->connector, "s3");
  ASSERT_EQ(s.sink->options.size(), 3U);
  EXPECT_EQ(s.sink->options[1].value, "64MB");
  EXPECT_EQ(s.sink->options[2].name, "rdkafka.linger.ms");
}

TEST(Statements, ListsAndNegativeNumbersAreOptionValues) {
  auto statements = split("INSERT INTO file('x', tags := ['a', 'b''c'], more := (1, 2), n := -3, b := true) SELECT 1");
  ASSERT_TRUE(statements.ok()) << statements.error().what;
  const auto& options = (*statements)[0].sink->options;
  EXPECT_EQ(options[0].value, "['a', 'b''c']");
  EXPECT_EQ(options[1].value, "[1, 2]");
  EXPECT_EQ(options[2].value, "-3");
  EXPECT_EQ(options[3].value, "true");
}

TEST(Statements, AnInsertMayCarryOptionsBeforeItsSelect) {
  auto statements = split("INSERT INTO file('x') WITH (lanes := 2) WITH t AS (SELECT 1) SELECT * FROM t; ; SELECT 2");
  ASSERT_TRUE(statements.ok()) << statements.error().what;
  ASSERT_EQ(statements->size(), 2U);
  EXPECT_EQ((*statements)[0].kind, PipelineKind::insert);
  EXPECT_EQ((*statements)[0].with.size(), 1U);
  EXPECT_EQ((*statements)[1].kind, PipelineKind::select);
}

TEST(Statements, InsertIntoInsideParenthesesOrStringsDoesNotEndTheSelect) {
  auto statements = split("CREATE TABLE t AS SELECT 'INSERT INTO', (insert) FROM file('a') INSERT INTO file('b')");
  ASSERT_TRUE(statements.ok()) << statements.error().what;
  EXPECT_EQ((*statements)[0].sink->location, "b");
}

TEST(Statements, MistakesAreNamedWithLineColumnAndTheNearestKeyword) {
  EXPECT_EQ(
      syntax_complaint("\n  CRAETE STREAM a"),
      "a.sql:2:3: expected one of CREATE, INSERT, SELECT, WITH, FROM, VALUES, found 'CRAETE'; did you mean CREATE?");
  EXPECT_EQ(syntax_complaint("CREATE STRAEM a AS SELECT 1"),
            "a.sql:1:8: expected one of STREAM, TABLE, OR REPLACE, found 'STRAEM'; did you mean STREAM?");
  EXPECT_EQ(syntax_complaint("CREATE TABLE a AS SELECT 1"),
            "a.sql:1:27: CREATE TABLE a has no destination; end it with INSERT INTO connector('…')");
  EXPECT_EQ(syntax_complaint("INSERT INTO file(x) SELECT 1"),
            "a.sql:1:18: expected the location as a string: file('…'), found 'x'");
  EXPECT_EQ(syntax_complaint("INSERT INTO file('x', a := ) SELECT 1"),
            "a.sql:1:28: expected a value for 'a': a string, number, true, false or a list, found ')'");
  EXPECT_EQ(syntax_complaint("INSERT INTO file('x', a := 1, a := 2) SELECT 1"),
            "a.sql:1:31: option 'a' is given twice");
  EXPECT_EQ(syntax_complaint("CREATE STREAM s AS SELECT 1 INSERT INTO file('x') WITH (a := 1)"),
            "a.sql:1:51: options come before AS: CREATE STREAM name WITH (…) AS SELECT …");
  EXPECT_EQ(syntax_complaint("SELECT (1"), "a.sql:1:8: this '(' is never closed");
  EXPECT_EQ(syntax_complaint("SELECT 'abc"), "a.sql:1:8: this string is never closed; add '");
  EXPECT_EQ(syntax_complaint("/* x"), "a.sql:1:1: this comment /* is never closed; add */");
}

TEST(Script, VariablesComeFromTheCommandLineThenTheEnvironment) {
  setenv("SLUICE_TEST_HOST", "env", 1);
  auto script = Script::make("SELECT '${SLUICE_TEST_HOST}', ${N}, '${Q}', '$${N}' -- ${NOT_SET}", "a.sql",
                             {{"N", "5"}, {"Q", "it's"}});
  ASSERT_TRUE(script.ok()) << script.error().what;
  EXPECT_EQ(script->text(), "SELECT 'env', 5, 'it''s', '${N}' -- ${NOT_SET}");
  auto again = Script::make("${SLUICE_TEST_HOST}", "a.sql", {{"SLUICE_TEST_HOST", "var"}});
  EXPECT_EQ(again->text(), "var");
}

TEST(Script, AnUnknownVariableIsAnErrorWithItsPosition) {
  EXPECT_EQ(syntax_complaint("SELECT\n  '${SLUICE_NOPE}'"),
            "a.sql:2:4: variable 'SLUICE_NOPE' is not set; give --var SLUICE_NOPE=… or set it in the environment");
  EXPECT_EQ(syntax_complaint("SELECT ${9}"), "a.sql:1:8: '${' starts a variable; write ${NAME}");
}

TEST(Script, PositionsAreThoseOfTheFileAfterSubstitutionAndCountCharacters) {
  auto script = Script::make("SELECT '${V}', 'äö', x\nFROM y", "a.sql", {{"V", "a very long value"}});
  ASSERT_TRUE(script.ok());
  EXPECT_EQ(script->position(script->text().find("x\n")), "a.sql:1:22");
  EXPECT_EQ(script->position(script->text().find('y', script->text().find("FROM"))), "a.sql:2:6");
  EXPECT_EQ(script->position(script->text().find("very")), "a.sql:1:9");
}

TEST(Script, AQuoteInAVariableNeverEndsTheLiteralItStandsIn) {
  auto statements = split("INSERT INTO file('${P}') SELECT 1", {{"P", "a') SELECT 2 --"}});
  ASSERT_TRUE(statements.ok());
  EXPECT_EQ((*statements)[0].sink->location, "a') SELECT 2 --");
}

}  // namespace
}  // namespace sluice::sql
