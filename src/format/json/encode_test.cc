#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include <arrow/json/from_string.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/json/digits.h"
#include "format/json/json_fixture.h"

namespace sluice::json {
namespace {

std::string encode(const arrow::RecordBatch& batch, EncodeOptions options = {}) {
  auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto encoder = create_encoder(options, batch.schema(), out);
  if (!encoder.ok()) return "error: " + encoder.error().message();
  auto written = encoder.value()->write(batch);
  if (!written.ok()) return "error: " + written.error().message();
  CHECK(encoder.value()->finish().ok());
  return out->Finish().ValueOrDie()->ToString();
}

std::string encode(const TypePtr& type, const std::string& values, EncodeOptions options = {}) {
  auto array = arrow::json::ArrayFromJSONString(type, values).ValueOrDie();
  return encode(*arrow::RecordBatch::Make(arrow::schema({arrow::field("a", type)}), array->length(), {array}), options);
}

TEST(JsonEncode, every_type_has_one_spelling) {
  EXPECT_EQ(encode(arrow::int8(), "[-128, null]"), "{\"a\":-128}\n{\"a\":null}\n");
  EXPECT_EQ(encode(arrow::uint64(), "[18446744073709551615]"), "{\"a\":18446744073709551615}\n");
  EXPECT_EQ(encode(arrow::float64(), "[1, 0.1, 1e300, -2.5]"),
            "{\"a\":1.0}\n{\"a\":0.1}\n{\"a\":1e+300}\n{\"a\":-2.5}\n");
  EXPECT_EQ(encode(arrow::float32(), "[0.1, 3]"), "{\"a\":0.1}\n{\"a\":3.0}\n");
  EXPECT_EQ(encode(arrow::decimal128(38, 2), "[\"0.05\", \"-123456789012345678901234567890.12\"]"),
            "{\"a\":0.05}\n{\"a\":-123456789012345678901234567890.12}\n");
  EXPECT_EQ(encode(arrow::boolean(), "[true, false]"), "{\"a\":true}\n{\"a\":false}\n");
  EXPECT_EQ(encode(arrow::binary(), "[\"\", \"ab\"]"), "{\"a\":\"\"}\n{\"a\":\"YWI=\"}\n");
  EXPECT_EQ(encode(arrow::date32(), "[0, -719528, 2932896]"),
            "{\"a\":\"1970-01-01\"}\n{\"a\":\"0000-01-01\"}\n{\"a\":\"9999-12-31\"}\n");
  EXPECT_EQ(encode(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "[-1, 1500000]"),
            "{\"a\":\"1969-12-31T23:59:59.999999Z\"}\n{\"a\":\"1970-01-01T00:00:01.500Z\"}\n");
  EXPECT_EQ(encode(arrow::timestamp(arrow::TimeUnit::NANO), "[1]"), "{\"a\":\"1970-01-01T00:00:00.000000001\"}\n");
  EXPECT_EQ(encode(arrow::time32(arrow::TimeUnit::SECOND), "[86399]"), "{\"a\":\"23:59:59\"}\n");
  EXPECT_EQ(encode(arrow::list(arrow::int32()), "[[1, null], [], null]"),
            "{\"a\":[1,null]}\n{\"a\":[]}\n{\"a\":null}\n");
  EXPECT_EQ(encode(arrow::fixed_size_list(arrow::int32(), 2), "[[1, 2], [3, 4]]"), "{\"a\":[1,2]}\n{\"a\":[3,4]}\n");
  EXPECT_EQ(encode(arrow::map(arrow::utf8(), arrow::int32()), "[[[\"k\", 1], [\"l\", null]], []]"),
            "{\"a\":{\"k\":1,\"l\":null}}\n{\"a\":{}}\n");
  EXPECT_EQ(encode(arrow::map(arrow::int32(), arrow::int32()), "[[[1, 2]]]"), "{\"a\":[{\"key\":1,\"value\":2}]}\n");
  EXPECT_EQ(encode(arrow::dictionary(arrow::int8(), arrow::utf8()), "[\"x\", null, \"y\"]"),
            "{\"a\":\"x\"}\n{\"a\":null}\n{\"a\":\"y\"}\n");
  EXPECT_EQ(encode(arrow::large_utf8(), "[\"x\"]"), "{\"a\":\"x\"}\n");
  EXPECT_EQ(encode(arrow::null(), "[null]"), "{\"a\":null}\n");
  EXPECT_EQ(encode(arrow::duration(arrow::TimeUnit::SECOND), "[1]").substr(0, 23), "error: json cannot hold");
}

TEST(JsonEncode, slices_and_nested_offsets_are_respected) {
  auto type = arrow::struct_({arrow::field("x", arrow::int32()), arrow::field("l", arrow::list(arrow::utf8()))});
  auto array = arrow::json::ArrayFromJSONString(
                   type, "[{\"x\":1,\"l\":[\"a\"]},{\"x\":2,\"l\":[\"b\",\"c\"]},null,{\"x\":null,\"l\":null}]")
                   .ValueOrDie();
  auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("s", type)}), 4, {array})->Slice(1);
  EXPECT_EQ(encode(*batch), "{\"s\":{\"x\":2,\"l\":[\"b\",\"c\"]}}\n{\"s\":null}\n{\"s\":{\"x\":null,\"l\":null}}\n");
  EncodeOptions options;
  options.omit_nulls = true;
  EXPECT_EQ(encode(*batch, options), "{\"s\":{\"x\":2,\"l\":[\"b\",\"c\"]}}\n{}\n{\"s\":{}}\n");
  options.array = true;
  EXPECT_EQ(encode(*batch, options), "[{\"s\":{\"x\":2,\"l\":[\"b\",\"c\"]}},\n{},\n{\"s\":{}}]\n");
  EXPECT_EQ(encode(*batch->Slice(0, 0), options), "[]\n");
}

