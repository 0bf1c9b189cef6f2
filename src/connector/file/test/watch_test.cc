#include <arrow/io/memory.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "codec/codec.h"
#include "connector/file/test/files.h"
#include "port/conformance/as_nobody.h"

namespace sluice::file {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// A watched folder. Each look() is what a pipeline would deliver until the folder is quiet; restart() is a new process
// with the positions that had become durable.
class FileWatch : public Files {
 protected:
  void start(const std::string& name, Options options = {}) {
    name_ = name;
    options["watch"] = "true";
    options.emplace("columns", "n BIGINT");
    options.emplace("poll_interval", "10ms");
    options_ = options;
    restart();
  }
  void restart() {
    source_ = value_of(source(name_, options_));
    value_of(source_->plan(context_, request_));
    expect_ok(source_->start(context_, delivered_.positions));
  }
  // The values of n delivered since the last look.
  std::vector<std::string> look() {
    delivered_.batches.clear();
    expect_ok(try_look());
    return delivered_.batches.empty() ? std::vector<std::string>{} : delivered_.column("n");
  }
  Result<void> try_look() {
    for (int quiet = 0; quiet < 2;) {
      auto events = TRY(source_->poll_splits(context_, system_clock().steady() + Millis(60)));
      quiet = events.added.empty() ? quiet + 1 : 0;
      TRY(drain(*source_, events.added, delivered_));
    }
    return {};
  }
  static std::string line(int n) { return fmt::format("{{\"n\":{}}}\n", n); }
  static std::string gzip(const std::string& text) {
    auto buffer = arrow::io::BufferOutputStream::Create().ValueOrDie();
    auto stream = value_of(open_compressed(Codec::gzip, buffer));
    EXPECT_TRUE(stream->Write(text.data(), static_cast<int64_t>(text.size())).ok());
    EXPECT_TRUE(stream->Close().ok());
    return buffer->Finish().ValueOrDie()->ToString();
  }
  void rename(const std::string& from, const std::string& to) {
    std::filesystem::rename(folder_.file(from), folder_.file(to));
  }

