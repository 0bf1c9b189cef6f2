#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/json/json_fixture.h"

namespace sluice::json {
namespace {

TEST(JsonInfer, types_widen_over_the_sample) {
  EXPECT_EQ(inferred("{\"a\":1,\"b\":1,\"c\":true,\"d\":\"x\"}\n{\"a\":2,\"b\":1.5,\"c\":null}\n"),
            "a BIGINT, b DOUBLE, c BOOLEAN, d VARCHAR");
  EXPECT_EQ(inferred("{\"a\":18446744073709551615}\n{\"a\":1}\n"), "a UBIGINT");
  EXPECT_EQ(inferred("{\"u\":{\"x\":1}}\n{\"u\":{\"y\":[1,2.5]}}\n"), "u STRUCT(x BIGINT, y DOUBLE[])");
}

TEST(JsonInfer, dates_and_timestamps_are_recognised) {
  EXPECT_EQ(
      inferred(
          "{\"d\":\"2026-01-31\",\"t\":\"2026-01-31 10:00:00.5\",\"z\":\"2026-01-31T10:00:00Z\",\"m\":\"2026-01-31\"}\n"
          "{\"d\":null,\"t\":\"2026-01-31\",\"z\":\"2026-01-31T10:00:00+02:00\",\"m\":\"soon\"}\n"),
      "d DATE, t TIMESTAMP, z TIMESTAMP WITH TIME ZONE, m VARCHAR");
  EXPECT_EQ(inferred("{\"d\":\"2026-02-30\"}\n"), "d VARCHAR");
  World world;
  InferOptions options;
  options.timestamps = false;
  auto schema = infer(world.context, options, input_of("{\"d\":\"2026-01-31\"}", {})).value();
  EXPECT_EQ(schema->field(0)->type()->id(), arrow::Type::STRING);
}

TEST(JsonInfer, values_without_a_common_type_become_text_that_holds_their_json) {
  std::string text = "{\"a\":1,\"b\":{\"x\":1}}\n{\"a\":\"one\",\"b\":[2]}\n";
  EXPECT_EQ(inferred(text), "a VARCHAR, b VARCHAR");
  EXPECT_EQ(rows(text), "{\"a\":\"1\",\"b\":\"{\\\"x\\\":1}\"}\n{\"a\":\"one\",\"b\":\"[2]\"}\n");
}

TEST(JsonInfer, a_field_that_is_always_null_unifies_with_any_type_and_reads_as_text) {
  World world;
  auto nothing = infer(world.context, {}, input_of("{\"a\":null,\"b\":{},\"c\":[]}\n", {})).value();
  EXPECT_EQ(nothing->field(0)->type()->id(), arrow::Type::NA);
  auto something = infer(world.context, {}, input_of("{\"a\":1,\"b\":{\"x\":1},\"c\":[true]}\n", {})).value();
  auto both = unify(nothing, something);
  ASSERT_TRUE(both.ok()) << both.error().message();
  EXPECT_TRUE(both.value()->Equals(*something, false)) << both.value()->ToString();
  EXPECT_EQ(rows("{\"a\":null,\"b\":{},\"c\":[]}\n"), "{\"a\":null,\"b\":\"{}\",\"c\":[]}\n");
}

TEST(JsonInfer, integers_beyond_64_bits_ask_for_a_declaration) {
  EXPECT_EQ(inferred("{\"a\":123456789012345678901234567890}\n"),
            "error: t.json: column 'a' holds integers that no BIGINT or UBIGINT holds; declare it: columns := 'a "
            "DECIMAL(38,0)' or VARCHAR");
}

TEST(JsonInfer, bad_lines_are_left_to_the_decoder_unless_there_is_nothing_else) {
  EXPECT_EQ(inferred("{\"a\":1}\n{oops\n{\"a\":2,\"b\":true}\n"), "a BIGINT, b BOOLEAN");
  EXPECT_THAT(inferred("oops\n"), testing::HasSubstr("error: t.json:1: the record is not valid JSON near 'oops'"));
}

TEST(JsonInfer, deep_nesting_ends_as_text) {
  std::string deep = "{\"a\":";
  for (int i = 0; i < 100000; ++i) deep += "[";
  EXPECT_THAT(inferred(deep + "\n{\"b\":1}\n"), testing::HasSubstr("b BIGINT"));
}

}  // namespace
}  // namespace sluice::json
