#include "format/text/text.h"

#include <algorithm>
#include <cstring>

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <gtest/gtest.h>

#include "port/registry.h"

namespace sluice {
namespace {

using Options = std::vector<std::pair<std::string, std::string>>;

class TextFormatTest : public ::testing::Test {
 protected:
  Metrics metrics_;
  Budget budget_{1 << 30};
  Registry registry_;
  Context context_{{}, system_clock(), Log(), metrics_, budget_, registry_, ""};

  static std::unique_ptr<Format> make(const Options& options, OptionScope side) {
    RawOptions raw;
    for (const auto& [name, value] : options) raw[name] = {value, "test"};
    auto format = text_format();
    return format.create(OptionValues::parse("text", format.options, side, raw).value()).value();
  }
  struct How {
    Options options = {};
    int64_t begin = 0;
    int64_t end = INT64_MAX;
    bool at_record_start = true;
    bool tail = false;
    bool collect_rejects = false;
    int64_t batch_rows = 1000;
  };
  struct Read {
    std::string lines;  // each in brackets
    std::vector<int64_t> positions;
    std::vector<Reject> rejects;
  };
  Result<Read> read(const std::string& text, const How& how) {
    auto format = make(how.options, OptionScope::source);
    DecoderOptions options;
    options.schema = TRY(format->infer(context_, {}));
    options.request.batch_rows = how.batch_rows;
    options.collect_rejects = how.collect_rejects;
    auto decoder = TRY(format->create_decoder(context_, options));
    Input input;
    input.name = "a.txt";
    input.stream = std::make_shared<arrow::io::BufferReader>(
        arrow::Buffer::FromString(text.substr(static_cast<size_t>(how.begin))));
    input.begin = how.begin;
    input.end = how.end;
    input.at_record_start = how.at_record_start;
    input.tail = how.tail;
    TRY(decoder->open(context_, input));
    Read out;
    while (true) {
      auto step = TRY(decoder->step(context_));
      out.positions.push_back(step.position);
      if (!step.full && !step.at_end) continue;
      auto batch = TRY(decoder->take(&out.rejects));
      if (batch != nullptr) {
        EXPECT_TRUE(batch->ValidateFull().ok());
        EXPECT_LE(batch->num_rows(), how.batch_rows);
        const auto& lines = static_cast<const arrow::StringArray&>(*batch->column(0));
        for (int64_t i = 0; i < lines.length(); ++i) out.lines += "[" + lines.GetString(i) + "]";
      }
      if (step.at_end) return out;
    }
  }
  std::string lines(const std::string& text) { return read(text, How{}).value().lines; }

