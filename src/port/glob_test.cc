#include "port/glob.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Glob, a_star_matches_any_run_of_characters_within_a_name) {
  EXPECT_TRUE(matches_name("*.json", "a.json"));
  EXPECT_TRUE(matches_name("*", "a"));
  EXPECT_TRUE(matches_name("a*b*c", "a-b-b-c"));
  EXPECT_TRUE(matches_name("a*", "a"));
  EXPECT_FALSE(matches_name("*.json", "a.jsonl"));
  EXPECT_FALSE(matches_name("a*b", "a-b-c"));
}

TEST(Glob, a_question_mark_matches_one_character_of_any_width) {
  EXPECT_TRUE(matches_name("?.csv", "a.csv"));
  EXPECT_TRUE(matches_name("?.csv", "ü.csv"));
  EXPECT_TRUE(matches_name("?.csv", "€.csv"));
  EXPECT_FALSE(matches_name("?.csv", ".csv"));
  EXPECT_FALSE(matches_name("?.csv", "ab.csv"));
}

TEST(Glob, a_class_matches_its_ranges_and_can_be_negated) {
  EXPECT_TRUE(matches_name("part-[0-9].csv", "part-7.csv"));
  EXPECT_FALSE(matches_name("part-[0-9].csv", "part-a.csv"));
  EXPECT_TRUE(matches_name("[!0-9]*", "a1"));
  EXPECT_FALSE(matches_name("[^0-9]*", "1a"));
  EXPECT_TRUE(matches_name("[]x]", "]"));
  EXPECT_TRUE(matches_name("[a-]", "-"));
  EXPECT_TRUE(matches_name("[ä-ö]", "ö"));
}

TEST(Glob, a_backslash_takes_the_meaning_from_a_character) {
  EXPECT_TRUE(matches_name("a\\*.csv", "a*.csv"));
  EXPECT_FALSE(matches_name("a\\*.csv", "ab.csv"));
}

TEST(Glob, hidden_names_match_only_a_pattern_that_starts_like_them) {
  EXPECT_FALSE(matches_name("*", ".sluice-x.tmp"));
  EXPECT_FALSE(matches_name("*", "_SUCCESS"));
  EXPECT_FALSE(matches_name("?a", "_a"));
  EXPECT_TRUE(matches_name("_*", "_a"));
}

TEST(Glob, braces_expand_nested_and_over_slashes) {
  auto glob = parse_glob("/data/{a,b{1,2}/c}/*.{csv,tsv}").value();
  EXPECT_EQ(glob.root, "/data");
  ASSERT_EQ(glob.alternatives.size(), 6u);
  EXPECT_THAT(glob.alternatives[0].components, ElementsAre("a", "*.csv"));
  EXPECT_THAT(glob.alternatives[5].components, ElementsAre("b2", "c", "*.tsv"));
}

TEST(Glob, the_root_is_the_longest_folder_without_wildcards) {
  EXPECT_EQ(parse_glob("/a/b/*.csv").value().root, "/a/b");
  EXPECT_EQ(parse_glob("/*").value().root, "/");
  EXPECT_EQ(parse_glob("/a/{x,x}/c*").value().root, "/a/x");
  EXPECT_THAT(parse_glob("/a/**/b").value().alternatives[0].components, ElementsAre("**", "b"));
}

TEST(Glob, unclosed_braces_and_brackets_are_errors) {
  EXPECT_THAT(parse_glob("/a/{b,c").error().what, HasSubstr("not closed"));
  EXPECT_THAT(parse_glob("/a/[b").error().what, HasSubstr("not closed"));
  EXPECT_EQ(parse_glob("/a/[b").error().fault, Fault::user);
}

TEST(Glob, a_flood_of_alternatives_is_refused) {
  EXPECT_THAT(parse_glob("/{1,2,3,4,5,6,7,8}{1,2,3,4,5,6,7,8}{1,2,3,4,5,6,7,8}{1,2,3}").error().what,
              HasSubstr("1024"));
}

}  // namespace
}  // namespace sluice
