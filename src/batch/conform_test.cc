#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "batch/schema.h"
#include "batch/test_types.h"

namespace sluice {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

ArrayPtr array(const TypePtr& type, std::string_view json) {
  auto parsed = arrow::json::ArrayFromJSONString(type, json);
  if (!parsed.ok()) ADD_FAILURE() << parsed.status().ToString();
  return *parsed;
}
// One column named c.
BatchPtr batch(const TypePtr& type, std::string_view json) {
  auto values = array(type, json);
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("c", type)}), values->length(), {values});
}
BatchPtr batch(std::string_view type, std::string_view json) { return batch(parse_type(type).value(), json); }

void expect_becomes(const BatchPtr& from, const TypePtr& to, std::string_view json) {
  auto result = conform(from, arrow::schema({arrow::field("c", to)}));
  ASSERT_TRUE(result.ok()) << result.error().what;
  ASSERT_TRUE(result.value()->ValidateFull().ok()) << result.value()->ValidateFull().ToString();
  EXPECT_TRUE(result.value()->column(0)->Equals(*array(to, json), arrow::EqualOptions::Defaults().nans_equal(true)))
      << result.value()->ToString();
}
void expect_becomes(const BatchPtr& from, std::string_view to, std::string_view json) {
  expect_becomes(from, parse_type(to).value(), json);
}
std::string error_of(const BatchPtr& from, std::string_view to) {
  auto result = conform(from, arrow::schema({arrow::field("c", parse_type(to).value())}));
  if (result.ok()) return "no error: " + result.value()->ToString();
  EXPECT_EQ(result.error().fault, Fault::user);
  return result.error().what;
}

TEST(ConformTest, AnEqualSchemaReturnsTheBatchItself) {
  auto input = batch("BIGINT", "[1, null]");
  EXPECT_EQ(conform(input, columns("c BIGINT")).value(), input);
}

TEST(ConformTest, ColumnsAreTakenByNameWithoutCopyAndMissingOnesAreNull) {
  auto ids = array(arrow::int64(), "[1, 2]");
  auto names = array(arrow::utf8(), R"(["a", "b"])");
  auto input = arrow::RecordBatch::Make(columns("id BIGINT, name VARCHAR"), 2, {ids, names});
  auto result = conform(input, columns("name VARCHAR, at TIMESTAMP, id BIGINT")).value();
  EXPECT_EQ(result->column(0)->data()->buffers[2], names->data()->buffers[2]);
  EXPECT_EQ(result->column(1)->null_count(), 2);
  EXPECT_EQ(result->column(2)->data()->buffers[1], ids->data()->buffers[1]);
  EXPECT_TRUE(result->ValidateFull().ok());
}

TEST(ConformTest, WideningIsExact) {
  expect_becomes(batch("INTEGER", "[1, null, -3]"), "BIGINT", "[1, null, -3]");
  expect_becomes(batch("INTEGER", "[2147483647, null]"), "DOUBLE", "[2147483647, null]");
  expect_becomes(batch("UBIGINT", "[18446744073709551615]"), "DECIMAL(20,0)", R"(["18446744073709551615"])");
  expect_becomes(batch("DECIMAL(5,2)", R"(["1.25", null])"), "DECIMAL(10,4)", R"(["1.2500", null])");
  expect_becomes(batch("BIGINT", "[7]"), "DECIMAL(21,2)", R"(["7.00"])");
  expect_becomes(batch("DATE", "[1]"), "TIMESTAMP", R"(["1970-01-02"])");
  expect_becomes(batch("TIMESTAMP_S", R"(["2024-01-01"])"), "TIMESTAMP_NS", R"(["2024-01-01"])");
  expect_becomes(batch("\"NULL\"", "[null, null]"), "STRUCT(a BIGINT)", "[null, null]");
  expect_becomes(batch(arrow::large_utf8(), R"(["x", null])"), "VARCHAR", R"(["x", null])");
  expect_becomes(batch(arrow::utf8_view(), R"(["x", null])"), "VARCHAR", R"(["x", null])");
  expect_becomes(batch(arrow::dictionary(arrow::int8(), arrow::utf8()), R"(["x", null, "x"])"), "VARCHAR",
                 R"(["x", null, "x"])");
  expect_becomes(batch(arrow::date64(), "[86400000]"), "DATE", "[1]");
  expect_becomes(batch(arrow::timestamp(arrow::TimeUnit::MICRO, "Europe/Berlin"), "[1]"), "TIMESTAMPTZ", "[1]");
  expect_becomes(batch(arrow::float16(), "[1.5, null]"), "DOUBLE", "[1.5, null]");
  expect_becomes(batch(arrow::fixed_size_binary(2), R"(["ab", null])"), "BLOB", R"(["ab", null])");
}

