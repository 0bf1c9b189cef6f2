#include <random>

#include "format/csv/csv_testing.h"

namespace sluice::csv {
namespace {

class CsvRead : public CsvTest {};

TEST_F(CsvRead, PlainRowsComeOutTyped) {
  std::string text =
      "id,name,price,ok,day,at\n1,ann,1.5,true,2025-01-31,2025-01-31 "
      "10:00:00\n2,bob,2,FALSE,1999-12-31,2025-01-31T10:00:00.25\n";
  EXPECT_EQ(types(infer(text).value()), "id BIGINT, name VARCHAR, price DOUBLE, ok BOOLEAN, day DATE, at TIMESTAMP");
  EXPECT_EQ(
      rows(text),
      "1|ann|1.5|true|2025-01-31|2025-01-31 10:00:00.000000 / 2|bob|2|false|1999-12-31|2025-01-31 10:00:00.250000");
}

TEST_F(CsvRead, TypesAreOnlyInferredWhereNothingIsLost) {
  auto type = [&](const std::string& values) { return types(infer("a\n" + values + "\n").value()).substr(2); };
  EXPECT_EQ(type("007"), "VARCHAR");
  EXPECT_EQ(type("0"), "BIGINT");
  EXPECT_EQ(type("0.5"), "DOUBLE");
  EXPECT_EQ(type("-1\n9223372036854775807"), "BIGINT");
  EXPECT_EQ(type("9223372036854775808"), "VARCHAR");
  EXPECT_EQ(type("9007199254740993\n1.5"), "VARCHAR");
  EXPECT_EQ(type("1e5\n2"), "DOUBLE");
  EXPECT_EQ(type("nan"), "VARCHAR");
  EXPECT_EQ(type("true\n1"), "VARCHAR");
  EXPECT_EQ(type("2025-02-29"), "VARCHAR");
  EXPECT_EQ(type("2025-02-28\n2025-02-28 10:00"), "TIMESTAMP");
  EXPECT_EQ(type("2025-02-28 10:00Z\n2025-02-28T10:00:00+02:00"), "TIMESTAMP WITH TIME ZONE");
  EXPECT_EQ(type("2025-02-28 10:00Z\n2025-02-28T10:00:00"), "VARCHAR");
  EXPECT_EQ(type("2025-02-28 10:00:00.123456789"), "TIMESTAMP_NS");
  EXPECT_EQ(type("\"\"\n5"), "BIGINT");
  EXPECT_EQ(type("\"\""), "VARCHAR");
  EXPECT_EQ(types(infer("a,b\n1,\n2,\n").value()), "a BIGINT, b \"NULL\"");
  EXPECT_EQ(types(infer("a,b\n1,2\n", {{"all_varchar", "true"}}).value()), "a VARCHAR, b VARCHAR");
}

TEST_F(CsvRead, AColumnWithoutAValueInTheSampleIsReadAsText) {
  EXPECT_EQ(rows("a,b\n1,\n2,late\n", {{"sample_rows", "1"}}), "1|NULL / 2|late");
}

TEST_F(CsvRead, IntegersBeyond53BitsAreExact) {
  EXPECT_EQ(rows("a\n9007199254740993\n-9223372036854775808\n9223372036854775807\n"),
            "9007199254740993 / -9223372036854775808 / 9223372036854775807");
}

TEST_F(CsvRead, WholeNumbersThatADoubleWouldRoundAreRefused) {
  How how;
  how.schema = arrow::schema({arrow::field("a", arrow::float64())});
  EXPECT_EQ(show(decode("a\n9007199254740992\n-1\n9007199254740993.0\n1e300\n", {}, how)->batch),
            "9.007199254740992e+15 / -1 / 9.007199254740992e+15 / 1e+300");
  EXPECT_EQ(decode("a\n9007199254740993\n", {}, how).error().message(),
            "a.csv:2: column 'a': '9007199254740993' is a whole number that would be rounded in a DOUBLE");
  EXPECT_FALSE(decode("a\n9223372036854775807\n", {}, how).ok());
  EXPECT_FALSE(decode("a\n123456789012345678901\n", {}, how).ok());
}

TEST_F(CsvRead, QuotedValuesHoldDelimitersQuotesAndLineFeeds) {
  EXPECT_EQ(rows("a,b\n\"x,y\",\"say \"\"hi\"\"\"\n\"two\nlines\",\"\r\n\"\n"), "x,y|say \"hi\" / two\nlines|\r\n");
  EXPECT_EQ(rows("a,b\n\"\"\"\",\"\"\"\"\"\"\n"), "\"|\"\"");
  EXPECT_EQ(rows("a,b\n'x,y','it\\'s \\\\ \\n'\n", {{"quote", "'"}, {"escape", "\\"}}), "x,y|it's \\ \\n");
  EXPECT_EQ(rows("a,b\n\"x,y\n", {{"quote", ""}}), "\"x|y");
}

TEST_F(CsvRead, NullAndEmptyTextAreDifferent) {
  EXPECT_EQ(rows("a,b\n,\"\"\nx,y\n"), "NULL| / x|y");
  EXPECT_EQ(rows("a,b\nNA,\"NA\"\n,x\n", {{"null", "NA"}}), "NULL|NA / |x");
  EXPECT_EQ(rows("a,b\nNA,1\n5,NA\n", {{"null", "NA"}}), "NULL|1 / 5|NULL");
  EXPECT_EQ(rows("a,b\n\"\",1\n5,\"\"\n"), "NULL|1 / 5|NULL");
  EXPECT_EQ(rows("a,b\n0,1\n5,0\n", {{"null", "0"}}), "NULL|1 / 5|NULL");
}

TEST_F(CsvRead, LineEndsMayBeWindowsOnesAndTheLastMayBeMissing) {
  EXPECT_EQ(rows("a,b\r\n1,x\r\n2,\r\n"), "1|x / 2|NULL");
  EXPECT_EQ(rows("a,b\n1,x\n2,y"), "1|x / 2|y");
  EXPECT_EQ(rows("a,b\n1,x\n2,\"y\""), "1|x / 2|y");
  EXPECT_EQ(rows("a,b\n1,x\n2,"), "1|x / 2|NULL");
  EXPECT_EQ(rows("\xef\xbb\xbf"
                 "a,b\n1,x\n"),
            "1|x");
}

TEST_F(CsvRead, EmptyLinesAreNoRowsUnlessThereIsOneColumn) {
  EXPECT_EQ(rows("\na,b\n\n1,x\n\r\n\n2,y\n\n"), "1|x / 2|y");
  EXPECT_EQ(rows("a\n1\n\n2\n"), "1 / NULL / 2");
}

TEST_F(CsvRead, FilesWithoutRowsAreNoError) {
  EXPECT_EQ(rows(""), "nothing");
  EXPECT_EQ(rows("a,b\n"), "nothing");
  EXPECT_EQ(rows("a,b"), "nothing");
  EXPECT_EQ(types(infer("").value()), "");
  EXPECT_EQ(types(infer("a,b").value()), "a \"NULL\", b \"NULL\"");
}

TEST_F(CsvRead, DelimitersAndPreamblesCanBeChosen) {
  EXPECT_EQ(rows("a\tb\n1\tx,y\n", {{"delimiter", "\\t"}}), "1|x,y");
  EXPECT_EQ(rows("# made by hand\n# \"quoted\na;b\n1;x\n", {{"delimiter", ";"}, {"skip_rows", "2"}}), "1|x");
  auto tsv = make({}, OptionScope::source, tsv_format()).value();
  How how;
  EXPECT_EQ(types(tsv->infer(context_, input("a\tb\n1\tx,y\n", how)).value()), "a BIGINT, b VARCHAR");
}

TEST_F(CsvRead, WithoutAHeaderColumnsAreNumbered) {
  EXPECT_EQ(types(infer("1,x\n2,y\n", {{"header", "false"}}).value()), "column0 BIGINT, column1 VARCHAR");
  EXPECT_EQ(rows("1,x\n2,y\n", {{"header", "false"}}), "1|x / 2|y");
  How how;
  how.schema = arrow::schema({arrow::field("n", arrow::int64()), arrow::field("t", arrow::utf8())});
  EXPECT_EQ(show(decode("1,x\n2,y\n", {{"header", "false"}}, how)->batch), "1|x / 2|y");
}

TEST_F(CsvRead, RepeatedAndMissingNamesAreMadeUnique) {
  EXPECT_EQ(types(infer("a,,a,a_1\n1,2,3,4\n").value()), "a BIGINT, column1 BIGINT, a_1 BIGINT, a_1_1 BIGINT");
}

TEST_F(CsvRead, ColumnsAreFoundByNameInEachFile) {
  How how;
  how.schema = arrow::schema(
      {arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8()), arrow::field("c", arrow::float64())});
  EXPECT_EQ(show(decode("b,a\nx,1\n", {}, how)->batch), "1|x|NULL");
  EXPECT_EQ(show(decode("b,d,a\nx,?,1\n", {}, how)->batch), "1|x|NULL");
  auto none = decode("1,2,3\n4,5,6\n", {}, how);
  EXPECT_EQ(none.error().message(),
            "a.csv: none of the columns a, b, c is in its header (1, 2, 3); has the file a header line, and is the "
            "delimiter ','?");
}

TEST_F(CsvRead, OnlyRequestedColumnsAreConverted) {
  How how;
  how.schema = arrow::schema({arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8())});
  how.request.columns = {{"b"}};
  auto decoded = decode("a,b\nnot a number,x\n", {}, how);
  EXPECT_EQ(show(decoded->batch), "x");
  EXPECT_EQ(decoded->batch->schema()->field_names(), std::vector<std::string>{"b"});
  how.request.columns = std::vector<ColumnPath>{};
  EXPECT_EQ(decode("a,b\n1,x\n2,y\n", {}, how)->batch->num_rows(), 2);
}

