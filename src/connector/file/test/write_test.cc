#include <sys/stat.h>

#include "connector/file/test/files.h"
#include "port/conformance/child_process.h"
#include "port/conformance/sink_battery.h"

namespace sluice::file {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::SizeIs;

class FileWrite : public Files {
 protected:
  static BatchPtr batch(int64_t from, int64_t to, int64_t keys = 3) {
    arrow::Int64Builder ids;
    arrow::StringBuilder keys_of;
    for (int64_t i = from; i < to; ++i) {
      EXPECT_TRUE(ids.Append(i).ok());
      EXPECT_TRUE(
          (i % (keys + 1) == keys ? keys_of.AppendNull() : keys_of.Append(fmt::format("k{}", i % (keys + 1)))).ok());
    }
    auto schema = arrow::schema({arrow::field("id", arrow::int64()), arrow::field("key", arrow::utf8())});
    return arrow::RecordBatch::Make(schema, to - from, {*ids.Finish(), *keys_of.Finish()});
  }
  static Rows rows(BatchPtr batch, const std::string& position = "1") {
    Rows rows;
    rows.table.name = "orders";
    rows.batch = std::move(batch);
    rows.progress = {{"in", Position{position}}};
    return rows;
  }

  struct Run {
    std::unique_ptr<Sink> sink;
    std::unique_ptr<Writer> writer;
    std::unique_ptr<Committer> committer;
  };
  Result<Run> start(const std::string& name, const Options& options, bool one_off = false, Generation generation = 1) {
    Run run;
    run.sink = TRY(this->sink(name, options, one_off));
    auto schema = batch(0, 0)->schema();
    TRY(run.sink->validate_schema(context_, *schema));
    TRY(run.sink->open(context_, *schema, generation > 1));
    run.committer = TRY(run.sink->create_committer(context_));
    (void)TRY(run.committer->fence_and_load(context_, generation));
    TRY(run.committer->discard(context_, {}));
    run.writer = TRY(run.sink->create_writer(context_, {"battery", 0, generation}));
    return run;
  }
  Result<void> publish(Run& run) {
    auto prepared = TRY(run.writer->prepare(context_, 1));
    return run.committer->commit(context_, prepared, {}, {});
  }
  Result<void> write_once(const std::string& name, const Options& options, const BatchPtr& batch,
                          bool one_off = false) {
    auto run = TRY(start(name, options, one_off));
    (void)TRY(run.writer->write(context_, rows(batch)));
    return publish(run);
  }
};

TEST_F(FileWrite, AnExactNameIsOneFileInTheFormatOfItsExtension) {
  expect_ok(write_once("out/a.jsonl", {}, batch(0, 2)));
  EXPECT_EQ(content("out/a.jsonl"), "{\"id\":0,\"key\":\"k0\"}\n{\"id\":1,\"key\":\"k1\"}\n");
  expect_ok(write_once("out/b.csv.gz", {}, batch(0, 2)));
  EXPECT_THAT(value_of(read("out/b.csv.gz")).column("id"), ElementsAre("0", "1"));
  expect_ok(write_once("out/c.parquet", {}, batch(0, 2)));
  EXPECT_THAT(value_of(read("out/c.parquet")).column("id"), ElementsAre("0", "1"));
}

TEST_F(FileWrite, AFolderGetsNamesThatCanBeRepeated) {
  expect_ok(write_once("one/", {{"collection", "orders"}, {"format", "csv"}, {"compression", "zstd"}}, batch(0, 2)));
  expect_ok(write_once("two/", {{"collection", "orders"}, {"format", "csv"}, {"compression", "zstd"}}, batch(0, 2)));
  auto files = files_in("one");
  ASSERT_THAT(files, SizeIs(1));
  EXPECT_THAT(files[0], MatchesRegex("orders-[0-9a-f]{16}\\.csv\\.zst"));
  EXPECT_EQ(files, files_in("two"));
}

TEST_F(FileWrite, ATakenNameIsPassedOver) {
  expect_ok(write_once("out/", {}, batch(0, 2)));
  expect_ok(write_once("out/", {}, batch(0, 2)));
  EXPECT_THAT(files_in("out"), SizeIs(2));
}

TEST_F(FileWrite, PrefixIsAppendedToThePath) {
  expect_ok(write_once("out/", {{"prefix", "/deep/er/"}}, batch(0, 2)));
  EXPECT_THAT(files_in("out/deep/er"), SizeIs(1));
}

Rows of_table(Rows rows, TableId table) {
  rows.table = std::move(table);
  return rows;
}

TEST_F(FileWrite, ALocationThatNamesTablesIsAFolderForEach) {
  auto run = value_of(start("out/{schema}/of-{table}/", {{"format", "csv"}}));
  EXPECT_TRUE(run.sink->traits().many_tables);
  for (const auto& name : {"orders", "items"}) {
    value_of(run.writer->write(context_, of_table(rows(batch(0, 2)), {"shop", name})));
  }
  expect_ok(publish(run));
  auto files = files_in("out");
  ASSERT_THAT(files, SizeIs(2));
  EXPECT_THAT(files[0], MatchesRegex("shop/of-items/items-[0-9a-f]{16}\\.csv"));
  EXPECT_THAT(files[1], MatchesRegex("shop/of-orders/orders-[0-9a-f]{16}\\.csv"));
}

TEST_F(FileWrite, TablesCanBeFilesAndPartitionedFolders) {
  auto exact = value_of(start("out/{table}.csv", {}, true));
  EXPECT_TRUE(exact.sink->traits().single_writer);
  value_of(exact.writer->write(context_, of_table(rows(batch(0, 2)), {"", "a"})));
  value_of(exact.writer->write(context_, of_table(rows(batch(2, 3)), {"", "b"})));
  expect_ok(publish(exact));
  EXPECT_THAT(files_in("out"), ElementsAre("a.csv", "b.csv"));

  auto parted = value_of(start("parts/{table}/", {{"partition_by", "key"}, {"format", "json"}}));
  value_of(parted.writer->write(context_, of_table(rows(batch(0, 1)), {"", "a"})));
  value_of(parted.writer->write(context_, of_table(rows(batch(1, 2)), {"", "b"})));
  expect_ok(publish(parted));
  EXPECT_THAT(files_in("parts"), ElementsAre(MatchesRegex("a/key=k0/a-.*"), MatchesRegex("b/key=k1/b-.*")));
}

TEST_F(FileWrite, EachTableMeetsExistingDataByItself) {
  put("out/b/old.jsonl", "{}\n");
  auto write = [&](const Options& options, const std::string& table, bool one_off) -> Result<void> {
    auto run = TRY(start("out/{table}/", options, one_off));
    (void)TRY(run.writer->write(context_, of_table(rows(batch(0, 1)), {"", table})));
    return publish(run);
  };
  expect_ok(write({}, "a", true));
  expect_error(write({}, "b", true), Fault::refused, "out/b is not empty (1 file)");
  expect_ok(write({{"if_exists", "replace"}}, "b", true));
  EXPECT_THAT(files_in("out/b"), ElementsAre(MatchesRegex("b-.*")));
  expect_ok(write({}, "a", false));
  EXPECT_THAT(files_in("out/a"), SizeIs(2));
}

TEST_F(FileWrite, TablesThatCannotBeToldApartAreRefused) {
  auto run = value_of(start("out/{table}/", {}));
  value_of(run.writer->write(context_, of_table(rows(batch(0, 1)), {"", "a b"})));
  expect_error(run.writer->write(context_, of_table(rows(batch(0, 1)), {"", "a/b"})), Fault::refused,
               "'a b' and 'a/b' would both be written to");
  auto schema = value_of(start("out/{schema}/{table}/", {}));
  expect_error(schema.writer->write(context_, rows(batch(0, 1))), Fault::user, "no schema that could stand for");
  auto made = request("", {});
  made.location = value_of(parse_location("/{table}/", "file"));
  expect_error(context_.registry().create_sink(made), Fault::user, "a folder has to stand before");
}

TEST_F(FileWrite, AnUnnamedStatementMeetsExistingDataByIfExists) {
  expect_ok(write_once("out/", {}, batch(0, 2), true));
  expect_error(write_once("out/", {}, batch(2, 3), true), Fault::refused, "is not empty (1 file)");
  expect_ok(write_once("out/", {{"if_exists", "append"}}, batch(2, 3), true));
  EXPECT_EQ(value_of(read("out/")).rows(), 3);
  expect_ok(write_once("out/", {{"if_exists", "replace"}}, batch(7, 8), true));
  EXPECT_THAT(value_of(read("out/")).column("id"), ElementsAre("7"));

  expect_ok(write_once("a.jsonl", {}, batch(0, 1), true));
  expect_error(write_once("a.jsonl", {}, batch(1, 2), true), Fault::refused, "if_exists := 'replace'");
  expect_ok(write_once("a.jsonl", {{"if_exists", "replace"}}, batch(1, 2), true));
  EXPECT_THAT(value_of(read("a.jsonl")).column("id"), ElementsAre("1"));
  expect_error(start("a.jsonl", {{"if_exists", "append"}}, true), Fault::user, "cannot be appended");
}

TEST_F(FileWrite, WhatIsToBeReplacedIsNotForgottenWhenAnEpochIsDiscarded) {
  put("out/old.jsonl", "{}\n");
  auto run = value_of(start("out/", {{"if_exists", "replace"}}, true));
  value_of(run.writer->write(context_, rows(batch(0, 2))));
  auto undecided = value_of(run.writer->prepare(context_, 1));
  expect_ok(run.committer->discard(context_, undecided));
  EXPECT_THAT(files_in("out"), ElementsAre("old.jsonl"));
  run.writer = value_of(run.sink->create_writer(context_, {"battery", 0, 1}));
  value_of(run.writer->write(context_, rows(batch(0, 2))));
  expect_ok(publish(run));
  EXPECT_THAT(files_in("out"), ElementsAre(MatchesRegex("orders-.*")));
  value_of(run.writer->write(context_, rows(batch(2, 4), "2")));
  expect_ok(publish(run));
  EXPECT_THAT(files_in("out"), SizeIs(2)) << "what this statement delivered stays";
}

TEST_F(FileWrite, ATableThatHasNoRowsAnyMoreIsReplacedByNothing) {
  put("out/a/old.jsonl", "{}\n");
  put("out/b/old.jsonl", "{}\n");
  auto run = value_of(start("out/{table}/", {{"if_exists", "replace"}}, true));
  for (const char* table : {"a", "b"}) {
    expect_ok(run.sink->open_table(context_, {"", table}, *batch(0, 0)->schema(), false));
  }
  value_of(run.writer->write(context_, of_table(rows(batch(0, 1)), {"", "a"})));
  expect_ok(publish(run));
  EXPECT_THAT(files_in("out"), ElementsAre(MatchesRegex("a/a-.*")));
}

TEST_F(FileWrite, AFileOfTheNameOfAFolderIsNotWhatIsReplaced) {
  put("out", "not ours");
  auto run = value_of(start("out/", {{"if_exists", "replace"}}, true));
  expect_error(run.writer->write(context_, rows(batch(0, 2))), Fault::refused, "out");
  EXPECT_EQ(content("out"), "not ours");
}

TEST_F(FileWrite, FilesThatNobodyPublishesGoWithTheirWriter) {
  auto rotated = value_of(start("out/", {{"rotate_rows", "1"}}));
  value_of(rotated.writer->write(context_, rows(batch(0, 1), "1")));
  value_of(rotated.writer->write(context_, rows(batch(1, 2), "2")));
  EXPECT_THAT(files_in("out"), SizeIs(2));
  rotated.writer.reset();
  EXPECT_THAT(files_in("out"), IsEmpty());

  conformance::TestContext small("battery", 16 << 20);
  auto sink = value_of(this->sink("lake/", {{"partition_by", "key"}, {"max_open_files", "2"}}));
  expect_ok(sink->open(context_, *batch(0, 0)->schema(), false));
  auto writer = value_of(sink->create_writer(small, {"battery", 0, 1}));
  for (int64_t i = 0; i < 30; ++i) {
    value_of(writer->write(small, rows(batch(i * 20'000, (i + 1) * 20'000, 3), std::to_string(i))));
  }
  EXPECT_GT(files_in("lake").size(), 2U) << "some are closed";
  writer.reset();
  EXPECT_THAT(files_in("lake"), IsEmpty());
}

TEST_F(FileWrite, WhatSomeTablesHadPreparedGoesWhenAnotherOneFails) {
  auto run = value_of(start("out/{table}/", {}));
  for (const char* table : {"a", "b"}) value_of(run.writer->write(context_, of_table(rows(batch(0, 1)), {"", table})));
  std::filesystem::remove_all(folder_.file("out/b"));
  EXPECT_FALSE(run.writer->prepare(context_, 1).ok());
  run.writer.reset();
  EXPECT_THAT(files_in("out"), IsEmpty());
}

TEST_F(FileWrite, ANamedPipelineAddsToItsFolder) {
  expect_ok(write_once("out/", {}, batch(0, 2)));
  auto run = value_of(start("out/", {}));
  value_of(run.writer->write(context_, rows(batch(2, 4), "2")));
  expect_ok(publish(run));
  EXPECT_EQ(value_of(read("out/")).rows(), 4);
}

TEST_F(FileWrite, AnEmptyResultIsAFileWithoutRows) {
  auto run = value_of(start("a.parquet", {}, true));
  expect_ok(publish(run));
  auto source = value_of(this->source("a.parquet"));
  EXPECT_EQ(value_of(source->fetch_schema(context_))->num_fields(), 2);
  EXPECT_THAT(value_of(run.writer->prepare(context_, 2)), IsEmpty());
}

TEST_F(FileWrite, FilesRotateByRows) {
  expect_ok(write_once("out/", {{"rotate_rows", "10"}}, batch(0, 35)));
  EXPECT_THAT(files_in("out"), SizeIs(4));
  EXPECT_EQ(value_of(read("out/")).rows(), 35);
}

TEST_F(FileWrite, FilesRotateByBytesAndByTime) {
  auto run = value_of(start("out/", {{"rotate_bytes", "1000"}}));
  for (int i = 0; i < 10; ++i)
    value_of(run.writer->write(context_, rows(batch(i * 30, i * 30 + 30), std::to_string(i))));
  expect_ok(publish(run));
  EXPECT_GT(files_in("out").size(), 4U);
  EXPECT_EQ(value_of(read("out/")).rows(), 300);

  auto timed = value_of(start("timed/", {{"rotate_idle", "20ms"}}));
  value_of(timed.writer->write(context_, rows(batch(0, 1))));
  EXPECT_FALSE(value_of(timed.writer->tick(context_)).wants_cut);
  system_clock().sleep(Millis(30), {});
  EXPECT_TRUE(value_of(timed.writer->tick(context_)).wants_cut) << "a closed file is to be published";
  EXPECT_THAT(files_in("timed"), SizeIs(1)) << "unfinished names only";
  expect_ok(publish(timed));
  EXPECT_EQ(value_of(read("timed/")).rows(), 1);
}

TEST_F(FileWrite, PartitionsGetTheirFoldersAndNullsTheirOwn) {
  expect_ok(write_once("lake/", {{"partition_by", "key"}}, batch(0, 100)));
  auto files = files_in("lake");
  EXPECT_THAT(files, ElementsAre(HasSubstr("key=__HIVE_DEFAULT_PARTITION__/"), HasSubstr("key=k0/"),
                                 HasSubstr("key=k1/"), HasSubstr("key=k2/")));
  EXPECT_THAT(content("lake/" + files[1]), HasSubstr("{\"id\":0}\n{\"id\":4}\n")) << "the key is in the path alone";
  auto back = value_of(read("lake/"));
  EXPECT_EQ(back.rows(), 100);
  ReadRequest request;
  request.filter.push_back({{"key"}, Predicate::Op::is_null, {}});
  EXPECT_EQ(value_of(read("lake/", {}, {}, request)).rows(), 25);
}

TEST_F(FileWrite, AwkwardPartitionValuesSurvive) {
  arrow::Int64Builder ids;
  arrow::StringBuilder keys;
  std::vector<std::string> awkward = {"a/b", "x=y", "100%", "..", "", " ", "ü:\n", "%2F", "a\"b'"};
  for (size_t i = 0; i < awkward.size(); ++i) {
    ASSERT_TRUE(ids.Append(static_cast<int64_t>(i)).ok() && keys.Append(awkward[i]).ok());
  }
  auto schema = arrow::schema({arrow::field("id", arrow::int64()), arrow::field("key", arrow::utf8())});
  expect_ok(write_once(
      "lake/", {{"partition_by", "key"}, {"format", "parquet"}},
      arrow::RecordBatch::Make(schema, static_cast<int64_t>(awkward.size()), {*ids.Finish(), *keys.Finish()})));
  auto back = value_of(read("lake/"));
  std::map<std::string, std::string> seen;
  auto id = back.column("id");
  auto key = back.column("key");
  for (size_t i = 0; i < id.size(); ++i) seen[id[i]] = key[i];
  for (size_t i = 0; i < awkward.size(); ++i) EXPECT_EQ(seen[std::to_string(i)], awkward[i]);
}

TEST_F(FileWrite, SeveralKeysNestTheirFolders) {
  arrow::Int32Builder a;
  arrow::BooleanBuilder b;
  arrow::Int64Builder ids;
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(a.Append(i % 3).ok() && b.Append(i % 2 == 0).ok() && ids.Append(i).ok());
  auto schema = arrow::schema(
      {arrow::field("a", arrow::int32()), arrow::field("b", arrow::boolean()), arrow::field("id", arrow::int64())});
  auto sink = value_of(this->sink("lake/", {{"partition_by", "b, a"}}));
  expect_ok(sink->validate_schema(context_, *schema));
  auto writer = value_of(sink->create_writer(context_, {"battery", 0, 1}));
  value_of(
      writer->write(context_, rows(arrow::RecordBatch::Make(schema, 20, {*a.Finish(), *b.Finish(), *ids.Finish()}))));
  auto prepared = value_of(writer->prepare(context_, 1));
  expect_ok(value_of(sink->create_committer(context_))->commit(context_, prepared, {}, {}));
  EXPECT_THAT(files_in("lake"), SizeIs(6));
  EXPECT_THAT(files_in("lake/b=true/a=0"), SizeIs(1));
  EXPECT_EQ(value_of(read("lake/")).rows(), 20);
}

TEST_F(FileWrite, WrongPartitionColumnsAreNamed) {
  expect_error(start("lake/", {{"partition_by", "kye"}}), Fault::user, "did you mean 'key'?");
  expect_error(start("lake/", {{"partition_by", "id, key"}}), Fault::user, "every column");
  expect_error(start("lake/x.json", {{"partition_by", "key"}}), Fault::user, "needs a folder");
}

TEST_F(FileWrite, ThousandsOfPartitionsSpillAndComeBackInOrder) {
  conformance::TestContext small("battery", 16 << 20);  // the buffer gets its minimum
  auto sink = value_of(this->sink("lake/", {{"partition_by", "key"}, {"format", "parquet"}}));
  expect_ok(sink->open(context_, *batch(0, 0)->schema(), false));
  auto writer = value_of(sink->create_writer(small, {"battery", 0, 1}));
  constexpr int64_t kRows = 20'000;
  constexpr int64_t kBatches = 40;
  for (int64_t i = 0; i < kBatches; ++i) {
    value_of(writer->write(small, rows(batch(i * kRows, (i + 1) * kRows, 499), std::to_string(i))));
  }
  auto committer = value_of(sink->create_committer(context_));
  auto prepared = value_of(writer->prepare(small, 1));
  ASSERT_THAT(prepared, SizeIs(1));
  EXPECT_EQ(prepared[0].objects, 500);
  EXPECT_EQ(prepared[0].rows, kRows * kBatches);
  expect_ok(committer->commit(context_, prepared, {}, {}));
  ReadRequest request;
  request.filter.push_back({{"key"}, Predicate::Op::eq, {std::make_shared<arrow::StringScalar>("k7")}});
  auto one = value_of(read("lake/", {}, {}, request)).column("id");
  ASSERT_EQ(one.size(), static_cast<size_t>(kRows * kBatches / 500));
  for (size_t i = 0; i < one.size(); ++i) EXPECT_EQ(one[i], std::to_string(7 + i * 500));
}

TEST_F(FileWrite, LargePartitionsGoToOpenFilesAndFewStayOpen) {
  conformance::TestContext small("battery", 16 << 20);
  auto sink = value_of(this->sink("lake/", {{"partition_by", "key"}, {"max_open_files", "2"}}));
  expect_ok(sink->open(context_, *batch(0, 0)->schema(), false));
  auto writer = value_of(sink->create_writer(small, {"battery", 0, 1}));
  for (int64_t i = 0; i < 30; ++i) {
    value_of(writer->write(small, rows(batch(i * 20'000, (i + 1) * 20'000, 3), std::to_string(i))));
  }
  auto committer = value_of(sink->create_committer(context_));
  expect_ok(committer->commit(context_, value_of(writer->prepare(small, 1)), {}, {}));
  EXPECT_GT(files_in("lake").size(), 4U);
  auto ids = value_of(read("lake/")).column("id");
  std::set<std::string> distinct(ids.begin(), ids.end());
  EXPECT_EQ(ids.size(), 600'000U);
  EXPECT_EQ(distinct.size(), 600'000U);
}

TEST_F(FileWrite, TroubleWithTheFolderIsNamed) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  std::filesystem::create_directory(folder_.file("closed"));
  ::chmod(folder_.file("closed").c_str(), 0555);
  expect_error(write_once("closed/", {}, batch(0, 1)), Fault::refused, "closed");
}

TEST_F(FileWrite, AFolderThatVanishesInTheMiddleIsNamed) {
  auto run = value_of(start("out/", {}));
  value_of(run.writer->write(context_, rows(batch(0, 10))));
  std::filesystem::remove_all(folder_.file("out"));
  auto prepared = run.writer->prepare(context_, 1);
  ASSERT_FALSE(prepared.ok());
  EXPECT_THAT(prepared.error().message(), HasSubstr("was removed while it was being written"));
}

TEST_F(FileWrite, WhatAnExactFileCannotDoIsSaid) {
  expect_error(sink("a*.json"), Fault::user, "pattern");
  expect_error(sink("a.json", {{"rotate_rows", "5"}}), Fault::user, "needs a folder");
  EXPECT_TRUE(value_of(sink("a.json"))->traits().single_writer);
  EXPECT_FALSE(value_of(sink("a/"))->traits().single_writer);
  EXPECT_FALSE(value_of(sink("a"))->traits().single_writer) << "no extension: a folder";
}

namespace {

struct Made {
  Registry registry;
  Made() {
    registry.add(local_store());
    registry.add(json_format());
    registry.add(file_connector());
  }
};
const Registry& registry() {
  static const Made made;
  return made.registry;
}

ConnectorRequest request_for(const std::string& path, const Options& options) {
  ConnectorRequest request;
  request.location = value_of(parse_location(path, "file"));
  for (const auto& [key, value] : options) request.options[key] = {value, "the test"};
  request.pipeline = "battery";
  return request;
}

// Reads by hand: what another program sees, hidden files left out.
Result<conformance::SeenRows> look(const std::string& folder) {
  conformance::SeenRows rows;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.path().filename().string().starts_with(".")) continue;
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);) {
      long id = 0;
      char note[64] = {};
      if (std::sscanf(line.c_str(), "{\"id\":%ld,\"note\":\"%63[^\"]\"}", &id, note) != 2) {
        // Partitioned: the note is in the path, escaped not at all ("note 7").
        if (std::sscanf(line.c_str(), "{\"id\":%ld}", &id) != 1) return user_error("half a line: {}", line);
        auto parent = entry.path().parent_path().filename().string();
        rows.emplace_back(id, parent.substr(parent.find('=') + 1));
        continue;
      }
      rows.emplace_back(id, note);
    }
  }
  return rows;
}

conformance::SinkCase sink_case(const std::string& name, const std::string& place, const Options& options) {
  return {name, [=](const std::string& folder) { return registry().create_sink(request_for(folder + place, options)); },
          look};
}

}  // namespace
}  // namespace sluice::file

namespace sluice::conformance {
INSTANTIATE_TEST_SUITE_P(File, SinkBattery,
                         testing::Values(file::sink_case("folder", "/out/", {}),
                                         file::sink_case("exact", "/out.jsonl", {}),
                                         file::sink_case("rotated", "/out/", {{"rotate_rows", "3"}}),
                                         file::sink_case("partitioned", "/out/", {{"partition_by", "note"}})),
                         [](const auto& info) { return info.param.name; });
}  // namespace sluice::conformance