  Result<std::string> write(const BatchPtr& batch, const Options& options = {}) {
    auto format = make(options, OptionScope::sink);
    auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
    auto encoder = TRY(format->create_encoder(context_, batch->schema(), sink));
    TRY(encoder->write(*batch));
    TRY(encoder->finish());
    return sink->Finish().ValueOrDie()->ToString();
  }
  static BatchPtr batch(std::vector<std::pair<std::string, std::vector<std::optional<std::string>>>> columns) {
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    for (const auto& [name, values] : columns) {
      arrow::StringBuilder builder;
      for (const auto& value : values) {
        EXPECT_TRUE((value ? builder.Append(*value) : builder.AppendNull()).ok());
      }
      fields.push_back(arrow::field(name, arrow::utf8()));
      arrays.push_back(builder.Finish().ValueOrDie());
    }
    return arrow::RecordBatch::Make(arrow::schema(fields), arrays[0]->length(), arrays);
  }
};

TEST_F(TextFormatTest, LinesComeWithoutTheirEnds) {
  EXPECT_EQ(lines("a\n\nb\r\n c \n"), "[a][][b][ c ]");
  EXPECT_EQ(lines("a\nlast"), "[a][last]");
  EXPECT_EQ(lines(""), "");
  EXPECT_EQ(lines("\n"), "[]");
  EXPECT_EQ(lines("\xef\xbb\xbf"
                  "a\n"),
            "[a]");
}

TEST_F(TextFormatTest, EveryCutGivesEveryLineOnce) {
  std::string text = "one\n\ntwo two\r\nthree\n\n\nfour";
  auto size = static_cast<int64_t>(text.size());
  for (int64_t cut = 1; cut < size; ++cut) {
    auto first = read(text, {.end = cut}).value().lines;
    // As the connector does it: one byte earlier, so that a line starting at the cut is found.
    auto second = read(text, {.begin = cut - 1, .at_record_start = false}).value().lines;
    EXPECT_EQ(first + second, lines(text)) << "cut at " << cut;
  }
}

TEST_F(TextFormatTest, PositionsResume) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "line " + std::to_string(i) + "\n";
  auto whole = read(text, {.batch_rows = 777}).value();
  EXPECT_EQ(whole.lines, lines(text));
  EXPECT_EQ(whole.positions.back(), static_cast<int64_t>(text.size()));
  for (size_t i = 0; i < whole.positions.size(); i += 20) {
    auto at = static_cast<size_t>(whole.positions[i]);
    EXPECT_EQ(text[at - 1], '\n');
    auto rest = read(text, {.begin = whole.positions[i]}).value().lines;
    EXPECT_TRUE(whole.lines.ends_with(rest));
    EXPECT_EQ(std::count(rest.begin(), rest.end(), '['),
              std::count(text.begin() + static_cast<ptrdiff_t>(at), text.end(), '\n'));
  }
}

TEST_F(TextFormatTest, AGrowingFilesUnfinishedLineIsLeftForLater) {
  auto part = read("a\nunfini", {.tail = true}).value();
  EXPECT_EQ(part.lines, "[a]");
  EXPECT_EQ(part.positions.back(), 2);
}

TEST_F(TextFormatTest, LinesLongerThanTheBufferAreRead) {
  std::string big(2'000'000, 'x');
  EXPECT_EQ(lines("a\n" + big + "\nb\n"), "[a][" + big + "][b]");
}

TEST_F(TextFormatTest, OtherEncodingsBecomeUtf8) {
  How latin{.options = {{"encoding", "latin1"}}, .batch_rows = 1};
  auto decoded = read("Z\xfcrich\nK\xf6ln\n", latin).value();
  EXPECT_EQ(decoded.lines, "[Zürich][Köln]");
  EXPECT_EQ(decoded.positions.front(), 7);
}

TEST_F(TextFormatTest, LinesThatAreNotUtf8AreErrorsOrRejects) {
  EXPECT_EQ(read("ok\n\xff\nfine\n", {}).error().message(),
            "a.txt:2: the line is not valid UTF-8; set encoding to the file's, for example latin1");
  auto rejected = read("ok\n\xff\nfine\n", {.collect_rejects = true}).value();
  EXPECT_EQ(rejected.lines, "[ok][fine]");
  ASSERT_EQ(rejected.rejects.size(), 1U);
  EXPECT_EQ(rejected.rejects[0].payload, "\xff");
}

TEST_F(TextFormatTest, RowsWithoutTheirColumnAreStillCounted) {
  auto format = make({}, OptionScope::source);
  DecoderOptions options;
  options.schema = format->infer(context_, {}).value();
  options.request.columns = std::vector<ColumnPath>{};
  auto decoder = format->create_decoder(context_, options).value();
  Input input;
  input.stream = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString("a\nb\n"));
  ASSERT_TRUE(decoder->open(context_, input).ok());
  while (!decoder->step(context_)->at_end) continue;
  auto batch = decoder->take(nullptr).value();
  EXPECT_EQ(batch->num_rows(), 2);
  EXPECT_EQ(batch->num_columns(), 0);
}

TEST_F(TextFormatTest, OneColumnIsWrittenAsLines) {
  EXPECT_EQ(write(batch({{"anything", {"a", "", "c"}}})).value(), "a\n\nc\n");
  auto two = batch({{"id", {"1"}}, {"message", {"hello"}}});
  EXPECT_EQ(write(two, {{"column", "message"}}).value(), "hello\n");
  EXPECT_EQ(write(two).error().message(),
            "text is one column of lines, and there are the columns id, message; name one with column");
}

TEST_F(TextFormatTest, WhatIsNoLineIsRefused) {
  auto two_lines = batch({{"line", {"a\nb"}}});
  EXPECT_EQ(write(two_lines).error().message(),
            "column 'line' holds a line feed in 'a', which would become two lines; set line_feeds");
  EXPECT_EQ(write(two_lines, {{"line_feeds", "space"}}).value(), "a b\n");
  EXPECT_EQ(write(two_lines, {{"line_feeds", "keep"}}).value(), "a\nb\n");
  EXPECT_EQ(write(batch({{"line", {std::nullopt}}})).error().message(),
            "column 'line' is NULL in a row, and text has no NULL; use coalesce()");
  auto number = arrow::RecordBatch::Make(arrow::schema({arrow::field("n", arrow::int64())}), 0,
                                         {arrow::MakeEmptyArray(arrow::int64()).ValueOrDie()});
  EXPECT_EQ(write(number).error().message(), "column 'n' is a BIGINT and text needs a VARCHAR; cast it");
}

}  // namespace
}  // namespace sluice