TEST_F(CsvRead, BadValuesAreNamedWithFileLineAndColumn) {
  How how;
  how.schema = arrow::schema({arrow::field("a", arrow::int64()), arrow::field("b", arrow::date32())});
  auto message = [&](const std::string& text) { return decode(text, {}, how).error().message(); };
  EXPECT_EQ(message("a,b\n1,2025-01-01\nx,2025-01-01\n"), "a.csv:3: column 'a': 'x' is not a BIGINT");
  EXPECT_EQ(message("a,b\n1,2025-13-01\n"), "a.csv:2: column 'b': '2025-13-01' is not a DATE");
  EXPECT_EQ(message("a,b\n9223372036854775808,\n"), "a.csv:2: column 'a': '9223372036854775808' is not a BIGINT");
  EXPECT_EQ(message("a,b\n\"1\"2,\n"), "a.csv:2: column 'a': \"1\"2 is not quoted correctly");
  EXPECT_EQ(decode("a,b\n\"x\ny\",z\n\xff\xfe,1\n", {}).error().message(),
            "a.csv:4: the text is not valid UTF-8; set encoding to the file's, for example latin1");
}

TEST_F(CsvRead, RaggedRowsAreNamedOrPadded) {
  EXPECT_EQ(rows("a,b,c\n1,2,3\n4,5\n"),
            "error: a.csv:3: 2 fields where the header has 3; set ragged := pad to fill with NULLs");
  EXPECT_EQ(rows("a,b,c\n1,2,3\n4,5,6,7\n"), "error: a.csv:3: 4 fields where the header has 3");
  EXPECT_EQ(rows("a,b,c\n1,x,3\r\n4\r\n7,y\r\n8,\"z\"\r\n", {{"ragged", "pad"}}),
            "1|x|3 / 4|NULL|NULL / 7|y|NULL / 8|z|NULL");
  EXPECT_EQ(rows("a,b\n1\n2,3,4\n", {{"ragged", "pad"}}), "error: a.csv:3: 3 fields where the header has 2");
}

