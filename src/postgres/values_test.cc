#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "postgres/array_text.h"
#include "postgres/bytes.h"
#include "postgres/decode.h"
#include "postgres/errors.h"
#include "postgres/moment.h"
#include "postgres/numeric.h"

namespace sluice::postgres {
namespace {

std::string numeric(std::vector<int> groups, int weight, int sign, int scale) {
  std::string out;
  append_be<int16_t>(static_cast<int16_t>(groups.size()), &out);
  append_be<int16_t>(static_cast<int16_t>(weight), &out);
  append_be<uint16_t>(static_cast<uint16_t>(sign), &out);
  append_be<uint16_t>(static_cast<uint16_t>(scale), &out);
  for (int group : groups) append_be<uint16_t>(static_cast<uint16_t>(group), &out);
  return out;
}

TEST(NumericTest, BinaryBecomesADecimalOfTheColumnsScale) {
  const auto read = [](const std::string& bytes, int precision, int scale) {
    return decimal_of_binary(bytes, precision, scale).value().ToString(scale);
  };
  EXPECT_EQ(read(numeric({1, 2345, 6700}, 1, 0, 2), 12, 2), "12345.67");
  EXPECT_EQ(read(numeric({1, 2345, 6700}, 1, 0x4000, 2), 12, 2), "-12345.67");
  EXPECT_EQ(read(numeric({}, 0, 0, 2), 12, 2), "0.00");
  EXPECT_EQ(read(numeric({5000}, -1, 0, 1), 12, 4), "0.5000");
  EXPECT_EQ(read(numeric({1}, 3, 0, 0), 13, 0), "1000000000000");
  // 38 nines: nine groups of 9999 and two digits in front.
  EXPECT_EQ(read(numeric({99, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999}, 9, 0, 0), 38, 0),
            std::string(38, '9'));
  EXPECT_EQ(read(numeric({9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9900}, -1, 0, 38), 38, 38),
            "0." + std::string(38, '9'));
}

TEST(NumericTest, WhatDoesNotFitIsAnErrorWithTheValue) {
  EXPECT_EQ(decimal_of_binary(numeric({}, 0, 0xC000, 0), 12, 2).error().what, "NaN does not fit DECIMAL(12,2)");
  EXPECT_EQ(decimal_of_binary(numeric({1}, 3, 0, 0), 12, 0).error().what, "1000000000000 does not fit DECIMAL(12,0)");
  EXPECT_EQ(decimal_of_binary(numeric({0, 1}, 0, 0, 4), 12, 2).error().what, "0.0001 does not fit DECIMAL(12,2)");
  EXPECT_FALSE(decimal_of_binary("abc", 12, 2).ok());
  EXPECT_FALSE(decimal_of_binary(numeric({1, 2}, 0, 0, 0).substr(0, 10), 12, 2).ok());
}

TEST(NumericTest, TextIsPostgreSQLsOwn) {
  EXPECT_EQ(text_of_binary(numeric({1, 2345, 6700}, 1, 0x4000, 2)).value(), "-12345.67");
  EXPECT_EQ(text_of_binary(numeric({}, 0, 0, 3)).value(), "0.000");
  EXPECT_EQ(text_of_binary(numeric({12}, -2, 0, 8)).value(), "0.00000012");
  EXPECT_EQ(text_of_binary(numeric({7}, 2, 0, 0)).value(), "700000000");
  EXPECT_EQ(text_of_binary(numeric({}, 0, 0xF000, 0)).value(), "-Infinity");
}

TEST(NumericTest, ADecimalComesBackAsItself) {
  for (const char* text : {"0.00", "1.00", "-1.05", "12345.67", "99999999999999999999999999999999999.99", "-0.01",
                           "10000.00", "0.10", "100000000.00"}) {
    const auto value = decimal_of_text(text, 38, 2).value();
    std::string bytes;
    append_binary(value, 2, &bytes);
    EXPECT_EQ(text_of_binary(bytes).value(), text);
    EXPECT_EQ(decimal_of_binary(bytes, 38, 2).value(), value) << text;
  }
  for (int scale : {0, 1, 3, 4, 5, 8, 37, 38}) {
    const arrow::Decimal128 value("-12345678901234567890123456789012345678");
    std::string bytes;
    append_binary(value, scale, &bytes);
    EXPECT_EQ(decimal_of_binary(bytes, 38, scale).value(), value) << scale;
    EXPECT_EQ(text_of_binary(bytes).value(), value.ToString(scale));
  }
}

TEST(MomentTest, TextAndWireAgree) {
  EXPECT_EQ(parse_date("1970-01-01").value(), 0);
  EXPECT_EQ(parse_date("1969-12-31").value(), -1);
  EXPECT_EQ(parse_date("2000-01-01").value(), date_of_wire(0).value());
  EXPECT_EQ(parse_date("4714-11-24 BC").value(), date_of_wire(-2'451'545).value());
  EXPECT_EQ(parse_date("infinity").value(), date_of_wire(INT32_MAX).value());
  EXPECT_EQ(parse_date("-infinity").value(), date_of_wire(INT32_MIN).value());
  EXPECT_EQ(parse_time("24:00:00").value(), kMicrosPerDay);
  EXPECT_EQ(parse_time("00:00:00.000001").value(), 1);
  EXPECT_EQ(parse_timestamp("2000-01-01 00:00:00").value(), timestamp_of_wire(0).value());
  EXPECT_EQ(parse_timestamp("1999-12-31 23:59:59.5").value(), timestamp_of_wire(-500'000).value());
  EXPECT_EQ(parse_timestamp("2000-01-01 05:30:00+05:30").value(), timestamp_of_wire(0).value());
  EXPECT_EQ(parse_timestamp("1999-12-31 22:00:00-02").value(), timestamp_of_wire(0).value());
  EXPECT_EQ(parse_timestamp("-infinity").value(), timestamp_of_wire(INT64_MIN).value());
  EXPECT_EQ(parse_timestamp("0001-01-01 00:00:00+00 BC").value(), -62'167'219'200'000'000);
  EXPECT_FALSE(timestamp_of_wire(INT64_MAX - 1).ok());
  for (const char* text : {"", "2000-13-01", "2000", "yesterday", "2000-01-01 BCE"})
    EXPECT_FALSE(parse_date(text).ok());
}

TEST(MomentTest, WhatPostgreSQLSentItTakesBack) {
  for (int32_t days : {0, 1, -1, INT32_MAX, INT32_MIN, -2'451'545, 2'145'031'948}) {
    EXPECT_EQ(wire_of_date(date_of_wire(days).value()).value(), days);
  }
  for (int64_t micros : {int64_t{0}, int64_t{-1}, INT64_MAX, INT64_MIN, int64_t{-211'813'488'000'000'000}}) {
    EXPECT_EQ(wire_of_timestamp(timestamp_of_wire(micros).value()).value(), micros);
  }
  EXPECT_FALSE(wire_of_date(-2'440'589).ok());
}

TEST(MomentTest, IntervalsKeepTheirThreeParts) {
  const auto interval = parse_interval("P1Y2M-3DT4H-5M6.7S").value();
  EXPECT_EQ(interval.months, 14);
  EXPECT_EQ(interval.days, -3);
  EXPECT_EQ(interval.nanoseconds, ((4 * 3600 - 5 * 60 + 6) * 1'000'000LL + 700'000) * 1000);
  EXPECT_EQ(parse_interval("PT0S").value().nanoseconds, 0);
  EXPECT_EQ(parse_interval("PT-0.000001S").value().nanoseconds, -1000);
  EXPECT_FALSE(parse_interval("1 year").ok());
  EXPECT_FALSE(interval_of_wire(INT64_MAX, 0, 0).ok());
}

std::vector<std::string> items(std::string_view text) {
  ArrayText reader(text);
  EXPECT_TRUE(reader.open().ok()) << text;
  std::vector<std::string> out;
  while (true) {
    auto item = reader.next();
    EXPECT_TRUE(item.ok()) << text;
    if (!item.ok() || !item.value()) return out;
    out.push_back(item.value()->is_null ? "NULL" : "=" + item.value()->text);
  }
}

TEST(ArrayTextTest, QuotesAndEscapesAreUndone) {
  EXPECT_EQ(items("{1,NULL,3}"), (std::vector<std::string>{"=1", "NULL", "=3"}));
  EXPECT_EQ(items(R"({"a \"b\"","",a\\b,"NULL","{x,y}"})"),
            (std::vector<std::string>{"=a \"b\"", "=", "=a\\b", "=NULL", "={x,y}"}));
  EXPECT_TRUE(items("{}").empty());
}

TEST(ArrayTextTest, DimensionsAndBoundsAreSeen) {
  ArrayText two("{{1,2},{3,4}}");
  ASSERT_TRUE(two.open().ok());
  EXPECT_EQ(two.dimensions(), 2);
  ArrayText shifted("[0:1]={1,2}");
  ASSERT_TRUE(shifted.open().ok());
  EXPECT_EQ(shifted.lower_bound(), 0);
  for (const char* text : {"", "1", "{", "[", "[x]=}", "{\"a}"}) {
    ArrayText reader(text);
    bool failed = !reader.open().ok();
    while (!failed) {
      auto item = reader.next();
      failed = !item.ok();
      if (!failed && !item.value()) break;
    }
    EXPECT_TRUE(failed) << text;
  }
}

Column column(const char* name, Kind kind, int32_t typmod = -1) {
  Column out;
  out.name = name;
  out.type.kind = kind;
  out.type.typmod = typmod;
  return out;
}

TEST(CopyDecoderTest, RowsOfBinaryCopyBecomeABatch) {
  auto decoder = CopyDecoder::create({column("id", Kind::int8), column("name", Kind::text)}, {}).value();
  std::string row("PGCOPY\n\377\r\n\0", 11);
  append_be<int32_t>(0, &row);
  append_be<int32_t>(0, &row);
  append_be<int16_t>(2, &row);
  append_be<int32_t>(8, &row);
  append_be<int64_t>(42, &row);
  append_be<int32_t>(2, &row);
  row += "ab";
  ASSERT_TRUE(decoder.add(row).ok());
  std::string nulls;
  append_be<int16_t>(2, &nulls);
  append_be<int32_t>(-1, &nulls);
  append_be<int32_t>(-1, &nulls);
  ASSERT_TRUE(decoder.add(nulls).ok());
  ASSERT_TRUE(decoder.add("\xff\xff").ok());
  const auto batch = decoder.take().value();
  ASSERT_EQ(batch->num_rows(), 2);
  EXPECT_EQ(static_cast<const arrow::Int64Array&>(*batch->column(0)).Value(0), 42);
  EXPECT_EQ(static_cast<const arrow::StringArray&>(*batch->column(1)).GetString(0), "ab");
  EXPECT_TRUE(batch->column(0)->IsNull(1) && batch->column(1)->IsNull(1));
}

TEST(CopyDecoderTest, CutRowsAreErrorsThatNameTheColumn) {
  auto decoder = CopyDecoder::create({column("id", Kind::int8)}, {}).value();
  EXPECT_FALSE(decoder.add("PGCOPY").ok());
  std::string row("PGCOPY\n\377\r\n\0", 11);
  append_be<int32_t>(0, &row);
  append_be<int32_t>(0, &row);
  append_be<int16_t>(1, &row);
  append_be<int32_t>(3, &row);
  row += "abc";
  ASSERT_TRUE(decoder.add(row).ok());
  EXPECT_EQ(decoder.take().error().what, "column 'id', row 1 of this batch: 3 bytes are no int64");
}

std::string row_of_text(std::string_view text) {
  std::string row;
  append_be<int16_t>(1, &row);
  append_be<int32_t>(static_cast<int32_t>(text.size()), &row);
  row += text;
  return row;
}

TEST(CopyDecoderTest, RowsOfAnySizeStayInOrder) {
  auto decoder = CopyDecoder::create({column("text", Kind::text)}, {}).value();
  ASSERT_TRUE(decoder.add(std::string("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19)).ok());
  std::vector<std::string> texts;
  for (size_t i = 0; i < 3000; ++i)
    texts.push_back(std::to_string(i) + std::string(i % 700 == 5 ? 300'000 : i % 50, 'x'));
  for (const auto& text : texts) ASSERT_TRUE(decoder.add(row_of_text(text)).ok());
  std::string many;  // in one piece
  for (int i = 0; i < 2000; ++i) many += row_of_text("m");
  ASSERT_TRUE(decoder.add(many).ok());
  const auto batch = decoder.take().value();
  ASSERT_EQ(batch->num_rows(), 5000);
  const auto& column = static_cast<const arrow::StringArray&>(*batch->column(0));
  for (size_t i = 0; i < texts.size(); ++i) ASSERT_EQ(column.GetView(static_cast<int64_t>(i)), texts[i]);
  EXPECT_EQ(column.GetView(4999), "m");
}

TEST(CopyDecoderTest, TextThatIsOnlyValidBesideItsNeighboursIsRefused) {
  for (const auto& [first, second] : std::vector<std::pair<std::string, std::string>>{
           {"\xc3", "\xa4"}, {"a\xff", "b"}, {"a", "\xa4"}, {"b", "\xc3"}}) {
    auto decoder = CopyDecoder::create({column("t", Kind::text)}, {}).value();
    ASSERT_TRUE(decoder.add(std::string("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19)).ok());
    for (const auto& text : {first, second}) ASSERT_TRUE(decoder.add(row_of_text(text)).ok());
    const int row = first.size() == 1 && first[0] > 0 ? 2 : 1;
    EXPECT_THAT(
        decoder.take().error().what,
        testing::StartsWith(fmt::format("column 't', row {} of this batch: text that is not valid UTF-8", row)));
  }
}

TEST(TypeTest, NumericsKeepTheirPrecisionOrAreText) {
  const auto of = [](int precision, int scale) {
    Type type;
    type.kind = Kind::numeric;
    type.typmod = precision == 0 ? -1 : ((precision << 16) | (scale & 0x7ff)) + 4;
    return arrow_type(type, {})->ToString();
  };
  EXPECT_EQ(of(12, 2), "decimal128(12, 2)");
  EXPECT_EQ(of(2, -3), "decimal128(5, 0)");
  EXPECT_EQ(of(2, 5), "decimal128(5, 5)");
  EXPECT_EQ(of(39, 2), "string");
  EXPECT_EQ(of(0, 0), "string");
}

TEST(ErrorsTest, ConnectionTroubleIsTransientAWrongPasswordIsNot) {
  EXPECT_EQ(fault_of_state("57P01"), Fault::transient);
  EXPECT_EQ(fault_of_state("40001"), Fault::transient);
  EXPECT_EQ(fault_of_state("42P01"), Fault::user);
  EXPECT_EQ(fault_of_state("53100"), Fault::refused);
  EXPECT_EQ(fault_of_connecting("FATAL:  password authentication failed for user \"x\""), Fault::user);
  EXPECT_EQ(fault_of_connecting("FATAL:  the database system is starting up"), Fault::transient);
  EXPECT_EQ(fault_of_connecting("connection to server failed: Connection refused"), Fault::transient);
  EXPECT_EQ(one_line("FATAL:  too\n many"), "too many");
}

}  // namespace
}  // namespace sluice::postgres
