#include <arrow/extension_type.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "batch/schema.h"
#include "batch/test_types.h"

namespace sluice {
namespace {

std::string type_error(std::string_view text) {
  auto result = parse_type(text);
  return result.ok() ? "no error: " + result.value()->ToString() : result.error().what;
}
std::string columns_error(std::string_view text) {
  auto result = parse_columns(text);
  if (result.ok()) return "no error: " + result.value()->ToString();
  EXPECT_EQ(result.error().fault, Fault::user);
  return result.error().what;
}

TEST(ParseTypeTest, DuckDbsNamesAndAliasesMeanWhatTheyMeanThere) {
  const std::pair<const char*, TypePtr> kExpected[] = {
      {"BOOLEAN", arrow::boolean()},
      {"bool", arrow::boolean()},
      {"TINYINT", arrow::int8()},
      {"SMALLINT", arrow::int16()},
      {"INTEGER", arrow::int32()},
      {"int", arrow::int32()},
      {"BIGINT", arrow::int64()},
      {"INT8", arrow::int64()},
      {"INT4", arrow::int32()},
      {"UTINYINT", arrow::uint8()},
      {"UINT8", arrow::uint8()},
      {"USMALLINT", arrow::uint16()},
      {"UINTEGER", arrow::uint32()},
      {"UBIGINT", arrow::uint64()},
      {"HUGEINT", arrow::decimal128(38, 0)},
      {"REAL", arrow::float32()},
      {"FLOAT", arrow::float32()},
      {"DOUBLE", arrow::float64()},
      {"double precision", arrow::float64()},
      {"VARCHAR", arrow::utf8()},
      {"VARCHAR(20)", arrow::utf8()},
      {"character varying(3)", arrow::utf8()},
      {"TEXT", arrow::utf8()},
      {"STRING", arrow::utf8()},
      {"JSON", arrow::utf8()},
      {"UUID", arrow::utf8()},
      {"BLOB", arrow::binary()},
      {"BYTEA", arrow::binary()},
      {"DATE", arrow::date32()},
      {"TIME", arrow::time64(arrow::TimeUnit::MICRO)},
      {"TIMESTAMP", arrow::timestamp(arrow::TimeUnit::MICRO)},
      {"DATETIME", arrow::timestamp(arrow::TimeUnit::MICRO)},
      {"TIMESTAMP_S", arrow::timestamp(arrow::TimeUnit::SECOND)},
      {"TIMESTAMP_MS", arrow::timestamp(arrow::TimeUnit::MILLI)},
      {"TIMESTAMP_NS", arrow::timestamp(arrow::TimeUnit::NANO)},
      {"TIMESTAMP WITHOUT TIME ZONE", arrow::timestamp(arrow::TimeUnit::MICRO)},
      {"TIMESTAMPTZ", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")},
      {"timestamp  with\ttime zone", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")},
      {"INTERVAL", arrow::month_day_nano_interval()},
      {"DECIMAL", arrow::decimal128(18, 3)},
      {"DECIMAL(12)", arrow::decimal128(12, 0)},
      {"numeric(12, 2)", arrow::decimal128(12, 2)},
      {"\"NULL\"", arrow::null()},
  };
  for (const auto& [text, expected] : kExpected) {
    EXPECT_TRUE(type(text)->Equals(*expected)) << text << " became " << type(text)->ToString();
  }
}

TEST(ParseTypeTest, NestedTypesNest) {
  EXPECT_TRUE(type("VARCHAR[]")->Equals(*arrow::list(arrow::utf8())));
  EXPECT_TRUE(type("INT[][]")->Equals(*arrow::list(arrow::list(arrow::int32()))));
  EXPECT_TRUE(type("DOUBLE[3]")->Equals(*arrow::fixed_size_list(arrow::float64(), 3)));
  EXPECT_TRUE(type("MAP(VARCHAR, INT[])")->Equals(*arrow::map(arrow::utf8(), arrow::list(arrow::int32()))));
  EXPECT_TRUE(type("STRUCT(a BIGINT, \"b c\" VARCHAR[])[]")
                  ->Equals(*arrow::list(arrow::struct_(
                      {arrow::field("a", arrow::int64()), arrow::field("b c", arrow::list(arrow::utf8()))}))));
  EXPECT_TRUE(type("ROW(x STRUCT(y DATE))")
                  ->Equals(*arrow::struct_({arrow::field("x", arrow::struct_({arrow::field("y", arrow::date32())}))})));
}

TEST(ParseTypeTest, MistakesNameThePosition) {
  EXPECT_EQ(type_error(""), "position 1: a type is expected, but the text ends");
  EXPECT_EQ(type_error("INT]"), "position 4: the end is expected, not ']'");
  EXPECT_EQ(type_error("INT["), "position 5: ']' is expected, but the text ends");
  EXPECT_EQ(type_error("MAP(INT)"), "position 8: a comma between MAP's key and value types is expected, not ')'");
  EXPECT_EQ(type_error("STRUCT()"), "position 8: a field name is expected, not ')'");
  EXPECT_EQ(type_error("STRUCT(a INT, a INT)"), "position 15: field 'a' is given twice");
  EXPECT_EQ(type_error("DECIMAL(39,2)"), "position 9: DECIMAL's precision is between 1 and 38, not 39");
  EXPECT_EQ(type_error("DECIMAL(5,6)"), "position 11: DECIMAL's scale is between 0 and 5, not 6");
  EXPECT_EQ(type_error("DECIMAL(99999999999)"), "position 9: DECIMAL's precision is between 1 and 38, not 99999999999");
  EXPECT_EQ(type_error("UHUGEINT").substr(0, 34), "position 1: 'UHUGEINT' is not a ty");
  EXPECT_NE(type_error("INT PRECISION").find("not a type"), std::string::npos);
  EXPECT_NE(type_error("STRUCT").find("not a type"), std::string::npos);
}

TEST(ParseTypeTest, DepthIsBounded) {
  std::string deep = "INT";
  for (int i = 0; i < 100'000; ++i) deep += "[]";
  EXPECT_NE(type_error(deep).find("nested more than 64 deep"), std::string::npos);
  std::string structs;
  for (int i = 0; i < 100'000; ++i) structs += "STRUCT(a ";
  EXPECT_NE(type_error(structs).find("nested more than 64 deep"), std::string::npos);
}

TEST(ParseColumnsTest, NamesMayBeQuotedAndColumnsMayBeNotNull) {
  auto schema = parse_columns(
      "id BIGINT NOT NULL, \"Größe \"\"cm\"\"\" DOUBLE NULL, größe INT, tags VARCHAR[],\n"
      "user STRUCT(id BIGINT, city VARCHAR), price DECIMAL(12,2)");
  ASSERT_TRUE(schema.ok()) << schema.error().what;
  ASSERT_EQ(schema.value()->num_fields(), 6);
  EXPECT_FALSE(schema.value()->field(0)->nullable());
  EXPECT_EQ(schema.value()->field(1)->name(), "Größe \"cm\"");
  EXPECT_TRUE(schema.value()->field(1)->nullable());
  EXPECT_EQ(schema.value()->field(2)->name(), "größe");
  EXPECT_EQ(type_name(*schema.value()->field(4)->type()), "STRUCT(id BIGINT, city VARCHAR)");
  EXPECT_EQ(type_name(*schema.value()->field(5)->type()), "DECIMAL(12,2)");
}

TEST(ParseColumnsTest, MistakesNameTheColumnAndThePosition) {
  EXPECT_EQ(columns_error("id BIGNIT").substr(0, 49), "position 4, column 'id': 'BIGNIT' is not a type; ");
  EXPECT_EQ(columns_error("id"), "position 3, column 'id': a type is expected, but the text ends");
  EXPECT_EQ(columns_error("id INT,"), "position 8: a column name is expected, but the text ends");
  EXPECT_EQ(columns_error("id INT x"), "position 8: a comma or the end is expected, not 'x'");
  EXPECT_EQ(columns_error("id INT, id INT"), "position 9: column 'id' is given twice");
  EXPECT_EQ(columns_error("u STRUCT(a INT, b FOO)").substr(0, 26), "position 19, column 'u.b':");
  EXPECT_EQ(columns_error("\"id INT"), "position 1: a \" has no end");
  EXPECT_EQ(columns_error("1 INT"), "position 1: a column name is expected, not '1'");
  EXPECT_EQ(columns_error("id INT NOT"), "position 11, column 'id': NULL after NOT is expected, but the text ends");
}

TEST(TypeNameTest, IsReadBackAsTheSameType) {
  for (const char* text : {"BOOLEAN",
                           "TINYINT",
                           "SMALLINT",
                           "INTEGER",
                           "BIGINT",
                           "UTINYINT",
                           "USMALLINT",
                           "UINTEGER",
                           "UBIGINT",
                           "FLOAT",
                           "DOUBLE",
                           "VARCHAR",
                           "BLOB",
                           "DATE",
                           "TIME",
                           "TIME_NS",
                           "TIMESTAMP",
                           "TIMESTAMP_S",
                           "TIMESTAMP_MS",
                           "TIMESTAMP_NS",
                           "TIMESTAMP WITH TIME ZONE",
                           "TIMESTAMP_MS WITH TIME ZONE",
                           "INTERVAL",
                           "DECIMAL(12,2)",
                           "\"NULL\"",
                           "VARCHAR[]",
                           "INTEGER[3][]",
                           "MAP(VARCHAR, DOUBLE[])",
                           "STRUCT(a BIGINT, \"b c\" VARCHAR[], \"1\" DATE, \"q\"\"q\" TIME)"}) {
    EXPECT_EQ(type_name(*type(text)), text);
  }
}

TEST(TypeNameTest, StorageVariantsHaveTheNameOfWhatTheyHold) {
  EXPECT_EQ(type_name(*arrow::large_utf8()), "VARCHAR");
  EXPECT_EQ(type_name(*arrow::utf8_view()), "VARCHAR");
  EXPECT_EQ(type_name(*arrow::dictionary(arrow::int32(), arrow::utf8())), "VARCHAR");
  EXPECT_EQ(type_name(*arrow::fixed_size_binary(16)), "BLOB");
  EXPECT_EQ(type_name(*arrow::large_list(arrow::int8())), "TINYINT[]");
  EXPECT_EQ(type_name(*arrow::decimal256(50, 4)), "DECIMAL(50,4)");
  EXPECT_EQ(type_name(*arrow::timestamp(arrow::TimeUnit::MICRO, "Europe/Berlin")), "TIMESTAMP WITH TIME ZONE");
}

}  // namespace
}  // namespace sluice