TEST_F(CsvRead, StrayAndUnclosedQuotesAreErrors) {
  EXPECT_EQ(rows("a,b\n1,x\n2,5\" pipe\n3,y\n"),
            "error: a.csv:3: a quote stands inside an unquoted value; quote the value and double its quotes");
  EXPECT_EQ(rows("a,b\n1,x\n2,\"y\n3,z\n"),
            "error: a.csv:3: a quoted value has no closing quote; quote the value and double its quotes");
}

TEST_F(CsvRead, RejectsAreCollectedAndTheGoodRowsStay) {
  How how;
  how.collect_rejects = true;
  how.schema = arrow::schema({arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8())});
  std::string text = "a,b\n1,ok\nx,bad\n2\n3,5\" pipe\n4,\"q\"z\n5,\xff\n\"y\",\"a\nb\"\n6,fine\n";
  auto decoded = decode(text, {}, how).value();
  EXPECT_EQ(show(decoded.batch), "1|ok / 6|fine");
  ASSERT_EQ(decoded.rejects.size(), 6U);
  std::vector<std::pair<std::string, std::string>> found;
  std::sort(decoded.rejects.begin(), decoded.rejects.end(),
            [](const Reject& a, const Reject& b) { return a.where < b.where; });
  for (const auto& reject : decoded.rejects) found.emplace_back(reject.where, reject.payload);
  std::vector<std::pair<std::string, std::string>> expected = {
      {"a.csv:3", "x,bad"},    {"a.csv:4", "2"},      {"a.csv:5", "3,5\" pipe"},
      {"a.csv:6", "4,\"q\"z"}, {"a.csv:7", "5,\xff"}, {"a.csv:8", "\"y\",\"a\nb\""}};
  EXPECT_EQ(found, expected);
  EXPECT_EQ(decoded.rejects[0].reason, "column 'a': 'x' is not a BIGINT");
}