TEST(JsonEncode, what_json_does_not_have_is_an_error_unless_told_otherwise) {
  arrow::DoubleBuilder builder;
  ASSERT_TRUE(builder.AppendValues({1, std::nan(""), -std::numeric_limits<double>::infinity()}).ok());
  auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("a", arrow::float64())}), 3,
                                        {builder.Finish().ValueOrDie()});
  EXPECT_EQ(encode(*batch),
            "error: column 'a': nan is not a JSON number; set nan := null or nan := text (while writing "
            "row 2 as JSON)");
  EXPECT_EQ(encode(*batch, {.nan = NotANumber::null}), "{\"a\":1.0}\n{\"a\":null}\n{\"a\":null}\n");
  std::string text = encode(*batch, {.nan = NotANumber::text});
  EXPECT_EQ(text, "{\"a\":1.0}\n{\"a\":\"NaN\"}\n{\"a\":\"-Infinity\"}\n");
  Outcome outcome;
  EXPECT_THAT(decode(text, Case{.columns = "a DOUBLE"}).rows, testing::HasSubstr("nan is not a JSON number"));
}

TEST(JsonEncode, strings_are_escaped_wherever_the_character_stands) {
  for (size_t size : {1, 15, 16, 17, 40}) {
    for (size_t at = 0; at < size; ++at) {
      std::string text(size, 'x');
      text[at] = '\x01';
      std::string expected(size, 'x');
      expected.replace(at, 1, "\\u0001");
      arrow::StringBuilder builder;
      ASSERT_TRUE(builder.Append(text).ok());
      auto array = builder.Finish().ValueOrDie();
      EXPECT_EQ(encode(*arrow::RecordBatch::Make(arrow::schema({arrow::field("a", arrow::utf8())}), 1, {array})),
                "{\"a\":\"" + expected + "\"}\n");
    }
  }
  EXPECT_EQ(encode(arrow::utf8(), "[\"\\\"\\\\\\b\\f\\n\\r\\té\"]"), "{\"a\":\"\\\"\\\\\\b\\f\\n\\r\\té\"}\n");
}

TEST(JsonEncode, doubles_come_back_bit_by_bit) {
  std::mt19937_64 random(7);
  auto round_trip = [](double value) {
    char text[64];
    *put_double(text, value) = '\0';
    double back = std::strtod(text, nullptr);
    EXPECT_EQ(memcmp(&back, &value, 8), 0) << text;
    char shortest[64];
    *fmt::format_to(shortest, "{}", value) = '\0';
    EXPECT_LE(strlen(text), strlen(shortest) + 3) << text << " " << shortest;
  };
  for (int i = 0; i < 200000; ++i) {
    uint64_t bits = random();
    double value = 0;
    memcpy(&value, &bits, 8);
    if (std::isfinite(value)) round_trip(value);
    round_trip(static_cast<double>(random() % 100000000) / 100);
    round_trip(-static_cast<double>(random() % 10000000000) / 1000);
    round_trip(static_cast<double>(random() >> 11) / 1e6);
  }
  for (double value : {0.0, -0.0, 1e15, 1e16, 123456789012345.6, 4.35, 0.000001, 5e-324}) round_trip(value);
}

TEST(JsonEncode, integers_of_every_length) {
  uint64_t value = 1;
  for (int i = 0; i < 20; ++i, value *= 10) {
    for (uint64_t v : {value, value - 1, value + 1}) {
      char text[32];
      *put_unsigned(text, v) = '\0';
      EXPECT_EQ(std::string(text), std::to_string(v));
    }
  }
}

}  // namespace
}  // namespace sluice::json
