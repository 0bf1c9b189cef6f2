#include <arrow/buffer.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "batch/arrow_result.h"
#include "port/conformance/as_nobody.h"
#include "store/local/test_folder.h"

namespace sluice::local {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class List : public FolderTest {};

TEST_F(List, a_literal_file_is_itself) {
  write("a.csv", "12345");
  auto found = store_->list(context_, path("a.csv"), false, {}).value();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].bytes, 5);
  EXPECT_GT(found[0].modified.time_since_epoch().count(), 1'600'000'000'000'000);
  EXPECT_THAT(found[0].version, ::testing::MatchesRegex("[0-9]+:[0-9]+"));
}

TEST_F(List, a_literal_path_that_is_missing_is_the_users_error) {
  auto found = list("nowhere.csv");
  EXPECT_EQ(found.error().fault, Fault::user);
  EXPECT_THAT(found.error().what, HasSubstr("nowhere.csv does not exist"));
}

TEST_F(List, a_pattern_without_matches_is_an_empty_list) {
  EXPECT_THAT(list("*.csv").value(), IsEmpty());
  EXPECT_THAT(list("not/there/*.csv").value(), IsEmpty());
}

TEST_F(List, files_come_in_byte_order_of_their_paths) {
  for (const char* name : {"b.csv", "a.csv", "Z.csv", "ä.csv", "a/1.csv", "a-1.csv"}) write(name);
  EXPECT_THAT(list("**/*.csv").value(), ElementsAre("Z.csv", "a-1.csv", "a.csv", "a/1.csv", "b.csv", "ä.csv"));
}

TEST_F(List, two_stars_span_no_folder_or_many) {
  for (const char* name : {"x.csv", "a/x.csv", "a/b/x.csv", "a/b/c/x.csv", "a/y.csv"}) write(name);
  EXPECT_THAT(list("**/x.csv").value(), ElementsAre("a/b/c/x.csv", "a/b/x.csv", "a/x.csv", "x.csv"));
  EXPECT_THAT(list("a/**/x.csv").value(), ElementsAre("a/b/c/x.csv", "a/b/x.csv", "a/x.csv"));
  EXPECT_THAT(list("a/**").value(), ElementsAre("a/b/c/x.csv", "a/b/x.csv", "a/x.csv", "a/y.csv"));
  EXPECT_THAT(list("**/b/**/x.csv").value(), ElementsAre("a/b/c/x.csv", "a/b/x.csv"));
}

TEST_F(List, braces_and_classes_choose_files_once) {
  for (const char* name : {"a1.csv", "a2.csv", "b1.tsv", "c1.csv"}) write(name);
  EXPECT_THAT(list("{a,b}[0-9].{csv,tsv}").value(), ElementsAre("a1.csv", "a2.csv", "b1.tsv"));
  EXPECT_THAT(list("{a*,*1}.csv").value(), ElementsAre("a1.csv", "a2.csv", "c1.csv"));
}

TEST_F(List, a_folder_means_its_files_and_recursive_all_below) {
  for (const char* name : {"d/a.csv", "d/e/b.csv"}) write(name);
  EXPECT_THAT(list("d").value(), ElementsAre("d/a.csv"));
  EXPECT_THAT(list("d/").value(), ElementsAre("d/a.csv"));
  EXPECT_THAT(list("d", true).value(), ElementsAre("d/a.csv", "d/e/b.csv"));
}

TEST_F(List, recursive_lets_the_last_component_match_at_any_depth) {
  for (const char* name : {"a.csv", "d/a.csv", "d/e/b.csv", "d/e/b.txt", "day=1/x/y"}) write(name);
  EXPECT_THAT(list("*.csv", true).value(), ElementsAre("a.csv", "d/a.csv", "d/e/b.csv"));
  EXPECT_THAT(list("day=*", true).value(), ElementsAre("day=1/x/y"));
  EXPECT_THAT(list("*", true).value(), ElementsAre("a.csv", "d/a.csv", "d/e/b.csv", "d/e/b.txt", "day=1/x/y"));
}

