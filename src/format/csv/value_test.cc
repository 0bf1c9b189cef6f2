#include "format/csv/value.h"

#include <cmath>
#include <cstdlib>
#include <random>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sluice::csv {
namespace {

// The parsers may look behind the text: what stands there must not matter.
std::string padded(const std::string& text) { return text + "9999999999999999"; }

std::string integer(const std::string& text) {
  int64_t value;
  auto data = padded(text);
  return parse_int64(data.data(), text.size(), &value) ? std::to_string(value) : "none";
}

TEST(Value, IntegersAreExactAndNothingElseIsOne) {
  EXPECT_EQ(integer("0"), "0");
  EXPECT_EQ(integer("-1"), "-1");
  EXPECT_EQ(integer("00012"), "12");
  EXPECT_EQ(integer("12345678"), "12345678");
  EXPECT_EQ(integer("123456789"), "123456789");
  EXPECT_EQ(integer("9223372036854775807"), "9223372036854775807");
  EXPECT_EQ(integer("-9223372036854775808"), "-9223372036854775808");
  for (const char* text :
       {"9223372036854775808", "-9223372036854775809", "99999999999999999999", "123456789012345678901", "-", "+1",
        "1.0", "1 ", " 1", "--1", "1e3", "12345678x", "x", "1/", "1:", "\xb1", "1\xff"}) {
    EXPECT_EQ(integer(text), "none") << text;
  }
}

TEST(Value, EveryByteThatIsNoDigitIsSeenAtEveryPlace) {
  for (size_t digits = 1; digits <= 19; ++digits) {
    for (size_t place = 0; place < digits; ++place) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string text(digits, '1');
        text[place] = static_cast<char>(byte);
        uint64_t value;
        auto data = padded(text);
        ASSERT_EQ(parse_digits(data.data(), digits, &value), byte >= '0' && byte <= '9') << digits << place << byte;
      }
    }
  }
}

TEST(Value, DoublesAreRoundedAsStrtodDoes) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 200'000; ++i) {
    std::string text;
    switch (i % 4) {
      case 0:
        text = fmt::format("{}.{:02}", random() % 100'000, random() % 100);
        break;
      case 1:
        text = fmt::format("-{}.{}", random() % 100'000'000, random() % 100'000'000);
        break;
      case 2:
        text = fmt::format("{}", std::bit_cast<double>(random()));
        break;
      default:
        text = fmt::format("{}.{}e{}", random() % 10, random(), static_cast<int>(random() % 600) - 300);
    }
    double expected = std::strtod(text.c_str(), nullptr);
    double value = 0;
    auto data = padded(text);
    bool parsed = parse_double(data.data(), text.size(), &value);
    if (std::isnan(expected)) continue;
    ASSERT_EQ(parsed, !std::isinf(expected)) << text;
    if (parsed) {
      ASSERT_EQ(value, expected) << text;
    }
  }
}

TEST(Value, WordsAndHalvesAreNoDoubles) {
  double value;
  for (const char* text : {"", ".", "1.", "-", "1.2.3", "1,5", "0x10", "1e", "abc", "1.5 ", "+-1", "1e999", "12.x"}) {
    auto data = padded(text);
    std::string known = text;
    if (known.empty()) continue;
    bool parsed = parse_double(data.data(), known.size(), &value);
    if (known == "1.") continue;  // from_chars takes it, and so does DuckDB
    EXPECT_FALSE(parsed) << text;
  }
  auto tiny = padded("1e-999");
  EXPECT_TRUE(parse_double(tiny.data(), 6, &value));
  EXPECT_EQ(value, 0);
  auto infinite = padded("-inf");
  EXPECT_TRUE(parse_double(infinite.data(), 4, &value));
  EXPECT_TRUE(std::isinf(value));
}

TEST(Value, DatesAreThoseOfTheCalendar) {
  int32_t days;
  auto date = [&](const std::string& text) {
    auto data = padded(text);
    return parse_date(data.data(), text.size(), &days);
  };
  EXPECT_TRUE(date("1970-01-01"));
  EXPECT_EQ(days, 0);
  EXPECT_TRUE(date("0001-01-01"));
  EXPECT_EQ(days, -719162);
  EXPECT_TRUE(date("9999-12-31"));
  EXPECT_EQ(days, 2932896);
  EXPECT_TRUE(date("2000-02-29"));
  EXPECT_EQ(days, 11016);
  for (const char* text : {"1900-02-29", "2025-02-29", "2025-04-31", "2025-00-10", "2025-13-01", "2025-01-00",
                           "2025-01-32", "0000-01-01", "2025/01/01", "2025-1-1", "20250101", "2025-01-1x"}) {
    EXPECT_FALSE(date(text)) << text;
  }
}

std::string timestamp(const std::string& text) {
  Timestamp value;
  auto data = padded(text);
  if (!parse_timestamp(data.data(), text.size(), &value)) return "none";
  return fmt::format("{}.{:09}{}", value.seconds, value.nanos, value.zoned ? "Z" : "");
}

TEST(Value, TimestampsAreReadInTheirUsualForms) {
  EXPECT_EQ(timestamp("1970-01-02"), "86400.000000000");
  EXPECT_EQ(timestamp("1970-01-01 00:01"), "60.000000000");
  EXPECT_EQ(timestamp("1970-01-01T00:00:01"), "1.000000000");
  EXPECT_EQ(timestamp("1970-01-01 00:00:01.5"), "1.500000000");
  EXPECT_EQ(timestamp("1970-01-01 00:00:01.123456789"), "1.123456789");
  EXPECT_EQ(timestamp("1970-01-01T00:00:01Z"), "1.000000000Z");
  EXPECT_EQ(timestamp("1970-01-01T00:00Z"), "0.000000000Z");
  EXPECT_EQ(timestamp("1970-01-01 02:00+02"), "0.000000000Z");
  EXPECT_EQ(timestamp("1970-01-01 02:00:00+0200"), "0.000000000Z");
  EXPECT_EQ(timestamp("1970-01-01 02:00:00.25+02:00"), "0.250000000Z");
  EXPECT_EQ(timestamp("1970-01-01 00:00:00 -01:30"), "5400.000000000Z");
  for (const char* text :
       {"1970-01-01 24:00:00", "1970-01-01 00:60:00", "1970-01-01 00:00:60", "1970-01-01 00:00:00.",
        "1970-01-01 00:00:00.1234567890", "1970-01-01x00:00:00", "1970-01-01 0:00:00", "1970-01-01 00:00:00+2",
        "1970-01-01 00:00:00 UTC", "1970-01-01 00:00:0", "1970-01-01 00", "1970-01-01 00:00:00+24:00"}) {
    EXPECT_EQ(timestamp(text), "none") << text;
  }
}

TEST(Value, UnitsThatAreTooCoarseOrTooSmallAreNotUsed) {
  int64_t value;
  EXPECT_TRUE(in_unit(1, 500'000'000, arrow::TimeUnit::MILLI, &value));
  EXPECT_EQ(value, 1500);
  EXPECT_FALSE(in_unit(1, 500'000, arrow::TimeUnit::MILLI, &value));
  EXPECT_FALSE(in_unit(253402300799, 0, arrow::TimeUnit::NANO, &value));
  EXPECT_TRUE(in_unit(-1, 999'999'000, arrow::TimeUnit::MICRO, &value));
  EXPECT_EQ(value, -1);
}

}  // namespace
}  // namespace sluice::csv