TEST_F(CsvRead, TypesThatWereAskedForAreParsed) {
  How how;
  using namespace arrow;
  how.schema = schema({field("i8", int8()), field("u64", uint64()), field("f", float32()), field("d", decimal128(6, 2)),
                       field("t", time64(TimeUnit::MICRO)), field("ts", timestamp(TimeUnit::MILLI, "UTC")),
                       field("x", binary()), field("b", boolean())});
  std::string head = "i8,u64,f,d,t,ts,x,b\n";
  EXPECT_EQ(show(decode(head + "-128,18446744073709551615,0.1,-1234.5,23:59:59.5,2025-01-01T00:00:00+01:00,\\x00ff,T\n",
                        {}, how)
                     ->batch),
            "-128|18446744073709551615|0.1|-1234.50|23:59:59.500000|2024-12-31 23:00:00.000Z|" +
                std::string("\0\xff", 2) + "|true");
  auto wrong = [&](const std::string& row) { return decode(head + row + "\n", {}, how).error().message(); };
  EXPECT_EQ(wrong("128,,,,,,,"), "a.csv:2: column 'i8': '128' is not a TINYINT");
  EXPECT_EQ(wrong(",-1,,,,,,"), "a.csv:2: column 'u64': '-1' is not a UBIGINT");
  EXPECT_EQ(wrong(",,,1.234,,,,"), "a.csv:2: column 'd': '1.234' is not a DECIMAL(6,2)");
  EXPECT_EQ(wrong(",,,12345,,,,"), "a.csv:2: column 'd': '12345' is not a DECIMAL(6,2)");
  EXPECT_EQ(wrong(",,,,24:00:00,,,"), "a.csv:2: column 't': '24:00:00' is not a TIME");
  EXPECT_EQ(wrong(",,,,,2025-01-01 00:00:00.0001,,").substr(0, 20), "a.csv:2: column 'ts'");
  how.schema = schema({field("l", list(int64()))});
  EXPECT_EQ(decode("l\n[1]\n", {}, how).error().message(),
            "column 'l': csv is not read as BIGINT[]; read it as VARCHAR and convert it in SQL");
}

TEST_F(CsvRead, BlanksAroundNumbersDoNotMatterAndInTextTheyStay) {
  EXPECT_EQ(rows("a,b\n 1, x \n\" 2 \",y\n"), "1| x  / 2|y");
}