TEST(ConformTest, NarrowingIsAllowedWhereEveryValueFits) {
  expect_becomes(batch("BIGINT", "[1, null]"), "TINYINT", "[1, null]");
  expect_becomes(batch("BIGINT", "[1, 2]"), "DECIMAL(3,2)", R"(["1.00", "2.00"])");
  expect_becomes(batch("DOUBLE", "[1.5, NaN, -0.0]"), "FLOAT", "[1.5, NaN, -0.0]");
  expect_becomes(batch("DOUBLE", "[3]"), "INTEGER", "[3]");
  expect_becomes(batch("TIMESTAMP", R"(["2024-01-02"])"), "DATE", "[19724]");
  expect_becomes(batch("DECIMAL(10,2)", R"(["3.00"])"), "BIGINT", "[3]");
}

TEST(ConformTest, AValueThatDoesNotFitIsNamedWithColumnAndRow) {
  EXPECT_EQ(error_of(batch("BIGINT", "[1, null, 300, 301]"), "TINYINT"), "column 'c', row 2: 300 does not fit TINYINT");
  EXPECT_EQ(error_of(batch("BIGINT", "[-1]"), "UBIGINT"), "column 'c', row 0: -1 does not fit UBIGINT");
  EXPECT_EQ(error_of(batch("BIGINT", "[1, 9007199254740993]"), "DOUBLE"),
            "column 'c', row 1: 9007199254740993 does not fit DOUBLE");
  EXPECT_EQ(error_of(batch("DOUBLE", "[0.5, 0.1]"), "FLOAT"), "column 'c', row 1: 0.1 does not fit FLOAT");
  EXPECT_EQ(error_of(batch("DOUBLE", "[1.5]"), "BIGINT"), "column 'c', row 0: 1.5 does not fit BIGINT");
  EXPECT_EQ(error_of(batch("DOUBLE", "[0.123]"), "DECIMAL(10,2)"),
            "column 'c', row 0: 0.123 does not fit DECIMAL(10,2)");
  EXPECT_EQ(error_of(batch("DECIMAL(5,2)", R"(["1.00", "1.25"])"), "DECIMAL(5,1)"),
            "column 'c', row 1: 1.25 does not fit DECIMAL(5,1)");
  EXPECT_EQ(error_of(batch("BIGINT", "[1, 10]"), "DECIMAL(3,2)"), "column 'c', row 1: 10 does not fit DECIMAL(3,2)");
  EXPECT_EQ(error_of(batch(arrow::date64(), "[0, 1]"), "DATE").substr(0, 19), "column 'c', row 1: ");
  EXPECT_EQ(error_of(batch("TIMESTAMP", "[0, 1]"), "TIMESTAMP_S").substr(0, 19), "column 'c', row 1: ");
  EXPECT_EQ(error_of(batch("TIMESTAMP", "[0, 1]"), "DATE").substr(0, 19), "column 'c', row 1: ");
  EXPECT_EQ(error_of(batch("TIMESTAMP_S", "[0, 99999999999999]"), "TIMESTAMP_NS").substr(0, 19), "column 'c', row 1: ");
  EXPECT_EQ(error_of(batch("DATE", "[0, 2000000000]"), "TIMESTAMP").substr(0, 19), "column 'c', row 1: ");
}

