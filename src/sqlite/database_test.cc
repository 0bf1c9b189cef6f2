#include "sqlite/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace sluice::sqlite {
namespace {

using testing::HasSubstr;

class DatabaseTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "sluice-sqlite-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string file(const std::string& name) const { return folder_ + "/" + name; }

  std::string folder_;
};

TEST_F(DatabaseTest, WhatWasBoundIsReadBackByteForByte) {
  auto database = Database::open(file("a.db"), OpenMode::create).value();
  ASSERT_TRUE(database->execute("CREATE TABLE t(i, r, s, b, n)").ok());
  auto insert = database->prepare("INSERT INTO t VALUES (?, ?, ?, ?, ?)").value();
  const std::string text("with\0nul and \xff", 14);
  insert.bind(1, INT64_MIN).bind(2, 0.1).bind(3, text).bind_blob(4, std::string_view("\0\1", 2)).bind_null(5);
  ASSERT_TRUE(insert.run().ok());
  auto select = database->prepare("SELECT * FROM t").value();
  ASSERT_TRUE(select.step().value());
  EXPECT_EQ(select.integer(0), INT64_MIN);
  EXPECT_EQ(select.real(1), 0.1);
  EXPECT_EQ(select.text(2), text);
  EXPECT_EQ(select.blob(3), std::string_view("\0\1", 2));
  EXPECT_TRUE(select.is_null(4));
}

TEST_F(DatabaseTest, AnEmptyViewIsAnEmptyTextAndNotNull) {
  auto database = Database::open(file("a.db"), OpenMode::create).value();
  auto select = database->prepare("SELECT typeof(?), typeof(?)").value();
  ASSERT_TRUE(select.bind(1, std::string_view()).bind_blob(2, std::string_view()).step().value());
  EXPECT_EQ(select.text(0), "text");
  EXPECT_EQ(select.text(1), "blob");
}

TEST_F(DatabaseTest, ATransactionThatIsNotCommittedLeavesNothing) {
  auto database = Database::open(file("a.db"), OpenMode::create).value();
  ASSERT_TRUE(database->execute("CREATE TABLE t(i)").ok());
  {
    auto transaction = Transaction::begin(*database).value();
    ASSERT_TRUE(database->execute("INSERT INTO t VALUES (1)").ok());
  }
  EXPECT_EQ(database->integer("SELECT count(*) FROM t").value(), 0);
}

TEST_F(DatabaseTest, AFullDiskIsRefusedWithASentence) {
  auto database = Database::open(file("a.db"), OpenMode::create).value();
  ASSERT_TRUE(database->execute("PRAGMA max_page_count=4; CREATE TABLE t(b)").ok());
  auto filled = database->execute("INSERT INTO t VALUES (zeroblob(100000))");
  ASSERT_FALSE(filled.ok());
  EXPECT_EQ(filled.error().fault, Fault::refused);
  EXPECT_THAT(filled.error().what, HasSubstr("the disk is full"));
}

TEST_F(DatabaseTest, AFileThatIsNoDatabaseIsTheUsersFault) {
  std::ofstream(file("a.db")) << std::string(4096, 'x');
  auto database = Database::open(file("a.db"), OpenMode::read_write);
  auto read = database.ok() ? database.value()->integer("SELECT count(*) FROM sqlite_schema")
                            : Result<int64_t>(database.error());
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().fault, Fault::user);
  EXPECT_THAT(read.error().what, HasSubstr("a.db: this file is not an SQLite database"));
}

TEST_F(DatabaseTest, AMissingFileIsOnlyCreatedWhenAsked) {
  auto database = Database::open(file("a.db"), OpenMode::read_only);
  ASSERT_FALSE(database.ok());
  EXPECT_THAT(database.error().what, HasSubstr("no such file"));
  EXPECT_FALSE(std::filesystem::exists(file("a.db")));
}

TEST_F(DatabaseTest, WaitingForALockEndsWhenAskedToStop) {
  auto holder = Database::open(file("a.db"), OpenMode::create).value();
  auto transaction = Transaction::begin(*holder).value();
  auto waiter = Database::open(file("a.db"), OpenMode::create).value();
  std::stop_source stop;
  stop.request_stop();
  waiter->stop_waiting_on(stop.get_token());
  auto begun = Transaction::begin(*waiter);
  ASSERT_FALSE(begun.ok());
  EXPECT_EQ(begun.error().fault, Fault::transient);
}

TEST_F(DatabaseTest, FoldersOnTheWayAreCreated) {
  ASSERT_TRUE(create_folder_of(file("x/y/z/a.db")).ok());
  EXPECT_TRUE(std::filesystem::is_directory(file("x/y/z")));
  std::ofstream(file("plain")) << "x";
  EXPECT_EQ(create_folder_of(file("plain/a.db")).error().fault, Fault::user);
}

TEST(Quote, DoublesQuotes) { EXPECT_EQ(quote("a\"b"), "\"a\"\"b\""); }

}  // namespace
}  // namespace sluice::sqlite
