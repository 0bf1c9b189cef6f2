#include "format/parquet/prune.h"

#include <arrow/json/from_string.h>
#include <gmock/gmock.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>

#include <cmath>

#include "format/parquet/test_file.h"

namespace sluice::parquet_format_detail {
namespace {

using Op = Predicate::Op;

// One row group per test; true when the predicate may hold in it.
class Prune : public ParquetTest {
 protected:
  bool keeps(const TypePtr& type, const std::string& values, Op op,
             std::vector<std::shared_ptr<arrow::Scalar>> literals, ColumnPath column = {"c"}) {
    auto schema = arrow::schema({arrow::field("c", type)});
    std::string json;
    auto array = arrow::json::ArrayFromJSONString(type, values).ValueOrDie();
    auto bytes = encode(schema, {arrow::RecordBatch::Make(schema, array->length(), {array})});
    auto reader = parquet::ParquetFileReader::Open(std::make_shared<arrow::io::BufferReader>(bytes));
    parquet::arrow::SchemaManifest manifest;
    EXPECT_TRUE(parquet::arrow::SchemaManifest::Make(reader->metadata()->schema(), nullptr,
                                                     parquet::ArrowReaderProperties(), &manifest)
                    .ok());
    return may_match(*reader->metadata(), manifest, 0, {Predicate{std::move(column), op, std::move(literals)}});
  }
  static std::shared_ptr<arrow::Scalar> number(int64_t value) { return arrow::MakeScalar(value); }
  static std::shared_ptr<arrow::Scalar> real(double value) { return arrow::MakeScalar(value); }
  static std::shared_ptr<arrow::Scalar> text(const std::string& value) { return arrow::MakeScalar(value); }
};

TEST_F(Prune, compares_integers_of_any_width) {
  for (const auto& type : {arrow::int8(), arrow::int32(), arrow::int64(), arrow::uint16(), arrow::uint64()}) {
    const char* values = "[10, 20, null]";
    EXPECT_TRUE(keeps(type, values, Op::eq, {number(15)}));
    EXPECT_FALSE(keeps(type, values, Op::eq, {number(9)}));
    EXPECT_FALSE(keeps(type, values, Op::lt, {number(10)}));
    EXPECT_TRUE(keeps(type, values, Op::le, {number(10)}));
    EXPECT_FALSE(keeps(type, values, Op::gt, {number(20)}));
    EXPECT_TRUE(keeps(type, values, Op::ge, {number(20)}));
    EXPECT_FALSE(keeps(type, values, Op::in, {number(1), number(21)}));
    EXPECT_TRUE(keeps(type, values, Op::in, {number(1), number(20)}));
  }
}

TEST_F(Prune, not_equal_needs_another_value) {
  EXPECT_FALSE(keeps(arrow::int64(), "[7, 7]", Op::ne, {number(7)}));
  EXPECT_TRUE(keeps(arrow::int64(), "[7, 8]", Op::ne, {number(7)}));
}

TEST_F(Prune, dates_against_moments_keep_the_time) {
  const auto moment = [](const char* text) {
    return arrow::Scalar::Parse(arrow::timestamp(arrow::TimeUnit::MICRO), text).ValueOrDie();
  };
  const char* january_1st = "[18262]";
  EXPECT_TRUE(keeps(arrow::date32(), january_1st, Op::lt, {moment("2020-01-01 12:00:00")}));
  EXPECT_FALSE(keeps(arrow::date32(), january_1st, Op::eq, {moment("2020-01-01 12:00:00")}));
  EXPECT_TRUE(keeps(arrow::date32(), january_1st, Op::eq, {moment("2020-01-01 00:00:00")}));
  EXPECT_FALSE(keeps(arrow::date32(), january_1st, Op::lt, {moment("2020-01-01 00:00:00")}));
  EXPECT_FALSE(keeps(arrow::date32(), january_1st, Op::ge, {moment("2020-01-01 12:00:00")}));
  auto day = arrow::Scalar::Parse(arrow::date32(), "2020-01-01").ValueOrDie();
  EXPECT_TRUE(keeps(arrow::timestamp(arrow::TimeUnit::NANO), "[1577880000000000000]", Op::gt, {day}));
  EXPECT_FALSE(keeps(arrow::timestamp(arrow::TimeUnit::NANO), "[1577880000000000000]", Op::eq, {day}));
}

TEST_F(Prune, numbers_against_texts_prove_nothing) {
  EXPECT_TRUE(keeps(arrow::int64(), "[10, 30]", Op::lt, {text("5")}));  // as texts '10' < '5'
}

TEST_F(Prune, fractions_against_integers_do_not_round) {
  EXPECT_TRUE(keeps(arrow::int64(), "[5]", Op::lt, {real(5.5)}));
  EXPECT_FALSE(keeps(arrow::int64(), "[5]", Op::gt, {real(5.5)}));
  EXPECT_TRUE(keeps(arrow::float32(), "[0.7]", Op::lt, {real(0.7)}));  // as float32 it is 0.69999999
}

TEST_F(Prune, a_literal_out_of_the_columns_range_proves_nothing_wrong) {
  EXPECT_FALSE(keeps(arrow::int8(), "[1, 2]", Op::eq, {number(300)}));
  EXPECT_TRUE(keeps(arrow::int8(), "[1, 2]", Op::lt, {number(300)}));
}

TEST_F(Prune, nan_is_greater_than_every_number) {
  EXPECT_TRUE(keeps(arrow::float64(), "[1, NaN]", Op::gt, {real(5)}));
  EXPECT_FALSE(keeps(arrow::float64(), "[1, NaN]", Op::lt, {real(0)}));
  EXPECT_TRUE(keeps(arrow::float64(), "[1]", Op::eq, {real(std::nan(""))}));
  EXPECT_TRUE(keeps(arrow::float64(), "[1, NaN]", Op::ne, {real(1)}));
}

TEST_F(Prune, zero_has_no_sign) {
  EXPECT_TRUE(keeps(arrow::float64(), "[0.0]", Op::eq, {real(-0.0)}));
  EXPECT_TRUE(keeps(arrow::float64(), "[-0.0]", Op::ge, {real(0.0)}));
}

TEST_F(Prune, text_compares_byte_by_byte) {
  EXPECT_FALSE(keeps(arrow::utf8(), R"(["b", "d"])", Op::eq, {text("a")}));
  EXPECT_TRUE(keeps(arrow::utf8(), R"(["b", "d"])", Op::eq, {text("c")}));
  EXPECT_FALSE(keeps(arrow::utf8(), R"(["b", "z"])", Op::eq, {text("ä")}));
  EXPECT_TRUE(keeps(arrow::utf8(), R"(["b", "ö"])", Op::eq, {text("ä")}));
  std::string wide(10'000, 'x');  // longer than statistics may be
  EXPECT_TRUE(keeps(arrow::utf8(), "[\"" + wide + "\"]", Op::eq, {text(wide)}));
}

TEST_F(Prune, dates_times_and_decimals_compare) {
  auto us = arrow::timestamp(arrow::TimeUnit::MICRO);
  EXPECT_FALSE(keeps(us, "[-5, 5]", Op::lt, {std::make_shared<arrow::TimestampScalar>(-5, us)}));
  auto ms = arrow::timestamp(arrow::TimeUnit::MILLI);
  EXPECT_FALSE(keeps(ms, "[1, 5]", Op::gt, {std::make_shared<arrow::TimestampScalar>(5000, us)}));
  EXPECT_TRUE(keeps(ms, "[1, 5]", Op::lt, {std::make_shared<arrow::TimestampScalar>(5001, us)}));
  EXPECT_FALSE(keeps(arrow::date32(), "[10]", Op::lt, {std::make_shared<arrow::Date32Scalar>(10)}));
  auto decimal = arrow::decimal128(20, 2);
  auto money = std::make_shared<arrow::Decimal128Scalar>(arrow::Decimal128(150), decimal);
  EXPECT_FALSE(keeps(decimal, R"(["-1.50", "1.49"])", Op::ge, {money}));
  EXPECT_TRUE(keeps(decimal, R"(["-1.50", "1.50"])", Op::ge, {money}));
  EXPECT_FALSE(keeps(decimal, R"(["1.50", "2.50"])", Op::lt, {number(1)}));
  EXPECT_FALSE(keeps(arrow::boolean(), "[false, false]", Op::eq, {arrow::MakeScalar(true)}));
}

TEST_F(Prune, nulls_are_counted) {
  EXPECT_FALSE(keeps(arrow::int64(), "[1, 2]", Op::is_null, {}));
  EXPECT_TRUE(keeps(arrow::int64(), "[1, null]", Op::is_null, {}));
  EXPECT_FALSE(keeps(arrow::int64(), "[null, null]", Op::is_not_null, {}));
  EXPECT_FALSE(keeps(arrow::int64(), "[null, null]", Op::eq, {number(1)}));
  EXPECT_FALSE(keeps(arrow::int64(), "[1]", Op::eq, {arrow::MakeNullScalar(arrow::int64())}));
}

TEST_F(Prune, a_column_the_file_lacks_is_null) {
  EXPECT_FALSE(keeps(arrow::int64(), "[1]", Op::eq, {number(1)}, {"other"}));
  EXPECT_TRUE(keeps(arrow::int64(), "[1]", Op::is_null, {}, {"other"}));
}

TEST_F(Prune, lists_and_types_that_do_not_compare_are_kept) {
  EXPECT_TRUE(keeps(arrow::list(arrow::int64()), "[[1]]", Op::is_null, {}));
  EXPECT_TRUE(keeps(arrow::utf8(), R"(["a"])", Op::eq, {real(1.5)}));
}

}  // namespace
}  // namespace sluice::parquet_format_detail
