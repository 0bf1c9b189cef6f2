#include "format/csv/scan.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::csv {
namespace {

struct Expected {
  std::vector<uint32_t> ends;
  std::vector<uint32_t> record_ends;
  uint32_t stray = kNoByte;
};

// One byte at a time, as the rules are told in csv.h.
Expected one_by_one(const Dialect& dialect, const std::string& text) {
  Expected expected;
  bool inside = false;
  bool boundary = true;
  bool escaped = false;
  for (uint32_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    bool in_force = !escaped;
    escaped = !dialect.doubles_quotes() && in_force && c == dialect.escape;
    if (dialect.has_quote() && c == dialect.quote && in_force) {
      if (inside) {
        inside = false;
        boundary = true;
      } else {
        if (!boundary) {
          expected.stray = i;
          return expected;
        }
        inside = true;
      }
      continue;
    }
    bool separator = !inside && (c == dialect.delimiter || c == '\n');
    boundary = separator;
    if (!separator) continue;
    expected.ends.push_back(i);
    if (c == '\n') expected.record_ends.push_back(static_cast<uint32_t>(expected.ends.size()));
  }
  return expected;
}

TEST(Scan, FindsTheSameFieldsAsOneByteAtATime) {
  std::mt19937 random(3);
  for (int round = 0; round < 20'000; ++round) {
    Dialect dialect;
    if (round % 3 == 1) dialect.escape = '\\';
    if (round % 3 == 2) dialect.quote = dialect.escape = '\0';
    // Mostly harmless letters, so that whole blocks without quotes occur too.
    const std::string alphabet = round % 2 == 0 ? "ab,\n\"\\" : "abcdefghijklmnopqrstuvw,\n\"\xc3";
    std::string text(random() % 300, ' ');
    for (char& c : text) c = alphabet[random() % alphabet.size()];
    if (round % 5 == 0) {  // no stray quotes, so that all of it is scanned
      std::string quoted;
      for (char c : text)
        quoted += c == '"' ? std::string(",\"") + (random() % 2 == 0 ? "\"" : "x\n,\"") + "," : std::string(1, c);
      text = quoted;
    }
    auto expected = one_by_one(dialect, text);
    std::string padded = text + std::string(kScanPadding, '"');
    std::vector<uint32_t> ends(text.size() + 128);
    std::vector<uint32_t> record_ends(text.size() + 128);
    ScanState state;
    Scan scan = scan_fields(dialect, padded.data(), static_cast<uint32_t>(text.size()), &state, ends.data(),
                            record_ends.data());
    ends.resize(scan.fields);
    record_ends.resize(scan.records);
    ASSERT_EQ(scan.stray_quote, expected.stray) << text;
    ASSERT_EQ(ends, expected.ends) << text;
    ASSERT_EQ(record_ends, expected.record_ends) << text;
    if (!dialect.has_quote()) continue;
    ScanState quotes;
    ASSERT_EQ(scan_quotes(dialect, padded.data(), static_cast<uint32_t>(text.size()), &quotes), expected.stray) << text;
    if (expected.stray == kNoByte) {
      ASSERT_EQ(quotes.inside, state.inside);
    }
  }
}

TEST(Scan, TellsWhetherTextIsAscii) {
  std::vector<uint32_t> ends(512);
  std::vector<uint32_t> record_ends(512);
  auto ascii = [&](std::string text) {
    auto bytes = static_cast<uint32_t>(text.size());
    text += std::string(kScanPadding, '\xff');
    ScanState state;
    return scan_fields({}, text.data(), bytes, &state, ends.data(), record_ends.data()).ascii;
  };
  EXPECT_TRUE(ascii("a,b\n"));
  EXPECT_FALSE(ascii("a,\xc3\xbc\n"));
  EXPECT_FALSE(ascii(std::string(100, 'a') + "\x80"));
}

}  // namespace
}  // namespace sluice::csv
