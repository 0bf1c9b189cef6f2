#include "sql/spill_folder.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace sluice::sql {
namespace {

namespace fs = std::filesystem;

class SpillFolderTest : public ::testing::Test {
 protected:
  SpillFolderTest() {
    std::string name = ::testing::TempDir() + "sluice-sweep-XXXXXX";
    root_ = ::mkdtemp(name.data());
  }
  ~SpillFolderTest() override { fs::remove_all(root_); }

  fs::path make(const std::string& name) const {
    auto path = fs::path(root_) / name;
    fs::create_directory(path);
    std::ofstream(path / "duckdb_temp_storage_DEFAULT-0.tmp") << "rows";
    return path;
  }
  // A process that has ended and was waited for. Spawned, not forked: DuckDB's allocator takes more locks at fork()
  // than ThreadSanitizer can follow.
  static long ended_process() {
    pid_t child = 0;
    std::string name = "true";
    char* arguments[] = {name.data(), nullptr};
    EXPECT_EQ(::posix_spawnp(&child, "true", nullptr, nullptr, arguments, environ), 0);
    ::waitpid(child, nullptr, 0);
    return child;
  }

  std::string root_;
};

TEST_F(SpillFolderTest, WhatAnEndedProcessLeftIsRemoved) {
  auto owner = spill_owner();
  owner.process = ended_process();
  auto left = make(spill_name(owner, 1));
  sweep_spill_folders(root_);
  EXPECT_FALSE(fs::exists(left));
}

TEST_F(SpillFolderTest, AProcessThatGotTheNumberAgainDoesNotKeepIt) {
  auto owner = spill_owner();
  owner.started -= 1;
  auto left = make(spill_name(owner, 1));
  sweep_spill_folders(root_);
  EXPECT_FALSE(fs::exists(left));
}

TEST_F(SpillFolderTest, WhatALivingProcessUsesStays) {
  auto used = make(spill_name(spill_owner(), 7));
  sweep_spill_folders(root_);
  EXPECT_TRUE(fs::exists(used / "duckdb_temp_storage_DEFAULT-0.tmp"));
}

TEST_F(SpillFolderTest, OtherMachinesNamesFilesAndLinksStay) {
  auto owner = spill_owner();
  owner.process = ended_process();
  auto target = make("target");
  fs::create_symlink(target, fs::path(root_) / spill_name(owner, 2));
  std::ofstream(fs::path(root_) / spill_name(owner, 3)) << "a file";
  owner.where = "0123456789abcdef";
  auto elsewhere = make(spill_name(owner, 1));
  auto unlike = make("sluice-spill-notes");
  auto longer = make("sluice-spill-1-2-3-4-mine");
  sweep_spill_folders(root_);
  EXPECT_TRUE(fs::exists(elsewhere));
  EXPECT_TRUE(fs::exists(unlike));
  EXPECT_TRUE(fs::exists(longer));
  EXPECT_TRUE(fs::exists(target / "duckdb_temp_storage_DEFAULT-0.tmp"));
  EXPECT_EQ(std::distance(fs::directory_iterator(root_), fs::directory_iterator()), 6);
}

TEST_F(SpillFolderTest, EveryQueryGetsAFolderOfItsOwn) { EXPECT_NE(new_spill_folder(), new_spill_folder()); }

}  // namespace
}  // namespace sluice::sql