TEST_F(List, hidden_names_are_skipped_below_the_literal_part_only) {
  for (const char* name : {"_lake/a.csv", "_lake/.b.csv", "_lake/_c.csv", "_lake/.d/e.csv", "_lake/f/g.csv"})
    write(name);
  EXPECT_THAT(list("_lake/**").value(), ElementsAre("_lake/a.csv", "_lake/f/g.csv"));
  EXPECT_THAT(list("_lake", true).value(), ElementsAre("_lake/a.csv", "_lake/f/g.csv"));
  EXPECT_THAT(list("_lake/.b.csv").value(), ElementsAre("_lake/.b.csv"));
}

TEST_F(List, unfinished_uploads_are_never_listed) {
  auto upload = store_->begin(context_, path("a.csv"), "p/1", IfExists::fail).value();
  EXPECT_THAT(list(".*").value(), IsEmpty());
}

TEST_F(List, pruned_folders_are_not_entered) {
  for (const char* name : {"day=1/a.csv", "day=2/a.csv", "day=2/hour=1/b.csv"}) write(name);
  std::vector<std::string> asked;
  auto found = list("**/*.csv", false, [&](const std::string& folder) {
    asked.push_back(folder.substr(root_.size() + 1));
    return folder.find("day=2") == std::string::npos;
  });
  EXPECT_THAT(found.value(), ElementsAre("day=1/a.csv"));
  EXPECT_THAT(asked, ::testing::UnorderedElementsAre("day=1", "day=2"));
}

TEST_F(List, symbolic_link_loops_end_and_a_folder_is_read_once) {
  write("d/a.csv");
  std::filesystem::create_symlink("..", path("d/up"));
  std::filesystem::create_symlink("self", path("d/self"));
  std::filesystem::create_symlink("d", path("0-link"));
  EXPECT_THAT(list("**/*.csv").value(), ElementsAre("d/a.csv"));
  EXPECT_THAT(list("0-link/*.csv").value(), ElementsAre("0-link/a.csv"));
}

TEST_F(List, links_to_files_are_files_and_dangling_ones_are_not) {
  write("real/a.csv", "123");
  std::filesystem::create_directory(path("d"));
  std::filesystem::create_symlink("../real/a.csv", path("d/b.csv"));
  std::filesystem::create_symlink("nowhere", path("d/c.csv"));
  EXPECT_THAT(list("d/*.csv").value(), ElementsAre("d/b.csv"));
}

TEST_F(List, a_folder_that_two_alternatives_reach_differently_loses_nothing) {
  for (const char* name : {"b/x1.csv", "b/y1.csv"}) write(name);
  std::filesystem::create_symlink("b", path("a"));
  EXPECT_THAT(list("{a/x*,b/y*}.csv").value(), ElementsAre("a/x1.csv", "b/y1.csv"));
}

TEST_F(List, a_file_named_like_a_pattern_is_found) {
  for (const char* name : {"a[1].csv", "a1.csv"}) write(name);
  EXPECT_THAT(list("a[1].csv").value(), ElementsAre("a1.csv", "a[1].csv"));
}

TEST_F(List, a_folder_without_permission_is_refused_by_name) {
  write("d/a.csv");
  ::chmod(root_.c_str(), 0755);
  ::chmod(path("d").c_str(), 0);
  const conformance::AsNobody nobody;
  auto found = list("*/*.csv");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().fault, Fault::refused);
  EXPECT_THAT(found.error().what, HasSubstr(path("d")));
}

