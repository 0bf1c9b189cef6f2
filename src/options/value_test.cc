#include <gtest/gtest.h>

#include "options/option.h"

namespace sluice {
namespace {

TEST(BooleanTest, EverydaySpellingsAreUnderstoodInAnyCase) {
  for (const char* text : {"true", "TRUE", "1", "yes", "on", " True "})
    EXPECT_TRUE(parse_boolean(text).value()) << text;
  for (const char* text : {"false", "False", "0", "no", "off"}) EXPECT_FALSE(parse_boolean(text).value()) << text;
}

TEST(BooleanTest, AnythingElseIsRefused) {
  for (const char* text : {"", "maybe", "2", "truee", "t"}) {
    auto result = parse_boolean(text);
    ASSERT_FALSE(result.ok()) << text;
    EXPECT_EQ(result.error().fault, Fault::user);
  }
  EXPECT_EQ(parse_boolean("maybe").error().what, "true or false is expected, not 'maybe'");
}

TEST(IntegerTest, DigitsMayBeGroupedByUnderscores) {
  EXPECT_EQ(parse_integer("1_000_000").value(), 1'000'000);
  EXPECT_EQ(parse_integer("-5").value(), -5);
  EXPECT_EQ(parse_integer("+5").value(), 5);
  EXPECT_EQ(parse_integer("9223372036854775807").value(), INT64_MAX);
  EXPECT_EQ(parse_integer("-9223372036854775808").value(), INT64_MIN);
}

TEST(IntegerTest, WhatIsNoWholeNumberIsRefused) {
  for (const char* text : {"", "1.5", "1e3", "0x10", "_1", "1_", "1__0", "--1", "+-1", "+", "-", "12 3", "ten"}) {
    EXPECT_FALSE(parse_integer(text).ok()) << text;
  }
  EXPECT_EQ(parse_integer("9223372036854775808").error().what,
            "a whole number of at most 64 bits is expected, not '9223372036854775808'");
}

TEST(BytesTest, DecimalAndBinaryNamesBothMeanPowersOfTwo) {
  EXPECT_EQ(parse_bytes("64MB").value(), 64 << 20);
  EXPECT_EQ(parse_bytes("64MiB").value(), 64 << 20);
  EXPECT_EQ(parse_bytes("64 mb").value(), 64 << 20);
  EXPECT_EQ(parse_bytes("64m").value(), 64 << 20);
  EXPECT_EQ(parse_bytes("1GiB").value(), 1 << 30);
  EXPECT_EQ(parse_bytes("2TB").value(), int64_t{2} << 40);
  EXPECT_EQ(parse_bytes("3k").value(), 3072);
  EXPECT_EQ(parse_bytes("1_048_576").value(), 1 << 20);
  EXPECT_EQ(parse_bytes("12B").value(), 12);
  EXPECT_EQ(parse_bytes("1.5GB").value(), 1'610'612'736);
  EXPECT_EQ(parse_bytes("0").value(), 0);
}

TEST(BytesTest, NonsenseNegativesAndOverflowAreRefused) {
  for (const char* text : {"", "MB", "-1MB", "1XB", "1MB2", "1..5GB", "1.GB", ".5GB", "9999999TB",
                           "9223372036854775808", "99999999999999999999999999999999999999999999"}) {
    EXPECT_FALSE(parse_bytes(text).ok()) << text;
  }
  EXPECT_EQ(parse_bytes("lots").error().what, "a size such as 64MB or 1GiB is expected, not 'lots'");
}

TEST(DurationTest, ABareNumberIsSecondsAndUnitsMayBeChained) {
  EXPECT_EQ(parse_duration("10").value(), Millis(10'000));
  EXPECT_EQ(parse_duration("500ms").value(), Millis(500));
  EXPECT_EQ(parse_duration("10s").value(), Millis(10'000));
  EXPECT_EQ(parse_duration("5m").value(), Millis(300'000));
  EXPECT_EQ(parse_duration("2h").value(), Millis(7'200'000));
  EXPECT_EQ(parse_duration("1d").value(), Millis(86'400'000));
  EXPECT_EQ(parse_duration("1.5s").value(), Millis(1'500));
  EXPECT_EQ(parse_duration("0.25").value(), Millis(250));
  EXPECT_EQ(parse_duration("1m 5s").value(), Millis(65'000));
  EXPECT_EQ(parse_duration("1h30m").value(), Millis(5'400'000));
}

TEST(DurationTest, NonsenseNegativesAndOverflowAreRefused) {
  for (const char* text : {"", "s", "-1s", "1 fortnight", "5 10", "1m 5", "1w", "999999999999999d"}) {
    EXPECT_FALSE(parse_duration(text).ok()) << text;
  }
}

TEST(FormatTest, BytesAreShownInTheLargestUnitThatFits) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(64 << 20), "64 MB");
  EXPECT_EQ(format_bytes((3 << 20) / 2), "1.5 MB");
  EXPECT_EQ(format_bytes(int64_t{5} << 50), "5120 TB");
  EXPECT_EQ(format_bytes(-1024), "-1 KB");
}

TEST(FormatTest, DurationsShowTheirTwoLargestUnits) {
  EXPECT_EQ(format_duration(Millis(0)), "0ms");
  EXPECT_EQ(format_duration(Millis(350)), "350ms");
  EXPECT_EQ(format_duration(Millis(5'000)), "5s");
  EXPECT_EQ(format_duration(Millis(12'345)), "12.3s");
  EXPECT_EQ(format_duration(Millis(65'000)), "1m 5s");
  EXPECT_EQ(format_duration(Millis(300'000)), "5m");
  EXPECT_EQ(format_duration(Millis(7'380'000)), "2h 3m");
  EXPECT_EQ(format_duration(Millis(90'000'000)), "1d 1h");
  EXPECT_EQ(format_duration(Millis(-5'000)), "-5s");
}

TEST(FormatTest, WhatIsPrintedIsReadBack) {
  for (int64_t ms : {1, 999, 1'000, 59'000, 61'000, 3'600'000, 3'660'000, 90'000'000}) {
    EXPECT_EQ(parse_duration(format_duration(Millis(ms))).value(), Millis(ms));
  }
  for (int64_t bytes : {0L, 1L, 1023L, 1024L, 64L << 20, 1L << 40}) {
    EXPECT_EQ(parse_bytes(format_bytes(bytes)).value(), bytes);
  }
}

TEST(NearestTest, FindsSwappedMissingAndExtraLetters) {
  constexpr std::string_view kNames[] = {"slot", "table", "publication", "batch_size"};
  EXPECT_EQ(nearest("slto", kNames), "slot");
  EXPECT_EQ(nearest("tabel", kNames), "table");
  EXPECT_EQ(nearest("publicaton", kNames), "publication");
  EXPECT_EQ(nearest("batchsize", kNames), "batch_size");
}

TEST(NearestTest, CaseAndDashesCostNothing) {
  constexpr std::string_view kNames[] = {"slot", "batch_size"};
  EXPECT_EQ(nearest("Batch-Size", kNames), "batch_size");
  EXPECT_EQ(nearest("SLOT", kNames), "slot");
}

TEST(NearestTest, FarNamesAreNotSuggested) {
  constexpr std::string_view kNames[] = {"slot", "table"};
  EXPECT_EQ(nearest("bucket", kNames), "");
  EXPECT_EQ(nearest("", kNames), "");
  EXPECT_EQ(nearest("x", kNames), "");
  EXPECT_EQ(nearest(std::string(100'000, 's'), kNames), "");
}

}  // namespace
}  // namespace sluice