TEST_F(CsvRead, OtherEncodingsAreConvertedAndPositionsCountTheirBytes) {
  std::string text = "id,stadt\n1,Z\xfcrich\n2,K\xf6ln\n";
  Options latin = {{"encoding", "latin1"}};
  EXPECT_EQ(rows(text, latin), "1|Zürich / 2|Köln");
  How how;
  how.request.batch_rows = 1;
  auto decoded = decode(text, latin, how).value();
  EXPECT_EQ(decoded.positions.front(), 18);
  EXPECT_EQ(decoded.positions.back(), static_cast<int64_t>(text.size()));
  how.begin = 18;
  how.schema = infer(text, latin).value();
  EXPECT_EQ(show(decode(text, latin, how)->batch), "2|Köln");
  std::string wide = "\xff\xfe";
  for (char c : std::string("a,b\n1,x\n2,y\n")) wide += std::string{c, '\0'};
  EXPECT_EQ(rows(wide, {{"encoding", "utf-16"}}), "1|x / 2|y");
  how.begin = 2 + 16;
  how.schema = infer(wide, {{"encoding", "utf-16"}}).value();
  EXPECT_EQ(show(decode(wide, {{"encoding", "utf-16"}}, how)->batch), "2|y");
}

TEST_F(CsvRead, AGrowingFilesUnfinishedLineIsLeftForLater) {
  How how;
  how.tail = true;
  how.schema = arrow::schema({arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8())});
  auto decoded = decode("a,b\n1,x\n2,unfini", {}, how).value();
  EXPECT_EQ(show(decoded.batch), "1|x");
  EXPECT_EQ(decoded.positions.back(), 8);
  how.begin = 8;
  EXPECT_EQ(show(decode("a,b\n1,x\n2,unfinished\n", {}, how)->batch), "2|unfinished");
  how.begin = 0;
  EXPECT_EQ(decode("a,", {}, how)->positions.back(), 0);
  EXPECT_EQ(show(decode("a,b\n1,\"half\nof", {}, how)->batch), "nothing");
}

// Text with every difficulty there is, and how many records it has.
std::string difficult_text(int records, bool stray_quotes) {
  std::mt19937 random(records);
  auto one_of = [&](std::initializer_list<const char*> values) {
    return std::string(values.begin()[random() % values.size()]);
  };
  std::string text = "\"id\nnumber\",name,note\n";
  for (int i = 0; i < records; ++i) {
    text += std::to_string(i) + "," +
            one_of({"ann", "", "\"b,b\"", "\"c\nc\"", "ü", "\"\"\"\"", "\"\"", "\"\n\n\n\""}) + "," +
            one_of({"x", "\"y\r\n\"", "\"a,\"\"b\"\"\n,c\"", "", "a long note that goes on for a while"});
    if (stray_quotes && random() % 50 == 0) text += "5\" pipe";
    text += one_of({"\n", "\n", "\n\n", "\r\n"});
  }
  return text;
}

TEST_F(CsvRead, EveryCutAtARecordStartGivesTheSameRows) {
  for (bool stray : {false, true}) {
    std::string text = difficult_text(3000, stray);
    auto file = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(text));
    auto size = static_cast<int64_t>(text.size());
    auto format = make({}).value();
    How how;
    how.collect_rejects = stray;
    how.schema = infer(text).value();
    auto whole = decode(text, {}, how).value();
    for (int64_t part : {int64_t{1} << 10, int64_t{5000}, size / 2, size - 5}) {
      int64_t start = 0;
      arrow::RecordBatchVector batches;
      size_t rejects = 0;
      while (start < size) {
        how.begin = start;
        how.end = format->next_record_start(context_, *file, start, start + part).value();
        ASSERT_GT(how.end, start);
        auto decoded = decode(text, {}, how).value();
        rejects += decoded.rejects.size();
        if (decoded.batch != nullptr) batches.push_back(decoded.batch);
        start = how.end;
      }
      auto joined = arrow::ConcatenateRecordBatches(batches).ValueOrDie();
      EXPECT_TRUE(joined->Equals(*whole.batch)) << "parts of " << part;
      EXPECT_EQ(rejects, whole.rejects.size());
    }
  }
}

