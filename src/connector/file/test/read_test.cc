#include <arrow/io/memory.h>
#include <sys/stat.h>

#include "codec/codec.h"
#include "connector/file/test/files.h"

namespace sluice::file {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class FileRead : public Files {
 protected:
  // A Parquet file with the column n, in row groups of 100.
  void put_parquet(const std::string& name, int64_t from, int64_t to) {
    auto sink = value_of(this->sink(name, {{"row_group_rows", "100"}, {"compression", "none"}}));
    arrow::Int64Builder ids;
    for (int64_t i = from; i < to; ++i) ASSERT_TRUE(ids.Append(i).ok());
    auto schema = arrow::schema({arrow::field("n", arrow::int64())});
    expect_ok(sink->open(context_, *schema, false));
    auto writer = value_of(sink->create_writer(context_, {"battery", 0, 1}));
    Rows rows;
    rows.batch = arrow::RecordBatch::Make(schema, to - from, {*ids.Finish()});
    value_of(writer->write(context_, rows));
    auto committer = value_of(sink->create_committer(context_));
    expect_ok(committer->commit(context_, value_of(writer->prepare(context_, 1)), {}, {}));
  }
};

std::string numbers(int from, int to) {
  std::string out;
  for (int i = from; i < to; ++i) out += fmt::format("{{\"n\":{}}}\n", i);
  return out;
}

std::vector<std::string> texts(int from, int to) {
  std::vector<std::string> out;
  for (int i = from; i < to; ++i) out.push_back(std::to_string(i));
  return out;
}

std::string gzip(const std::string& text) {
  auto buffer = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto stream = value_of(open_compressed(Codec::gzip, buffer));
  EXPECT_TRUE(stream->Write(text.data(), static_cast<int64_t>(text.size())).ok());
  EXPECT_TRUE(stream->Close().ok());
  return buffer->Finish().ValueOrDie()->ToString();
}

Predicate equals(const std::string& column, std::shared_ptr<arrow::Scalar> value) {
  return {{column}, Predicate::Op::eq, {std::move(value)}};
}

TEST_F(FileRead, OneFileIsReadByItsExtension) {
  put("a.jsonl", numbers(0, 3));
  EXPECT_THAT(value_of(read("a.jsonl")).column("n"), ElementsAre("0", "1", "2"));
}

TEST_F(FileRead, AFolderMeansAllFilesOfTheFormatBelowIt) {
  put("in/a.jsonl", numbers(0, 2));
  put("in/deep/er/b.json.gz", gzip(numbers(2, 4)));
  put("in/README.md", "not data");
  put("in/_SUCCESS", "");
  put("in/.hidden.json", "broken");
  EXPECT_THAT(value_of(read("in/")).column("n"), ElementsAre("0", "1", "2", "3"));
  EXPECT_THAT(value_of(read("in")).column("n"), ElementsAre("0", "1", "2", "3"));
}

TEST_F(FileRead, AGlobTakesWhatItMatches) {
  put("a1.json", numbers(0, 1));
  put("a2.json", numbers(1, 2));
  put("b1.json", numbers(2, 3));
  put("sub/a3.json", numbers(3, 4));
  EXPECT_THAT(value_of(read("a*.json")).column("n"), ElementsAre("0", "1"));
  EXPECT_THAT(value_of(read("{a,b}1.json")).column("n"), ElementsAre("0", "2"));
  EXPECT_THAT(value_of(read("a*.json", {{"recursive", "true"}})).column("n"), ElementsAre("0", "1", "3"));
}

TEST_F(FileRead, WhatIsNotThereIsSaidInOneSentence) {
  expect_error(read("no.json"), Fault::user, "no.json does not exist");
  expect_error(read("*.json"), Fault::user, "no json file matches");
  expect_error(source("a.json", {{"recursiv", "true"}}), Fault::user, "did you mean 'recursive'?");
  put("a.json", "");
  expect_error(source("a.json", {{"sampel_rows", "3"}}), Fault::user, "did you mean 'sample_rows'?");
  expect_error(source("a.json", {{"format", "jsn"}}), Fault::user, "did you mean 'json'?");
}

TEST_F(FileRead, FilesWithDifferentColumnsAreUnifiedByName) {
  put("in/a.json", "{\"id\":1,\"x\":1}\n");
  put("in/b.json", "{\"id\":2,\"y\":\"two\"}\n");
  auto got = value_of(read("in/"));
  EXPECT_THAT(got.column("id"), ElementsAre("1", "2"));
  EXPECT_THAT(got.column("x"), ElementsAre("1", "null"));
  EXPECT_THAT(got.column("y"), ElementsAre("null", "two"));
}

TEST_F(FileRead, TypesThatDoNotFitTogetherNameBothFiles) {
  put("in/a.json", "{\"id\":1}\n");
  put("in/b.json", "{\"id\":[1]}\n");
  auto got = read("in/");
  expect_error(got, Fault::user, "a.json");
  expect_error(got, Fault::user, "b.json");
  expect_error(got, Fault::user, "id");
}

TEST_F(FileRead, AnUnfinishedLastLineIsARecord) {
  put("a.json", "{\"n\":1}\n{\"n\":2}");
  EXPECT_THAT(value_of(read("a.json")).column("n"), ElementsAre("1", "2"));
}

TEST_F(FileRead, LargeFilesAreCutIntoRangesWithoutLosingOrDoublingARow) {
  put("a.json", numbers(0, 1000));
  for (const char* bytes : {"2", "3", "7", "64", "1000", "4096"}) {
    auto got = value_of(read("a.json", {{"split_bytes", bytes}}));
    EXPECT_GT(got.splits, 1);
    EXPECT_EQ(got.column("n"), texts(0, 1000)) << bytes;
  }
}

TEST_F(FileRead, CsvIsCutAtRecordsEvenWhenValuesHoldLineFeeds) {
  std::string csv = "id,note\n";
  for (int i = 0; i < 500; ++i) csv += fmt::format("{},\"line one {}\nline, two\"\n", i, i);
  put("a.csv", csv);
  auto got = value_of(read("a.csv", {{"split_bytes", "1000"}}));
  EXPECT_GT(got.splits, 5);
  EXPECT_EQ(got.column("id"), texts(0, 500));
}

TEST_F(FileRead, ParquetIsCutAtRowGroupsAndResumesThere) {
  put_parquet("a.parquet", 0, 1000);
  auto got = value_of(read("a.parquet", {{"split_bytes", "400"}}));
  ASSERT_GT(got.splits, 3);
  EXPECT_EQ(got.column("n"), texts(0, 1000));
  EXPECT_EQ(value_of(read("a.parquet", {}, got.positions)).rows(), 0);
  auto durable = got.positions;
  durable.erase(std::next(durable.begin()));
  auto rest = value_of(read("a.parquet", {}, durable));
  EXPECT_GT(rest.rows(), 0);
  EXPECT_EQ(rest.rows() % 100, 0);
  EXPECT_LT(rest.rows(), 500);
}

TEST_F(FileRead, AnArrayIsNotCut) {
  std::string array = "[";
  for (int i = 0; i < 300; ++i) array += fmt::format("{}{{\"n\":{}}}", i == 0 ? "" : ",\n", i);
  put("a.json", array + "]");
  auto got = value_of(read("a.json", {{"split_bytes", "100"}}));
  EXPECT_EQ(got.splits, 1);
  EXPECT_EQ(got.column("n"), texts(0, 300));
}

TEST_F(FileRead, ASecondRunDeliversOnlyWhatIsNew) {
  put("in/a.json", numbers(0, 3));
  put("in/b.json.gz", gzip(numbers(3, 5)));
  auto first = value_of(read("in/"));
  EXPECT_EQ(first.rows(), 5);
  auto second = value_of(read("in/", {}, first.positions));
  EXPECT_EQ(second.splits, 0);
  put("in/c.json", numbers(5, 6));
  append("in/a.json", numbers(6, 8));
  auto third = value_of(read("in/", {}, second.positions));
  EXPECT_THAT(third.column("n"), testing::UnorderedElementsAre("5", "6", "7"));
  EXPECT_EQ(value_of(read("in/", {}, third.positions)).rows(), 0);
}

TEST_F(FileRead, AFileThatGrewAfterItWasReadInRangesContinues) {
  put("a.json", numbers(0, 500));
  auto first = value_of(read("a.json", {{"split_bytes", "500"}}));
  append("a.json", numbers(500, 600));
  auto second = value_of(read("a.json", {{"split_bytes", "300"}}, first.positions));
  EXPECT_EQ(second.column("n"), texts(500, 600));
  EXPECT_EQ(value_of(read("a.json", {}, second.positions)).rows(), 0);
}

TEST_F(FileRead, RangesThatWereNeverDeliveredAreReadLater) {
  put("a.json", numbers(0, 500));
  auto all = value_of(read("a.json", {{"split_bytes", "500"}}));
  for (size_t lost = 0; lost < all.positions.size(); ++lost) {
    auto durable = all.positions;
    auto gone = std::next(durable.begin(), static_cast<long>(lost));
    durable.erase(gone);
    auto rest = value_of(read("a.json", {{"split_bytes", "170"}}, durable));
    EXPECT_GT(rest.rows(), 0);
    EXPECT_LT(rest.rows(), 100);
    auto again = value_of(read("a.json", {{"split_bytes", "200"}}, rest.positions));
    EXPECT_EQ(again.rows(), 0);
  }
}

TEST_F(FileRead, ReadingResumesInTheMiddleOfFilesOfEveryKind) {
  put("in/a.json", numbers(0, 1000));
  put("in/b.json.gz", gzip(numbers(1000, 2000)));
  ReadRequest small;
  small.batch_rows = 100;
  auto source = value_of(this->source("in/"));
  Positions durable;
  std::vector<std::string> seen;
  value_of(source->plan(context_, small));
  expect_ok(source->start(context_, {}));
  auto events = value_of(source->poll_splits(context_, system_clock().steady()));
  auto reader = value_of(source->create_reader(context_, events.added));
  for (int i = 0; i < 13; ++i) {
    auto event = value_of(reader->next(context_, system_clock().steady() + Millis(1000)));
    auto& rows = std::get<Rows>(event);
    Delivered part;
    part.batches.push_back(rows.batch);
    for (auto& text : part.column("n")) seen.push_back(text);
    for (auto& step : rows.progress) durable[step.split] = step.upto;
  }
  auto rest = value_of(read("in/", {}, durable));
  for (auto& text : rest.column("n")) seen.push_back(text);
  EXPECT_EQ(seen, texts(0, 2000));
}

TEST_F(FileRead, AReplacedFileIsNewContent) {
  put("a.json", numbers(0, 3));
  auto first = value_of(read("a.json"));
  std::filesystem::rename(folder_.file("a.json"), folder_.file("elsewhere"));
  put("a.json", numbers(10, 12));
  auto second = value_of(read("a.json", {}, first.positions));
  EXPECT_THAT(second.column("n"), ElementsAre("10", "11"));
}

TEST_F(FileRead, AFileRewrittenInPlaceIsNewContentThoughItsInodeStays) {
  put("a.json", numbers(0, 3));
  auto first = value_of(read("a.json"));
  put("a.json", numbers(7, 20));
  auto second = value_of(read("a.json", {}, first.positions));
  EXPECT_EQ(second.column("n"), texts(7, 20));
}

// What the ranges of the old content say is on record for ever: it must not count for the new one.
TEST_F(FileRead, WhatReplacedALargerContentInPlaceIsReadOnce) {
  const Options cut = {{"split_bytes", "1000"}};
  put("a.json", numbers(0, 1000));
  auto first = value_of(read("a.json", cut));
  ASSERT_GT(first.splits, 5);
  put("a.json", numbers(5000, 5400));
  auto second = value_of(read("a.json", cut, first.positions));
  EXPECT_EQ(second.column("n"), texts(5000, 5400));
  EXPECT_EQ(value_of(read("a.json", cut, second.positions)).rows(), 0);
  append("a.json", numbers(5400, 5450));
  auto grown = value_of(read("a.json", cut, second.positions));
  EXPECT_EQ(grown.column("n"), texts(5400, 5450));
  put("a.json", numbers(100, 200));
  auto fourth = value_of(read("a.json", cut, grown.positions));
  EXPECT_EQ(fourth.column("n"), texts(100, 200));
  EXPECT_EQ(value_of(read("a.json", cut, fourth.positions)).rows(), 0);
}

TEST_F(FileRead, WhatReplacedASmallerContentInPlaceIsReadOnce) {
  const Options cut = {{"split_bytes", "1000"}};
  put("a.json", numbers(0, 100));
  auto first = value_of(read("a.json", cut));
  ASSERT_EQ(first.splits, 1);
  put("a.json", numbers(5000, 6000));
  auto second = value_of(read("a.json", cut, first.positions));
  ASSERT_GT(second.splits, 5);
  EXPECT_EQ(second.column("n"), texts(5000, 6000));
  EXPECT_EQ(value_of(read("a.json", cut, second.positions)).rows(), 0);
  // Ranges of the new content that were lost are read, and nothing else.
  auto durable = second.positions;
  ASSERT_EQ(durable.count(folder_.file("a.json") + "@0"), 1U);
  durable.erase(folder_.file("a.json") + "@0");
  auto rest = value_of(read("a.json", cut, durable));
  EXPECT_GT(rest.rows(), 0);
  EXPECT_LT(rest.rows(), 200);
  EXPECT_EQ(value_of(read("a.json", cut, rest.positions)).rows(), 0);
}

TEST_F(FileRead, AParquetFileRewrittenInPlaceIsReadOnce) {
  const Options cut = {{"split_bytes", "400"}};
  put_parquet("large.parquet", 0, 1000);
  put_parquet("small.parquet", 5000, 5250);
  const auto large = content("large.parquet");
  const auto small = content("small.parquet");
  for (bool shrinks : {true, false}) {
    put("a.parquet", shrinks ? large : small);
    auto first = value_of(read("a.parquet", cut));
    put("a.parquet", shrinks ? small : large);
    auto second = value_of(read("a.parquet", cut, first.positions));
    EXPECT_EQ(second.column("n"), shrinks ? texts(5000, 5250) : texts(0, 1000));
    EXPECT_EQ(value_of(read("a.parquet", cut, second.positions)).rows(), 0);
    std::filesystem::remove(folder_.file("a.parquet"));
  }
}

// After a restart of the machine, or a mount somewhere else, the same files have another device number.
TEST_F(FileRead, FilesOnADeviceThatChangedItsNumberAreNotReadAgain) {
  put("in/a.json", numbers(0, 100));
  put("in/b.json", numbers(100, 1000));
  put("in/c.json.gz", gzip(numbers(1000, 1010)));
  put("in/empty.json", "");
  put("in/replaced.json", numbers(2000, 2100));
  const Options cut = {{"split_bytes", "1000"}};
  auto first = value_of(read("in/", cut));
  EXPECT_EQ(value_of(read("in/", cut, on_another_device(first.positions))).rows(), 0);
  append("in/a.json", numbers(100, 103));
  append("in/b.json", numbers(1000, 1005));
  append("in/empty.json", numbers(2000, 2001));
  put("in/replaced.json", numbers(3000, 3100));
  put("in/new.json", numbers(4000, 4001));
  auto second = value_of(read("in/", cut, on_another_device(first.positions)));
  auto expected = texts(100, 103);
  for (auto [from, to] : {std::pair(1000, 1005), {2000, 2001}, {4000, 4001}, {3000, 3100}}) {
    for (auto& text : texts(from, to)) expected.push_back(text);
  }
  EXPECT_THAT(second.column("n"), testing::UnorderedElementsAreArray(expected));
  // Some ranges are on record with the old number now, and some with the new one.
  EXPECT_EQ(value_of(read("in/", cut, second.positions)).rows(), 0);
  EXPECT_EQ(value_of(read("in/", cut, on_another_device(second.positions, 78))).rows(), 0);
}

TEST_F(FileRead, AParquetFileOnADeviceThatChangedItsNumberIsNotReadAgain) {
  put_parquet("a.parquet", 0, 1000);
  put_parquet("other.parquet", 5000, 6100);
  const Options cut = {{"split_bytes", "400"}};
  auto first = value_of(read("a.parquet", cut));
  auto moved = on_another_device(first.positions);
  EXPECT_EQ(value_of(read("a.parquet", cut, moved)).rows(), 0);
  put("a.parquet", content("other.parquet"));
  auto second = value_of(read("a.parquet", cut, moved));
  EXPECT_EQ(second.rows(), 1100);
  EXPECT_EQ(value_of(read("a.parquet", cut, second.positions)).rows(), 0);
}

// Where the first kilobyte is the same, the bytes before the place where reading ended tell.
TEST_F(FileRead, AFileRewrittenInPlaceBehindALongHeaderIsNewContent) {
  std::string header = "n";
  while (header.size() < 1200) header += fmt::format(",column_{}", header.size());
  const std::string blanks(static_cast<size_t>(std::count(header.begin(), header.end(), ',')), ',');
  auto rows = [&](int from, int to) {
    std::string csv = header + "\n";
    for (int i = from; i < to; ++i) csv += fmt::format("{}{}\n", i, blanks);
    return csv;
  };
  for (int upto : {140, 180}) {  // of the same size, and a larger one
    put("a.csv", rows(100, 140));
    auto first = value_of(read("a.csv"));
    EXPECT_EQ(first.column("n"), texts(100, 140));
    append("a.csv", fmt::format("{}{}\n", 140, blanks));
    auto grown = value_of(read("a.csv", {}, first.positions));
    EXPECT_EQ(grown.column("n"), texts(140, 141));
    put("a.csv", rows(500, upto + 401));
    auto second = value_of(read("a.csv", {}, grown.positions));
    EXPECT_EQ(second.column("n"), texts(500, upto + 401));
    EXPECT_EQ(value_of(read("a.csv", {}, second.positions)).rows(), 0);
    std::filesystem::remove(folder_.file("a.csv"));
  }
}

TEST_F(FileRead, ARenamedFileIsNotReadAgain) {
  put("in/a.json", numbers(0, 3));
  auto first = value_of(read("in/"));
  std::filesystem::rename(folder_.file("in/a.json"), folder_.file("in/z.json"));
  put("in/a.json", numbers(3, 5));
  auto second = value_of(read("in/", {}, first.positions));
  EXPECT_THAT(second.column("n"), ElementsAre("3", "4"));
  EXPECT_EQ(value_of(read("in/", {}, second.positions)).rows(), 0);
}

TEST_F(FileRead, GrowthOfALineThatWasDeliveredUnfinishedIsRefused) {
  put("a.json", "{\"n\":1}\n{\"n\":2}");
  auto first = value_of(read("a.json"));
  append("a.json", "\n{\"n\":3}\n");
  auto second = value_of(read("a.json", {}, first.positions));
  EXPECT_THAT(second.column("n"), ElementsAre("3"));
  put("b.csv", "n\n12");
  auto csv = value_of(read("b.csv"));
  append("b.csv", "34\n");
  expect_error(read("b.csv", {}, csv.positions), Fault::refused, "grown since");
}

TEST_F(FileRead, HivePartitionsBecomeColumns) {
  put("lake/day=2026-01-01/city=Z%C3%BCrich/a.json", numbers(0, 1));
  put("lake/day=2026-01-02/city=__HIVE_DEFAULT_PARTITION__/a.json", numbers(1, 2));
  auto got = value_of(read("lake/"));
  EXPECT_THAT(got.column("n"), ElementsAre("0", "1"));
  EXPECT_THAT(got.column("day"), ElementsAre("2026-01-01", "2026-01-02"));
  EXPECT_THAT(got.column("city"), ElementsAre("Zürich", "null"));
  EXPECT_EQ(got.batches[0]->schema()->GetFieldByName("day")->type()->id(), arrow::Type::DATE32);
}

TEST_F(FileRead, PartitionsThatTheFilterExcludesAreNotRead) {
  for (int hour = 0; hour < 24; ++hour) {
    put(fmt::format("lake/hour={:02}/a.json", hour), hour == 7 ? numbers(0, 2) : numbers(0, 1));
  }
  put("lake/hour=23/broken.json", numbers(0, 1));
  ReadRequest request;
  request.filter.push_back(equals("hour", std::make_shared<arrow::Int32Scalar>(7)));
  auto source = value_of(this->source("lake/"));
  auto planned = value_of(source->plan(context_, request));
  EXPECT_THAT(planned.pushed.filter_exact, ElementsAre(true));
  ASSERT_EQ(planned.pushed.notes.size(), 1U);
  EXPECT_THAT(planned.pushed.notes[0], HasSubstr("partitions: 1 of 24 read"));
  auto got = value_of(read("lake/", {}, {}, request));
  EXPECT_EQ(got.splits, 1);
  EXPECT_THAT(got.column("hour"), ElementsAre("7", "7"));
}

TEST_F(FileRead, OnlyRequestedPartitionColumnsComeOut) {
  put("lake/a=1/b=x/f.json", "{\"n\":1,\"m\":2}\n");
  ReadRequest request;
  request.columns = {{{"b"}, {"m"}}};
  auto got = value_of(read("lake/", {}, {}, request));
  EXPECT_EQ(got.batches[0]->num_columns(), 2);
  EXPECT_THAT(got.column("m"), ElementsAre("2"));
  EXPECT_THAT(got.column("b"), ElementsAre("x"));
  request.columns = {{{"a"}}};
  EXPECT_THAT(value_of(read("lake/", {}, {}, request)).column("a"), ElementsAre("1"));
}

TEST_F(FileRead, APartitionColumnThatFilesRepeatComesFromThePath) {
  put("lake/a=1/f.json", "{\"n\":1,\"a\":99}\n");
  auto got = value_of(read("lake/"));
  EXPECT_THAT(got.column("a"), ElementsAre("1"));
}

TEST_F(FileRead, PathsWithDifferentKeysHaveNoPartitionColumnsUnlessAskedFor) {
  put("lake/a=1/f.json", numbers(0, 1));
  put("lake/g.json", numbers(1, 2));
  EXPECT_EQ(value_of(read("lake/")).batches[0]->num_columns(), 1);
  expect_error(read("lake/", {{"hive_partitioning", "true"}}), Fault::user, "partition keys");
}

TEST_F(FileRead, TheFileNameCanBeAColumn) {
  put("in/a.json", numbers(0, 1));
  put("in/b.json", numbers(1, 2));
  auto got = value_of(read("in/", {{"filename", "true"}}));
  EXPECT_THAT(got.column("filename"), ElementsAre(folder_.file("in/a.json"), folder_.file("in/b.json")));
}

TEST_F(FileRead, ManySmallFilesShareBatches) {
  for (int i = 0; i < 300; ++i) put(fmt::format("in/{:03}.json", i), numbers(i, i + 1));
  auto got = value_of(read("in/"));
  EXPECT_EQ(got.batches.size(), 1U);
  EXPECT_EQ(got.positions.size(), 300U);
  EXPECT_EQ(got.column("n"), texts(0, 300));
}

TEST_F(FileRead, AFileThatCannotBeReadIsOneRejectWhereRejectsAreWanted) {
  put("in/a.json", numbers(0, 2));
  put("in/b.json.gz", gzip(numbers(2, 4)).substr(0, 12));
  put("in/c.json", numbers(4, 6));
  auto refused = read("in/");
  expect_error(refused, Fault::user, "b.json.gz");
  ReadRequest request;
  request.collect_rejects = true;
  auto got = value_of(read("in/", {}, {}, request));
  EXPECT_THAT(got.column("n"), ElementsAre("0", "1", "4", "5"));
  ASSERT_EQ(got.rejects.size(), 1U);
  EXPECT_EQ(got.rejects[0].payload, folder_.file("in/b.json.gz"));
  EXPECT_THAT(got.rejects[0].reason, HasSubstr("truncated"));
  EXPECT_EQ(value_of(read("in/", {}, got.positions, request)).rejects.size(), 0U);
}

TEST_F(FileRead, ACutParquetFileIsNamed) {
  put("a.parquet", "PAR1 and then nothing");
  expect_error(read("a.parquet"), Fault::user, "a.parquet");
}

TEST_F(FileRead, OfManyHiveFoldersOnlyThoseAreListedThatAFilterLeaves) {
  for (int day = 1; day <= 4; ++day) {
    for (int i = 0; i < 1'500; ++i) put(fmt::format("lake/day={}/{}.json", day, i), "{\"n\": 1}\n");
  }
  auto made = value_of(source("lake/"));
  EXPECT_EQ(value_of(made->fetch_schema(context_))->ToString(), "n: int64\nday: int64");
  ReadRequest request;
  request.filter = {{{"day"}, Predicate::Op::eq, {std::make_shared<arrow::Int64Scalar>(2)}}};
  auto got = value_of(read(*made, {}, request));
  EXPECT_EQ(got.rows(), 1'500);
  EXPECT_THAT(got.notes, ElementsAre("partitions listed: day = 2"));
  // What came after the look and fits no type is said, with what to do.
  put("lake/day=first/1.json", "{\"n\": 1}\n");
  expect_error(read(*made), Fault::user, "sample_files := 0");
  // The names of folders tell the types, also of those that were not looked into.
  EXPECT_EQ(value_of(value_of(source("lake/"))->fetch_schema(context_))->ToString(), "n: int64\nday: string");
}

TEST_F(FileRead, JsonInOtherEncodingsGoesOnWhereItStood) {
  put("latin.json", "{\"name\": \"Z\xFCrich\"}\n");
  EXPECT_THAT(value_of(read("latin.json", {{"encoding", "latin1"}})).column("name"), ElementsAre("Zürich"));

  std::string wide = "\xFE\xFF";  // UTF-16, big endian
  for (char c : std::string("{\"n\": 1}\n{\"n\": 2}\n{\"n\": 3}\n")) wide += {'\0', c};
  put("wide.json", wide);
  auto begun = value_of(source("wide.json", {{"encoding", "utf-16"}}));
  ReadRequest one_by_one;
  one_by_one.batch_rows = 1;
  value_of(begun->plan(context_, one_by_one));
  expect_ok(begun->start(context_, {}));
  auto splits = value_of(begun->poll_splits(context_, system_clock().steady())).added;
  auto reader = value_of(begun->create_reader(context_, splits));
  auto rows = std::get<Rows>(value_of(reader->next(context_, system_clock().steady() + Millis(1000))));
  ASSERT_EQ(rows.progress.size(), 1U);
  auto rest = value_of(
      read("wide.json", {{"encoding", "utf-16"}}, {{rows.progress[0].split, rows.progress[0].upto}}, one_by_one));
  EXPECT_THAT(rest.column("n"), ElementsAre("2", "3"));
}

TEST_F(FileRead, WhatIsAppendedInOtherEncodingsIsReadOnItsOwn) {
  const Options latin = {{"encoding", "latin1"}};
  put("a.txt", "Z\xFCrich\n");
  auto first = value_of(read("a.txt", latin));
  EXPECT_THAT(first.column("line"), ElementsAre("Zürich"));
  append("a.txt", "Gen\xE8ve");
  auto second = value_of(read("a.txt", latin, first.positions));
  EXPECT_THAT(second.column("line"), ElementsAre("Genève"));
  append("a.txt", "-Cointrin\n");
  expect_error(read("a.txt", latin, second.positions), Fault::refused, "grown since");

  const Options utf16 = {{"encoding", "utf-16"}};
  put("b.csv", wide("n\n1\n"));
  auto csv = value_of(read("b.csv", utf16));
  EXPECT_THAT(csv.column("n"), ElementsAre("1"));
  append("b.csv", wide("2\n34\n", false));
  csv = value_of(read("b.csv", utf16, csv.positions));
  EXPECT_THAT(csv.column("n"), ElementsAre("2", "34"));
  append("b.csv", wide("6", false));
  csv = value_of(read("b.csv", utf16, csv.positions));
  append("b.csv", wide("7\n", false));
  expect_error(read("b.csv", utf16, csv.positions), Fault::refused, "grown since");
}

TEST_F(FileRead, ResetToTheEndTheRestOfALineIsReadWithItsBeginning) {
  for (const std::string encoding : {"utf-8", "utf-16", "utf-16be"}) {
    auto encoded = [&](const std::string& text, bool begins = false) {
      if (encoding == "utf-8") return text;
      if (encoding == "utf-16") return wide(text, begins);
      std::string out;
      for (char c : text) out += {'\0', c};
      return out;
    };
    const Options options = {{"encoding", encoding}, {"columns", "n BIGINT"}};
    put("a.json", encoded("{\"n\":1}\n{\"n\":2", true));
    auto positions = value_of(value_of(source("a.json", options))->resolve_position(context_, "latest"));
    append("a.json", encoded("3}\n{\"n\":4}\n"));
    EXPECT_THAT(value_of(read("a.json", options, positions)).column("n"), ElementsAre("23", "4")) << encoding;
  }
}

TEST_F(FileRead, DocumentsThatAreAppendedAreReadOnTheirOwn) {
  const Options documents = {{"layout", "documents"}};
  put("a.json", "{\n\"n\": 1\n}\n");
  auto got = value_of(read("a.json", documents));
  EXPECT_THAT(got.column("n"), ElementsAre("1"));
  append("a.json", "{\n\"n\": 2}{\"n\": 3\n}\n");
  got = value_of(read("a.json", documents, got.positions));
  EXPECT_THAT(got.column("n"), ElementsAre("2", "3"));
  got.positions = value_of(value_of(source("a.json", documents))->resolve_position(context_, "latest"));
  append("a.json", "{\"n\": 4}");
  EXPECT_THAT(value_of(read("a.json", documents, got.positions)).column("n"), ElementsAre("4"));
  put("b.json", "[{\"n\": 1},\n{\"n\": 2}]");
  got = value_of(read("b.json", documents));
  EXPECT_THAT(got.column("n"), ElementsAre("1", "2"));
  append("b.json", "\n");
  got = value_of(read("b.json", documents, got.positions));
  EXPECT_EQ(got.rows(), 0);
  put("b.json", "[{\"n\": 1},\n{\"n\": 2},{\"n\": 3}]");
  EXPECT_THAT(value_of(read("b.json", documents, got.positions)).column("n"), ElementsAre("1", "2", "3"));
}

TEST_F(FileRead, TheRateIsKept) {
  put("a.json", numbers(0, 300));
  auto limited = value_of(source("a.json", {{"rate_limit", "1000 rows/s"}}));
  ReadRequest request;
  limited->rate_limit()->shape(&request);
  auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(value_of(read(*limited, {}, request)).rows(), 300);
  auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, Millis(90));
  EXPECT_LE(took, Millis(2000));
  expect_error(source("a.json", {{"rate_limit", "fast"}}), Fault::user, "rate_limit");
}

}  // namespace
}  // namespace sluice::file