TEST_F(List, who_waits_for_changes_is_not_stopped_by_a_folder_without_permission) {
  for (const char* name : {"a.csv", "closed/b.csv", "d/c.csv", "names/d.csv"}) write(name);
  ::chmod(root_.c_str(), 0755);
  ::chmod(path("closed").c_str(), 0);
  ::chmod(path("names").c_str(), 0744);
  {
    const conformance::AsNobody nobody;
    EXPECT_EQ(list("", true).error().fault, Fault::refused);
    ASSERT_TRUE(store_->wait_for_change(context_, path(""), context_.clock.steady()).ok());
    EXPECT_THAT(list("", true).value(), ElementsAre("a.csv", "d/c.csv"));
  }
  ::chmod(path("closed").c_str(), 0755);
  {
    const conformance::AsNobody nobody;
    EXPECT_THAT(list("", true).value(), ElementsAre("a.csv", "closed/b.csv", "d/c.csv"));
  }
  // What is asked for itself is not left out.
  ::chmod(root_.c_str(), 0);
  const conformance::AsNobody nobody;
  EXPECT_EQ(list("", true).error().fault, Fault::refused);
}

TEST_F(List, stops_when_asked_to) {
  stop_.request_stop();
  EXPECT_EQ(list("**").error().fault, Fault::cancelled);
}

TEST_F(List, stat_says_nothing_of_what_is_not_there) {
  write("a", "1234");
  EXPECT_EQ(store_->stat(context_, path("a")).value()->bytes, 4);
  EXPECT_FALSE(store_->stat(context_, path("b")).value());
  EXPECT_FALSE(store_->stat(context_, path("a/b")).value());
}

TEST_F(List, path_of_is_absolute_and_keeps_the_trailing_slash) {
  auto path_of = [](const std::string& text) {
    return local_store().path_of(Location{.scheme = "file", .path = text});
  };
  auto cwd = std::filesystem::current_path();
  EXPECT_EQ(path_of("/a//b/./c").value(), "/a/b/c");
  EXPECT_EQ(path_of("a/*.csv").value(), cwd.string() + "/a/*.csv");
  EXPECT_EQ(path_of("./lake/").value(), cwd.string() + "/lake/");
  EXPECT_EQ(path_of("../x").value(), cwd.parent_path().string() + "/x");
  EXPECT_EQ(path_of("/a/../b").value(), "/a/../b");
  EXPECT_EQ(path_of("").error().fault, Fault::user);
}

class Open : public FolderTest {};

TEST_F(Open, reads_anywhere_and_stops_at_the_end) {
  write("a", "0123456789");
  auto file = store_->open(context_, *store_->stat(context_, path("a")).value()).value();
  EXPECT_EQ(*file->GetSize(), 10);
  EXPECT_EQ((*file->ReadAt(8, 100))->ToString(), "89");
  EXPECT_EQ((*file->Read(3))->ToString(), "012");
  EXPECT_EQ((*file->Read(3))->ToString(), "345");
  EXPECT_EQ(*file->Tell(), 6);
  ASSERT_TRUE(file->Seek(9).ok());
  EXPECT_EQ((*file->Read(3))->ToString(), "9");
  EXPECT_EQ((*file->Read(3))->size(), 0);
}

TEST_F(Open, sees_a_file_grow) {
  write("a", "01");
  auto file = store_->open(context_, *store_->stat(context_, path("a")).value()).value();
  EXPECT_EQ((*file->Read(10))->ToString(), "01");
  std::ofstream(path("a"), std::ios::app) << "23";
  EXPECT_EQ((*file->Read(10))->ToString(), "23");
  EXPECT_EQ(*file->GetSize(), 4);
}

TEST_F(Open, survives_a_file_that_is_cut_while_it_is_read) {
  write("a", std::string(1 << 20, 'x'));
  auto file = store_->open(context_, *store_->stat(context_, path("a")).value()).value();
  EXPECT_EQ((*file->Read(1000))->size(), 1000);
  std::filesystem::resize_file(path("a"), 10);
  EXPECT_EQ((*file->Read(1000))->size(), 0);
}

TEST_F(Open, notices_a_file_that_was_replaced_since_it_was_listed) {
  write("a", "old");
  auto info = *store_->stat(context_, path("a")).value();
  write("b", "new");
  std::filesystem::rename(path("b"), path("a"));
  auto file = store_->open(context_, info);
  EXPECT_EQ(file.error().fault, Fault::transient);
  EXPECT_THAT(file.error().what, HasSubstr("replaced"));
}

}  // namespace
}  // namespace sluice::local
