#include "postgres/encode.h"

#include <gtest/gtest.h>

#include <arrow/api.h>
#include <arrow/json/from_string.h>

#include "postgres/decode.h"
#include "postgres/numeric.h"
#include "postgres/numeric_wire.h"

namespace sluice::postgres {
namespace {

Type of(Kind kind, uint32_t oid, std::string name, int32_t typmod = -1) {
  Type type;
  type.kind = kind;
  type.oid = oid;
  type.name = std::move(name);
  type.typmod = typmod;
  return type;
}
Type numeric_of(int precision, int scale) {
  return of(Kind::numeric, 1700, fmt::format("numeric({},{})", precision, scale), ((precision << 16) | scale) + 4);
}
Type array_of(Type element) {
  Type type = of(Kind::array, 1007, element.name + "[]");
  type.element = std::make_shared<Type>(std::move(element));
  return type;
}
const Type kInt4 = of(Kind::int4, 23, "integer");
const Type kInt8 = of(Kind::int8, 20, "bigint");
const Type kNumeric = of(Kind::numeric, 1700, "numeric");
const Type kTimestamp = of(Kind::timestamp, 1114, "timestamp without time zone");
const Type kText = of(Kind::text, 25, "text");
const Type kUuid = of(Kind::uuid, 2950, "uuid");
const Type kJsonb = of(Kind::jsonb, 3802, "jsonb");

std::shared_ptr<arrow::Array> values(const TypePtr& type, const std::string& json) {
  return *arrow::json::ArrayFromJSONString(type, json);
}

// What the decoder reads of what the encoder wrote; "-" for values that do not fit.
std::string round_trip(const std::shared_ptr<arrow::Array>& array, const Type& to) {
  auto decoder = CopyDecoder::create({{"c", to}}, {}).value();
  EXPECT_TRUE(decoder.add(copy_header()).ok());
  auto encoder = create_encoder(array, to);
  std::string unfit;
  for (int64_t row = 0; row < array->length(); ++row) {
    WireBuffer out;
    out.put<int16_t>(1);
    if (encoder->append(row, out)) {
      auto added = decoder.add(out.view());
      EXPECT_TRUE(added.ok()) << added.error().what;
    } else {
      unfit += '-';
    }
  }
  EXPECT_TRUE(decoder.add(copy_trailer()).ok());
  auto batch = decoder.take().value();
  std::string text = batch->column(0)->ToString();
  std::erase_if(text, [](char c) { return c == '\n' || c == ' '; });
  return text + unfit;
}

std::string numeric_text(std::string_view text, int scale_max = -1) {
  WireBuffer out;
  return append_numeric(text, scale_max, out) ? text_of_binary(out.view()).value() : "does not fit";
}

TEST(EncodeTest, IntegersAreHeldOrDoNotFit) {
  EXPECT_EQ(round_trip(values(arrow::int64(), "[1, null, -2147483648, 2147483648]"), kInt4), "[1,null,-2147483648]-");
  EXPECT_EQ(round_trip(values(arrow::uint64(), "[9223372036854775807, 9223372036854775808]"), kInt8),
            "[9223372036854775807]-");
}

TEST(EncodeTest, NumericsOfTextKeepEveryDigit) {
  EXPECT_EQ(numeric_text("12345.6700"), "12345.6700");
  EXPECT_EQ(numeric_text("-0.000012"), "-0.000012");
  EXPECT_EQ(numeric_text("0"), "0");
  EXPECT_EQ(numeric_text("1e20"), "100000000000000000000");
  EXPECT_EQ(numeric_text("1.5e-7"), "0.00000015");
  EXPECT_EQ(numeric_text("123456789.123456789"), "123456789.123456789");
  EXPECT_EQ(numeric_text("NaN"), "NaN");
  EXPECT_EQ(numeric_text("-Infinity"), "-Infinity");
  EXPECT_EQ(numeric_text("1.50", 1), "1.5");
  EXPECT_EQ(numeric_text("1.55", 1), "does not fit");
  for (const char* bad : {"", "abc", "1.2.3", "1e", "--1", "0x10"}) EXPECT_EQ(numeric_text(bad), "does not fit");
}

TEST(EncodeTest, DecimalsAreNeverRounded) {
  const auto decimals = values(arrow::decimal128(12, 4), R"(["1.2300", "-1.2345", "99999999.0000", null])");
  EXPECT_EQ(round_trip(decimals, numeric_of(12, 4)), "[1.2300,-1.2345,99999999.0000,null]");
  EXPECT_EQ(round_trip(decimals, numeric_of(10, 2)), "[1.23,99999999.00,null]-");
  const auto wide =
      values(arrow::decimal128(38, 10), R"(["1234567890123456789012345678.0123456789", "-0.0000000001"])");
  EXPECT_EQ(round_trip(wide, kNumeric), R"(["1234567890123456789012345678.0123456789","-0.0000000001"])");
  EXPECT_EQ(round_trip(values(arrow::int64(), "[-9223372036854775808, 10000]"), kNumeric),
            R"(["-9223372036854775808","10000"])");
  EXPECT_EQ(round_trip(values(arrow::float64(), "[0.1, 1e22]"), kNumeric), R"(["0.1","10000000000000000000000"])");
}

TEST(EncodeTest, MomentsOfEveryUnitAreExact) {
  EXPECT_EQ(round_trip(values(arrow::timestamp(arrow::TimeUnit::NANO), "[1000, 1001, null]"), kTimestamp),
            round_trip(values(arrow::timestamp(arrow::TimeUnit::MICRO), "[1, null]"), kTimestamp) + "-");
  EXPECT_EQ(round_trip(values(arrow::timestamp(arrow::TimeUnit::SECOND), "[1, 9223372036854775806]"), kTimestamp),
            round_trip(values(arrow::timestamp(arrow::TimeUnit::MILLI), "[1000]"), kTimestamp) + "-");
}

TEST(EncodeTest, ListsBecomeArrays) {
  EXPECT_EQ(round_trip(values(arrow::list(arrow::int64()), "[[1, null], [], null, [3]]"), array_of(kInt4)),
            "[[1,null],[],null,[3]]");
}

TEST(EncodeTest, UuidsAreReadAsPostgreSQLDoes) {
  EXPECT_EQ(round_trip(values(arrow::utf8(), R"(["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                                                 "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}", "a0eebc99", "x"])"),
                       kUuid),
            R"(["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11","a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]--)");
}