TEST(ConformTest, TypesOfDifferentMeaningAreRefused) {
  EXPECT_EQ(error_of(batch("VARCHAR", R"(["1"])"), "BIGINT"), "column 'c': VARCHAR cannot become BIGINT without loss");
  EXPECT_EQ(error_of(batch("BIGINT", "[1]"), "VARCHAR"), "column 'c': BIGINT cannot become VARCHAR without loss");
  EXPECT_EQ(error_of(batch("BOOLEAN", "[true]"), "TINYINT"), "column 'c': BOOLEAN cannot become TINYINT without loss");
  EXPECT_EQ(error_of(batch("TIMESTAMP", "[1]"), "TIMESTAMPTZ"),
            "column 'c': TIMESTAMP cannot become TIMESTAMP WITH TIME ZONE without loss");
  EXPECT_EQ(error_of(batch("VARCHAR", R"(["a"])"), "BLOB"), "column 'c': VARCHAR cannot become BLOB without loss");
  EXPECT_EQ(error_of(batch("BIGINT[]", "[[1]]"), "BIGINT"), "column 'c': BIGINT[] cannot become BIGINT without loss");
}

TEST(ConformTest, ColumnsWithoutAnyValueBecomeWhateverIsWanted) {
  expect_becomes(batch("VARCHAR", "[null, null]"), "BIGINT", "[null, null]");
}

TEST(ConformTest, StructsAreMatchedByFieldName) {
  expect_becomes(batch("STRUCT(b INTEGER, a VARCHAR)", R"([{"b": 1, "a": "x"}, null, {"b": null, "a": "y"}])"),
                 "STRUCT(a VARCHAR, b BIGINT, n DATE)",
                 R"([{"a": "x", "b": 1, "n": null}, null, {"a": "y", "b": null, "n": null}])");
  EXPECT_EQ(error_of(batch("STRUCT(u STRUCT(age BIGINT))", R"([{"u": {"age": 1}}, {"u": {"age": 300}}])"),
                     "STRUCT(u STRUCT(age TINYINT))"),
            "column 'c.u.age', row 1: 300 does not fit TINYINT");
}

TEST(ConformTest, ListsAndMapsAreCastByElement) {
  expect_becomes(batch("INTEGER[]", "[[1, 2], null, [], [3]]"), "BIGINT[]", "[[1, 2], null, [], [3]]");
  expect_becomes(batch(arrow::large_list(arrow::int32()), "[[1], null]"), "BIGINT[]", "[[1], null]");
  expect_becomes(batch("INTEGER[]", "[[1], null]"), arrow::large_list(arrow::int64()), "[[1], null]");
  expect_becomes(batch("INTEGER[2]", "[[1, 2], null, [3, 4]]"), "BIGINT[2]", "[[1, 2], null, [3, 4]]");
  expect_becomes(batch("INTEGER[2]", "[[1, 2], null]"), "BIGINT[]", "[[1, 2], null]");
  expect_becomes(batch("MAP(VARCHAR, INTEGER)", R"([[["a", 1]], null, [["b", null]]])"), "MAP(VARCHAR, BIGINT)",
                 R"([[["a", 1]], null, [["b", null]]])");
  expect_becomes(batch("STRUCT(a INTEGER)[][]", R"([[[{"a": 1}], null], []])"), "STRUCT(a BIGINT, b VARCHAR)[][]",
                 R"([[[{"a": 1, "b": null}], null], []])");
  EXPECT_EQ(error_of(batch("BIGINT[]", "[[1, 2], null, [], [3, 300]]"), "TINYINT[]"),
            "column 'c[]', row 3: 300 does not fit TINYINT");
  EXPECT_EQ(error_of(batch("BIGINT[2]", "[[1, 2], [3, 300]]"), "TINYINT[2]"),
            "column 'c[]', row 1: 300 does not fit TINYINT");
  EXPECT_EQ(error_of(batch("MAP(VARCHAR, BIGINT)", R"([[["a", 1]], [["b", 300]]])"), "MAP(VARCHAR, TINYINT)"),
            "column 'c.value', row 1: 300 does not fit TINYINT");
}