TEST_F(CsvRead, EveryAmountReadAtOnceAndEveryBatchSizeGivesTheSameRows) {
  std::string text = difficult_text(400, false);
  How how;
  how.schema = infer(text).value();
  auto whole = decode(text, {}, how).value();
  EXPECT_EQ(whole.batch->num_rows(), 400);
  for (int64_t bytes : {1, 7, 64, 1000}) {
    how.read_bytes = bytes;
    how.request.batch_rows = bytes;
    EXPECT_TRUE(decode(text, {}, how)->batch->Equals(*whole.batch)) << bytes;
  }
}

TEST_F(CsvRead, ReadingResumesAtEveryPosition) {
  std::string text = difficult_text(200, false);
  How how;
  how.schema = infer(text).value();
  how.request.batch_rows = 3;
  auto whole = decode(text, {}, how).value();
  int64_t rows_before = 0;
  for (int64_t position : whole.positions) {
    rows_before = std::min<int64_t>(rows_before + 3, 200);
    How rest = how;
    rest.begin = position;
    auto decoded = decode(text, {}, rest).value();
    int64_t rows = decoded.batch == nullptr ? 0 : decoded.batch->num_rows();
    ASSERT_EQ(rows, 200 - rows_before) << "from byte " << position;
    if (rows > 0) {
      ASSERT_TRUE(decoded.batch->Equals(*whole.batch->Slice(rows_before)));
    }
  }
}

TEST_F(CsvRead, RecordsLongerThanTheWindowAreRead) {
  std::string big(3 << 20, 'x');
  EXPECT_EQ(rows("a,b\n1,\"" + big + "\n\"\n2,y\n"), "1|" + big + "\n / 2|y");
}

TEST_F(CsvRead, ErrorsInAPartNameTheLineOrWhereThatIsNotKnownTheByte) {
  How how;
  how.schema = arrow::schema({arrow::field("a", arrow::int64())});
  how.begin = 4;
  const std::string text = "a\n1\n2\nx\n";
  EXPECT_EQ(decode(text, {}, how).error().message(), "a.csv (byte 6): column 'a': 'x' is not a BIGINT");
  how.count_lines = true;
  EXPECT_EQ(decode(text, {}, how).error().message(), "a.csv:4: column 'a': 'x' is not a BIGINT");
  EXPECT_EQ(decode(text, {{"encoding", "latin1"}}, how).error().message().substr(0, 14), "a.csv (byte 6)")
      << "a line feed may be other bytes in other encodings";
}

TEST_F(CsvRead, AColumnThatTheSchemaLacksIsAnErrorWhereItWouldBeLost) {
  auto schema = arrow::schema({arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8())});
  DecoderOptions options{schema, {}, false};
  options.refuse_unknown = true;
  options.ignored = {"day"};
  auto decoder = make({}).value()->create_decoder(context_, options).value();
  auto read = [&](const std::string& text) -> Result<Decoder::Step> {
    TRY(decoder->open(context_, input(text, {})));
    return decoder->step(context_);
  };
  EXPECT_TRUE(read("b,a,day\nx,1,2\n").ok());
  EXPECT_EQ(read("b,new one,a\nx,2,1\n").error().message(),
            "a.csv: column 'new one' is in none of the files that the schema was taken from; look at all of them with "
            "sample_files := 0, or say with columns := '…' which are read");
}

TEST_F(CsvRead, OptionsThatContradictEachOtherAreRefused) {
  EXPECT_EQ(make({{"delimiter", "||"}}).error().what, "test: delimiter is one ASCII character, not '||'");
  EXPECT_FALSE(make({{"delimiter", "\""}}).ok());
  EXPECT_FALSE(make({{"quote", ""}, {"escape", "\\"}}).ok());
  EXPECT_FALSE(make({{"null", "a,b"}}).ok());
  EXPECT_FALSE(make({{"encoding", "klingon"}}).ok());
  EXPECT_TRUE(make({}, OptionScope::sink).ok());
}

}  // namespace
}  // namespace sluice::csv