TEST(EncodeTest, NestedValuesAreJson) {
  const auto objects = values(arrow::struct_({arrow::field("x", arrow::utf8())}), R"([{"x": "a\"b"}, null])");
  EXPECT_EQ(round_trip(objects, kJsonb), R"(["{"x":"a\"b"}",null])");
  EXPECT_EQ(round_trip(values(arrow::int64(), "[7]"), kText), R"(["7"])");
}

TEST(EncodeTest, TypesThatMayLoseSomethingAreTold) {
  EXPECT_EQ(fit_of(*arrow::int32(), kInt8), Fit::exact);
  EXPECT_EQ(fit_of(*arrow::int64(), kInt4), Fit::checked);
  EXPECT_EQ(fit_of(*arrow::float64(), kNumeric), Fit::lossy);
  EXPECT_EQ(fit_of(*arrow::decimal128(12, 4), numeric_of(10, 2)), Fit::lossy);
  EXPECT_EQ(fit_of(*arrow::decimal128(8, 2), numeric_of(10, 2)), Fit::exact);
  EXPECT_EQ(fit_of(*arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), kTimestamp), Fit::lossy);
  EXPECT_EQ(fit_of(*arrow::utf8(), kTimestamp), Fit::none);
  EXPECT_EQ(type_for(*arrow::list(arrow::utf8())), "text[]");
  EXPECT_EQ(type_for(*arrow::list(arrow::list(arrow::utf8()))), "jsonb");
  EXPECT_EQ(type_for(*arrow::decimal128(12, 2)), "numeric(12,2)");
}

}  // namespace
}  // namespace sluice::postgres