  std::string name_;
  Options options_;
  ReadRequest request_;
  std::unique_ptr<Source> source_;
  Delivered delivered_;
};

TEST_F(FileWatch, DeliversWhatIsThereAndWhatComes) {
  put("in/a.json", line(1));
  start("in/");
  EXPECT_THAT(look(), ElementsAre("1"));
  EXPECT_THAT(look(), IsEmpty());
  append("in/a.json", line(2));
  put("in/b.json", line(3));
  EXPECT_THAT(look(), UnorderedElementsAre("2", "3"));
  restart();
  EXPECT_THAT(look(), IsEmpty());
  append("in/a.json", line(4));
  EXPECT_THAT(look(), ElementsAre("4"));
}

TEST_F(FileWatch, AnUnfinishedLineWaitsForItsEnd) {
  put("in/a.json", line(1) + "{\"n\"");
  start("in/");
  EXPECT_THAT(look(), ElementsAre("1"));
  append("in/a.json", ":2}");
  EXPECT_THAT(look(), IsEmpty());
  restart();
  EXPECT_THAT(look(), IsEmpty());
  append("in/a.json", "\n");
  EXPECT_THAT(look(), ElementsAre("2"));
}

TEST_F(FileWatch, LinesInOtherEncodingsAreReadAsTheyCome) {
  put("in/a.txt", "Z\xFCrich\n");
  start("in/", {{"format", "text"}, {"encoding", "latin1"}, {"columns", "n VARCHAR"}});
  EXPECT_THAT(look(), ElementsAre("Zürich"));
  append("in/a.txt", "B\xE2le\nBer");
  EXPECT_THAT(look(), ElementsAre("Bâle"));
  restart();
  EXPECT_THAT(look(), IsEmpty());
  append("in/a.txt", "n\n");
  EXPECT_THAT(look(), ElementsAre("Bern"));

  put("wide/a.json", wide(line(1)));
  delivered_ = {};
  start("wide/", {{"encoding", "utf-16"}});
  EXPECT_THAT(look(), ElementsAre("1"));
  append("wide/a.json", wide(line(2) + "{\"n\"", false) + ":");
  EXPECT_THAT(look(), ElementsAre("2"));
  append("wide/a.json", std::string(1, '\0') + wide("3}\n", false));
  EXPECT_THAT(look(), ElementsAre("3"));
}

TEST_F(FileWatch, AFileShorterThanALineIsNotLost) {
  put("in/a.json", "");
  start("in/");
  EXPECT_THAT(look(), IsEmpty());
  append("in/a.json", "{");
  EXPECT_THAT(look(), IsEmpty());
  append("in/a.json", "\"n\":7}\n");
  EXPECT_THAT(look(), ElementsAre("7"));
}

TEST_F(FileWatch, ARotatedLogIsReadToItsEndUnderItsNewName) {
  put("log/app.log", line(1));
  start("log/app.log*", {{"format", "json"}});
  EXPECT_THAT(look(), ElementsAre("1"));
  append("log/app.log", line(2));
  rename("log/app.log", "log/app.log.1");
  put("log/app.log", line(3));
  EXPECT_THAT(look(), UnorderedElementsAre("2", "3"));
  append("log/app.log.1", line(4));  // a writer that has not reopened yet
  EXPECT_THAT(look(), ElementsAre("4"));
}

TEST_F(FileWatch, RotationWhileNobodyWatchesLosesAndDoublesNothing) {
  put("log/app.log", line(1));
  start("log/app.log*", {{"format", "json"}});
  EXPECT_THAT(look(), ElementsAre("1"));
  append("log/app.log", line(2));
  rename("log/app.log", "log/app.log.1");
  put("log/app.log", line(3));
  restart();
  EXPECT_THAT(look(), UnorderedElementsAre("2", "3"));
  rename("log/app.log.1", "log/app.log.2");
  rename("log/app.log", "log/app.log.1");
  put("log/app.log", line(4));
  restart();
  EXPECT_THAT(look(), ElementsAre("4"));
  restart();
  EXPECT_THAT(look(), IsEmpty());
}

TEST_F(FileWatch, AWatchedFolderKnowsARotatedLogByItsNumberOrDate) {
  put("log/app.jsonl", line(1));
  start("log/", {{"format", "json"}});
  EXPECT_THAT(look(), ElementsAre("1"));
  append("log/app.jsonl", line(2));
  rename("log/app.jsonl", "log/app.jsonl.1");
  put("log/app.jsonl", line(3));
  EXPECT_THAT(look(), UnorderedElementsAre("2", "3"));
  append("log/app.jsonl", line(4));
  rename("log/app.jsonl", "log/app.jsonl-20260118");
  put("log/app.jsonl.bak", line(5));  // no rotation of ours
  EXPECT_THAT(look(), ElementsAre("4"));
}

TEST_F(FileWatch, CopyTruncateStartsOver) {
  put("log/app.log", line(1) + line(2));
  start("log/app.log", {{"format", "json"}});
  EXPECT_THAT(look(), ElementsAre("1", "2"));
  ASSERT_EQ(::truncate(folder_.file("log/app.log").c_str(), 0), 0);
  append("log/app.log", line(3));
  EXPECT_THAT(look(), ElementsAre("3"));
  // Filled beyond the old position before anybody looked: only the content tells.
  ASSERT_EQ(::truncate(folder_.file("log/app.log").c_str(), 0), 0);
  append("log/app.log", line(4) + line(5) + line(6));
  EXPECT_THAT(look(), ElementsAre("4", "5", "6"));
}

TEST_F(FileWatch, AnInodeGivenToAnotherFileIsNotTakenForTheOldOne) {
  put("in/a.json", line(1) + line(2) + line(3));
  start("in/");
  EXPECT_THAT(look(), ElementsAre("1", "2", "3"));
  // The same inode with other content, longer than what was read: what inode reuse looks like.
  put("in/a.json", line(11) + line(12) + line(13) + line(14));
  restart();
  EXPECT_THAT(look(), ElementsAre("11", "12", "13", "14"));
}

TEST_F(FileWatch, ACompressedCopyOfAReadFileIsNotReadAgain) {
  std::string content;
  for (int i = 0; i < 300; ++i) content += line(i);
  put("log/app.log.1", content);
  start("log/app.log*", {{"format", "json"}});
  EXPECT_EQ(look().size(), 300U);
  put("log/app.log.1.gz", gzip(content));
  std::filesystem::remove(folder_.file("log/app.log.1"));
  EXPECT_THAT(look(), IsEmpty());
  restart();
  EXPECT_THAT(look(), IsEmpty());
}

TEST_F(FileWatch, WhatACompressedCopyHasBeyondTheReadPartIsDelivered) {
  std::string content;
  for (int i = 0; i < 300; ++i) content += line(i);
  put("log/app.log", content);
  start("log/app.log*", {{"format", "json"}});
  EXPECT_EQ(look().size(), 300U);
  std::filesystem::remove(folder_.file("log/app.log"));
  put("log/app.log.1.gz", gzip(content + line(300)));
  restart();
  EXPECT_THAT(look(), ElementsAre("300"));
}

TEST_F(FileWatch, FilesOnADeviceThatChangedItsNumberAreNotReadAgain) {
  put("in/a.json", line(1));
  put("in/b.json", line(2));
  start("in/");
  EXPECT_THAT(look(), UnorderedElementsAre("1", "2"));
  delivered_.positions = on_another_device(delivered_.positions);
  append("in/a.json", line(3));
  restart();
  EXPECT_THAT(look(), ElementsAre("3"));
  restart();
  EXPECT_THAT(look(), IsEmpty());
  put("in/b.json", line(4));
  append("in/a.json", line(5));
  EXPECT_THAT(look(), UnorderedElementsAre("4", "5"));
  delivered_.positions = on_another_device(delivered_.positions);
  restart();
  EXPECT_THAT(look(), IsEmpty());
}

TEST_F(FileWatch, OfAFileAndItsCompressedCopyThatAreThereAtFirstOneIsRead) {
  std::string content;
  for (int i = 0; i < 300; ++i) content += line(i);
  put("log/app.log.1", content);
  put("log/app.log.1.gz", gzip(content));
  start("log/app.log*", {{"format", "json"}});
  EXPECT_EQ(look().size(), 300U);
  std::filesystem::remove(folder_.file("log/app.log.1"));
  EXPECT_THAT(look(), IsEmpty());
}

TEST_F(FileWatch, AnotherCompressedFileIsRead) {
  put("log/a.log", line(1));
  start("log/*", {{"format", "json"}});
  EXPECT_THAT(look(), ElementsAre("1"));
  std::filesystem::remove(folder_.file("log/a.log"));
  put("log/b.log.gz", gzip(line(2)));
  EXPECT_THAT(look(), ElementsAre("2"));
}

TEST_F(FileWatch, AFolderThatAppearsLaterIsFound) {
  start("later/deep/", {{"format", "json"}});
  EXPECT_THAT(look(), IsEmpty());
  put("later/deep/a.json", line(1));
  EXPECT_THAT(look(), ElementsAre("1"));
  put("later/deep/er/b.json", line(2));
  EXPECT_THAT(look(), ElementsAre("2"));
}

TEST_F(FileWatch, AFileThatCannotBeOpenedIsReadOnceItCan) {
  put("in/a.json", line(1));
  ::chmod(folder_.path().c_str(), 0755);
  ::chmod(folder_.file("in/a.json").c_str(), 0);
  {
    const conformance::AsNobody nobody;
    start("in/");
    EXPECT_THAT(look(), IsEmpty());
  }
  ::chmod(folder_.file("in/a.json").c_str(), 0644);
  std::this_thread::sleep_for(Millis(1100));  // it is not tried every time
  const conformance::AsNobody nobody;
  EXPECT_THAT(look(), ElementsAre("1"));
}

TEST_F(FileWatch, AFolderThatMayNotBeReadKeepsNobodyFromTheOthers) {
  put("in/a.json", line(1));
  put("in/lost/b.json", line(2));
  ::chmod(folder_.path().c_str(), 0755);
  ::chmod(folder_.file("in/lost").c_str(), 0);
  for (const char* columns : {"n BIGINT", ""}) {
    delivered_ = {};
    const conformance::AsNobody nobody;
    start("in/", {{"columns", columns}});
    EXPECT_THAT(look(), ElementsAre("1"));
  }
  ::chmod(folder_.file("in/lost").c_str(), 0755);
  {
    const conformance::AsNobody nobody;
    EXPECT_THAT(look(), ElementsAre("2"));
  }
  // The location itself: said at once as it is, and waited for where that happens later.
  ::chmod(folder_.file("in").c_str(), 0);
  {
    const conformance::AsNobody nobody;
    EXPECT_THAT(look(), IsEmpty());
    for (const char* columns : {"n BIGINT", ""}) {
      auto closed = value_of(source("in/", {{"watch", "true"}, {"columns", columns}, {"format", "json"}}));
      expect_error(closed->fetch_schema(context_), Fault::refused, "give this user the permission");
    }
  }
  ::chmod(folder_.file("in").c_str(), 0755);
  append("in/a.json", line(3));
  const conformance::AsNobody nobody;
  EXPECT_THAT(look(), ElementsAre("3"));
}

TEST_F(FileWatch, AGzipThatIsStillBeingWrittenIsTriedAgain) {
  auto whole = gzip(line(1) + line(2));
  put("in/a.json.gz", whole.substr(0, 15));
  start("in/");
  EXPECT_THAT(look(), IsEmpty());
  append("in/a.json.gz", whole.substr(15));
  EXPECT_THAT(look(), ElementsAre("1", "2"));
}

TEST_F(FileWatch, ANewColumnIsNotDroppedSilently) {
  put("in/a.json", line(1));
  start("in/", {{"columns", ""}});
  EXPECT_THAT(look(), ElementsAre("1"));
  put("in/b.json", "{\"n\":2,\"extra\":3}\n");
  auto events = value_of(source_->poll_splits(context_, system_clock().steady() + Millis(500)));
  EXPECT_THAT(events.added, IsEmpty()) << "rows of the new schema come after the change";
  ASSERT_TRUE(events.schema_change.has_value());
  EXPECT_EQ(events.schema_change->after->GetFieldIndex("extra"), 1);
  // As flow does it: nobody reads, all is delivered, the schema is adopted.
  auto adopted = value_of(source_->adopt_schema(context_, *events.schema_change));
  EXPECT_EQ(adopted->GetFieldIndex("extra"), 1);
  value_of(source_->plan(context_, {}));
  expect_ok(source_->start(context_, delivered_.positions));
  EXPECT_THAT(look(), ElementsAre("2"));
  EXPECT_THAT(delivered_.column("extra"), ElementsAre("3"));
}

TEST_F(FileWatch, ANewColumnIsNotDroppedSilentlyWhereAnInodeIsFilledAgain) {
  put("in/a.json", line(1));
  start("in/", {{"columns", ""}});
  EXPECT_THAT(look(), ElementsAre("1"));
  append("in/a.json", line(2));
  EXPECT_THAT(look(), ElementsAre("2"));
  put("in/a.json", "{\"n\":3,\"extra\":4}\n{\"n\":5,\"extra\":6}\n");
  auto events = value_of(source_->poll_splits(context_, system_clock().steady() + Millis(500)));
  EXPECT_THAT(events.added, IsEmpty());
  ASSERT_TRUE(events.schema_change.has_value());
  EXPECT_EQ(events.schema_change->after->GetFieldIndex("extra"), 1);
  value_of(source_->adopt_schema(context_, *events.schema_change));
  value_of(source_->plan(context_, {}));
  expect_ok(source_->start(context_, delivered_.positions));
  EXPECT_THAT(look(), ElementsAre("3", "5"));
  EXPECT_THAT(delivered_.column("extra"), ElementsAre("4", "6"));
}

TEST_F(FileWatch, FilesThatTheSampleLeftOutAreLookedAtForNewColumns) {
  put("in/a.csv", "n\n1\n");
  put("in/b.csv", "n,extra\n2,3\n");
  const Options few = {{"columns", ""}, {"sample_files", "1"}, {"format", "csv"}};
  start("in/", few);
  auto events = value_of(source_->poll_splits(context_, system_clock().steady() + Millis(500)));
  ASSERT_TRUE(events.schema_change.has_value());
  EXPECT_EQ(events.schema_change->after->GetFieldIndex("extra"), 1);
  auto ignoring = few;
  ignoring["on_schema_change"] = "ignore";
  start("in/", ignoring);
  EXPECT_THAT(look(), ElementsAre("1", "2")) << "the schema never changes then, and what it lacks is not read";
}

// Not tried again for ever: the path of a file stays what it is.
TEST_F(FileWatch, APartitionValueOfAnotherTypeIsBadContent) {
  put("lake/day=1/a.json", line(1));
  request_.collect_rejects = true;
  start("lake/");
  EXPECT_THAT(look(), ElementsAre("1"));
  const auto path = put("lake/day=first/b.json", line(2));
  put("lake/day=2/c.json", line(3));
  EXPECT_THAT(look(), ElementsAre("3"));
  EXPECT_THAT(delivered_.rejects, IsEmpty()) << "it may be renamed yet";
  const auto long_ago = std::filesystem::file_time_type::clock::now() - std::chrono::minutes(1);
  std::filesystem::last_write_time(path, long_ago);
  EXPECT_THAT(look(), IsEmpty());
  ASSERT_EQ(delivered_.rejects.size(), 1U);
  EXPECT_EQ(delivered_.rejects[0].payload, path);
  EXPECT_THAT(delivered_.rejects[0].reason, HasSubstr("first"));
  // Where rejects are not wanted it ends the pipeline.
  request_.collect_rejects = false;
  value_of(source_->plan(context_, request_));
  expect_ok(source_->start(context_, delivered_.positions));
  EXPECT_THAT(look(), IsEmpty());
  std::filesystem::last_write_time(put("lake/day=second/d.json", line(4)), long_ago);
  expect_error(try_look(), Fault::user, "second");
}

TEST_F(FileWatch, WaitsWithoutBusyLoopAndStopsInTime) {
  put("in/a.json", line(1));
  start("in/", {{"poll_interval", "10s"}});
  EXPECT_THAT(look(), ElementsAre("1"));
  auto begin = std::chrono::steady_clock::now();
  auto events = value_of(source_->poll_splits(context_, system_clock().steady() + Millis(150)));
  EXPECT_THAT(events.added, IsEmpty());
  EXPECT_GE(std::chrono::steady_clock::now() - begin, Millis(140));
  append("in/a.json", line(2));
  begin = std::chrono::steady_clock::now();
  events = value_of(source_->poll_splits(context_, system_clock().steady() + Millis(5000)));
  EXPECT_EQ(events.added.size(), 1U);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, Millis(1000)) << "notified, not polled";
}

}  // namespace sluice::file