TEST(ConformTest, SlicesAreSeenAsSlices) {
  auto lists = batch("BIGINT[]", "[[300], [1], null, [2, 3], [400]]")->Slice(1, 3);
  expect_becomes(lists, "TINYINT[]", "[[1], null, [2, 3]]");
  auto structs = batch("STRUCT(a BIGINT)", R"([{"a": 300}, {"a": 1}, null, {"a": 400}])")->Slice(1, 2);
  expect_becomes(structs, "STRUCT(a TINYINT)", R"([{"a": 1}, null])");
  auto maps = batch("MAP(VARCHAR, BIGINT)", R"([[["a", 300]], [["b", 1]], null])")->Slice(1, 2);
  expect_becomes(maps, "MAP(VARCHAR, TINYINT)", R"([[["b", 1]], null])");
  auto fixed = batch("BIGINT[2]", "[[300, 300], [1, 2], null]")->Slice(1, 2);
  expect_becomes(fixed, "TINYINT[2]", "[[1, 2], null]");
  EXPECT_EQ(error_of(batch("BIGINT", "[300, 1, 301]")->Slice(1), "TINYINT"),
            "column 'c', row 1: 301 does not fit TINYINT");
}

TEST(ConformTest, EmptyBatchesChangeTheirType) {
  expect_becomes(batch("INTEGER", "[]"), "BIGINT", "[]");
  expect_becomes(batch("INTEGER[]", "[]"), "BIGINT[]", "[]");
  expect_becomes(batch("STRUCT(a INTEGER)", "[]"), "STRUCT(a BIGINT, b DATE)", "[]");
  EXPECT_EQ(error_of(batch("VARCHAR", "[]"), "BIGINT"), "column 'c': VARCHAR cannot become BIGINT without loss");
}

TEST(ConformTest, NullsInNotNullColumnsAreRefused) {
  EXPECT_EQ(conform(batch("INTEGER", "[1, null]"), columns("c BIGINT NOT NULL")).error().what,
            "column 'c', row 1: NULL in a column that is NOT NULL");
  EXPECT_EQ(conform(batch("INTEGER", "[1]"), columns("c BIGINT, d DATE NOT NULL")).error().what,
            "column 'd', row 0: NULL in a column that is NOT NULL");
  EXPECT_EQ(conform(batch("STRUCT(a INT)", R"([null, {"a": null}])"), columns("c STRUCT(a INT NOT NULL)")).error().what,
            "column 'c.a', row 1: NULL in a column that is NOT NULL");
  EXPECT_TRUE(conform(batch("STRUCT(a INT)", R"([null, {"a": 1}])"), columns("c STRUCT(a INT NOT NULL)")).ok());
}

TEST(ConformTest, AnAmbiguousColumnIsAnError) {
  auto values = array(arrow::int8(), "[1]");
  auto twice = arrow::schema({arrow::field("c", arrow::int8()), arrow::field("c", arrow::int8())});
  EXPECT_EQ(conform(arrow::RecordBatch::Make(twice, 1, {values, values}), columns("c BIGINT")).error().what,
            "column 'c' appears twice");
}

TEST(ConformTest, LongValuesAreCutInErrors) {
  auto error = error_of(batch("DECIMAL(38,0)", R"(["12345678901234567890123456789012345678"])"), "TINYINT");
  EXPECT_EQ(error, "column 'c', row 0: 12345678901234567890123456789012345678 does not fit TINYINT");
}

TEST(ConformTest, TheBadRowIsFoundInALargeBatch) {
  arrow::Int64Builder builder;
  for (int64_t i = 0; i < 100'000; ++i) ASSERT_TRUE(builder.Append(i == 77'777 ? 1'000'000 : 1).ok());
  auto values = *builder.Finish();
  auto input = arrow::RecordBatch::Make(columns("c BIGINT"), values->length(), {values});
  EXPECT_EQ(error_of(input, "SMALLINT"), "column 'c', row 77777: 1000000 does not fit SMALLINT");
}

}  // namespace
}  // namespace sluice
