// What every Store has to do. A store's test includes this and says how to open it and how it names what lies below a
// test's folder:
//
//   INSTANTIATE_TEST_SUITE_P(Local, StoreBattery, testing::Values(StoreCase{"local", open, path_below}));
//
// A process that dies is played by destroying its store and uploads; whoever comes after has only the tokens.
#pragma once

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "port/conformance/expect.h"
#include "port/conformance/scratch_folder.h"
#include "port/conformance/test_context.h"
#include "port/store.h"

namespace sluice::conformance {

struct StoreCase {
  std::string name;
  std::function<Result<std::unique_ptr<Store>>(const std::string& folder)> open;
  // The store's path of `name` (a/b.json) below a place of its own for this test's folder, empty at first.
  std::function<std::string(const std::string& folder, const std::string& name)> path;
  // Why it cannot be tested on this machine (a server that is not installed); empty: it can. Under CI that is a
  // failure.
  std::function<std::string()> missing = [] { return std::string(); };
  friend void PrintTo(const StoreCase& item, std::ostream* out) { *out << item.name; }
};

class StoreBattery : public testing::TestWithParam<StoreCase> {
 protected:
  void SetUp() override {
    if (auto missing = GetParam().missing(); !missing.empty()) {
      ASSERT_EQ(std::getenv("CI"), nullptr) << missing;
      GTEST_SKIP() << missing;
    }
    store_ = open();
  }

  std::unique_ptr<Store> open() { return value_of(GetParam().open(folder_.path())); }
  std::string path(const std::string& name) { return GetParam().path(folder_.path(), name); }

  // Written and finished, not published.
  std::string finished(const std::string& name, const std::string& content, const std::string& owner = "p@1",
                       IfExists if_exists = IfExists::fail) {
    auto upload = value_of(store_->begin(context_, path(name), owner, if_exists));
    if (upload == nullptr) return {};
    EXPECT_TRUE(upload->stream()->Write(content.data(), static_cast<int64_t>(content.size())).ok());
    return value_of(upload->finish(context_));
  }
  std::string put(const std::string& name, const std::string& content) {
    auto token = finished(name, content);
    expect_ok(store_->publish(context_, token));
    expect_ok(store_->sync(context_));
    return token;
  }
  // Names below the test's place, in the order the store lists them.
  std::vector<std::string> list(const std::string& pattern, const std::function<bool(const std::string&)>& keep = {}) {
    std::vector<std::string> names;
    const std::string base = path("");
    auto all = [](const std::string&) { return true; };
    for (const auto& object : value_of(store_->list(context_, path(pattern), false, keep ? keep : all))) {
      EXPECT_TRUE(object.path.starts_with(base)) << object.path;
      names.push_back(object.path.substr(base.size()));
    }
    return names;
  }
  bool exists(const std::string& name) { return value_of(store_->stat(context_, path(name))).has_value(); }
  std::string content_of(const std::string& name) {
    auto info = value_of(store_->stat(context_, path(name)));
    if (!info.has_value()) return "(missing)";
    auto file = value_of(store_->open(context_, *info));
    if (file == nullptr) return "(unreadable)";
    auto bytes = file->ReadAt(0, info->bytes);
    EXPECT_TRUE(bytes.ok()) << bytes.status().ToString();
    return bytes.ok() ? (*bytes)->ToString() : "(unreadable)";
  }

  ScratchFolder folder_;
  TestContext context_;
  std::unique_ptr<Store> store_;
};

TEST_P(StoreBattery, WhatIsWrittenIsInvisibleUntilItIsPublished) {
  auto upload = value_of(store_->begin(context_, path("a.json"), "p@1", IfExists::fail));
  ASSERT_TRUE(upload->stream()->Write("hello", 5).ok());
  EXPECT_FALSE(exists("a.json"));
  auto token = value_of(upload->finish(context_));
  upload.reset();
  EXPECT_FALSE(exists("a.json"));
  EXPECT_TRUE(list("**").empty());
  expect_ok(store_->publish(context_, token));
  expect_ok(store_->sync(context_));
  EXPECT_EQ(content_of("a.json"), "hello");
  EXPECT_EQ(list("**"), std::vector<std::string>{"a.json"});
}

TEST_P(StoreBattery, AnotherProcessPublishesFromTheTokenAlone) {
  auto token = finished("deep/er/a.json", "hello");
  store_ = open();
  expect_ok(store_->publish(context_, token));
  expect_ok(store_->sync(context_));
  EXPECT_EQ(content_of("deep/er/a.json"), "hello");
}

TEST_P(StoreBattery, PublishingTwiceIsOnce) {
  auto token = finished("a.json", "hello");
  expect_ok(store_->publish(context_, token));
  expect_ok(store_->publish(context_, token));
  store_ = open();
  expect_ok(store_->publish(context_, token));
  EXPECT_EQ(content_of("a.json"), "hello");
}

TEST_P(StoreBattery, LargeObjectsComeBackWhole) {
  std::string content;
  for (int i = 0; content.size() < 13'000'000; ++i) content += std::to_string(i) + ",";
  put("large.bin", content);
  auto info = value_of(store_->stat(context_, path("large.bin")));
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->bytes, static_cast<int64_t>(content.size()));
  EXPECT_TRUE(content_of("large.bin") == content);
  auto file = value_of(store_->open(context_, *info));
  auto middle = file->ReadAt(6'000'000, 100);
  ASSERT_TRUE(middle.ok());
  EXPECT_EQ((*middle)->ToString(), content.substr(6'000'000, 100));
}

TEST_P(StoreBattery, AnUploadThatWasNotFinishedLeavesNothing) {
  {
    auto upload = value_of(store_->begin(context_, path("a.json"), "p@1", IfExists::fail));
    ASSERT_TRUE(upload->stream()->Write("hello", 5).ok());
  }
  EXPECT_FALSE(exists("a.json"));
  EXPECT_TRUE(list("**").empty());
}

TEST_P(StoreBattery, WhatWasDiscardedCannotBePublishedAnyMore) {
  auto token = finished("a.json", "hello");
  expect_ok(store_->discard(context_, token));
  expect_ok(store_->discard(context_, token));
  expect_error(store_->publish(context_, token), Fault::refused, "a.json");
  EXPECT_FALSE(exists("a.json"));
}

TEST_P(StoreBattery, DiscardingWhatIsPublishedLeavesIt) {
  auto token = put("a.json", "hello");
  expect_ok(store_->discard(context_, token));
  EXPECT_EQ(content_of("a.json"), "hello");
}

TEST_P(StoreBattery, ContentOfOthersIsNeverReplacedUnasked) {
  put("a.json", "theirs");
  auto outcome = [&]() -> Result<void> {
    auto upload = TRY(store_->begin(context_, path("a.json"), "p@1", IfExists::fail));
    (void)upload->stream()->Write("mine", 4);
    return store_->publish(context_, TRY(upload->finish(context_)));
  }();
  expect_error(outcome, Fault::refused, "a.json");
  EXPECT_EQ(content_of("a.json"), "theirs");
}

TEST_P(StoreBattery, OfTwoWhoPublishOneNameTheSecondIsRefused) {
  auto first = finished("a.json", "first");
  auto second = finished("a.json", "second");
  expect_ok(store_->publish(context_, first));
  expect_error(store_->publish(context_, second), Fault::refused, "a.json");
  expect_ok(store_->publish(context_, first));
  EXPECT_EQ(content_of("a.json"), "first");
}

TEST_P(StoreBattery, ReplacingReplacesAtOnceAndChangesTheVersion) {
  put("a.json", "old");
  auto before = value_of(store_->stat(context_, path("a.json")));
  auto token = finished("a.json", "new content", "p@1", IfExists::replace);
  EXPECT_EQ(content_of("a.json"), "old");
  expect_ok(store_->publish(context_, token));
  EXPECT_EQ(content_of("a.json"), "new content");
  expect_ok(store_->publish(context_, token));
  EXPECT_NE(value_of(store_->stat(context_, path("a.json")))->version, before->version);
}

TEST_P(StoreBattery, SweepingRemovesOnlyWhatIsOursAndBelow) {
  auto mine = finished("x/mine.json", "1", "p@1");
  auto deeper = finished("x/deep/er/mine.json", "2", "p@1");
  auto sibling = finished("x/sibling.json", "3", "q@1");
  auto elsewhere = finished("y/mine.json", "4", "p@1");
  put("x/published.json", "5");
  expect_ok(store_->sweep(context_, path("x"), [](const std::string& owner) { return owner == "p@1"; }));
  expect_error(store_->publish(context_, mine), Fault::refused, "mine.json");
  expect_error(store_->publish(context_, deeper), Fault::refused, "mine.json");
  expect_ok(store_->publish(context_, sibling));
  expect_ok(store_->publish(context_, elsewhere));
  EXPECT_EQ(content_of("x/published.json"), "5");
}

TEST_P(StoreBattery, FilesFinishedLazilyArePublishedLikeOthers) {
  std::vector<std::string> tokens;
  for (int i = 0; i < 20; ++i) {
    auto upload = value_of(store_->begin(context_, path("x/" + std::to_string(i)), "p@1", IfExists::fail));
    ASSERT_TRUE(upload->stream()->Write("hello", 5).ok());
    tokens.push_back(value_of(upload->finish_later(context_)));
  }
  expect_ok(store_->sync(context_));
  for (const auto& token : tokens) expect_ok(store_->publish(context_, token));
  expect_ok(store_->sync(context_));
  EXPECT_EQ(list("x/*").size(), 20U);
  EXPECT_EQ(content_of("x/7"), "hello");
}

TEST_P(StoreBattery, ListsInByteOrderWithPatterns) {
  for (const char* name : {"b.json", "a.json", "Z.json", "a.csv", "d/c.json", "d/e/f.json", "a-1.json", "ä.json"}) {
    put(name, "x");
  }
  using Names = std::vector<std::string>;
  EXPECT_EQ(list("*.json"), (Names{"Z.json", "a-1.json", "a.json", "b.json", "ä.json"}));
  EXPECT_EQ(list("?.json"), (Names{"Z.json", "a.json", "b.json", "ä.json"}));
  EXPECT_EQ(list("[a-b].json"), (Names{"a.json", "b.json"}));
  EXPECT_EQ(list("a.{csv,json}"), (Names{"a.csv", "a.json"}));
  EXPECT_EQ(list("**/*.json"), (Names{"Z.json", "a-1.json", "a.json", "b.json", "d/c.json", "d/e/f.json", "ä.json"}));
  EXPECT_EQ(list("*/*.json"), (Names{"d/c.json"}));
  EXPECT_EQ(list("d/e/f.json"), (Names{"d/e/f.json"}));
  EXPECT_TRUE(list("nothing*.json").empty());
}

TEST_P(StoreBattery, HiddenNamesAreSkippedAndFoldersPruned) {
  for (const char* name : {".hidden.json", "_meta.json", "_log/a.json", ".git/a.json", "y=1/a.json", "y=2/a.json"}) {
    put(name, "x");
  }
  using Names = std::vector<std::string>;
  EXPECT_EQ(list("**/*.json"), (Names{"y=1/a.json", "y=2/a.json"}));
  EXPECT_EQ(list("**/*.json", [](const std::string& folder) { return folder.find("y=1") == std::string::npos; }),
            (Names{"y=2/a.json"}));
}

TEST_P(StoreBattery, ALiteralNameThatIsMissingIsTheUsersFault) {
  auto all = [](const std::string&) { return true; };
  expect_error(store_->list(context_, path("missing.json"), false, all), Fault::user, "missing.json");
  EXPECT_FALSE(exists("missing.json"));
}

TEST_P(StoreBattery, WhatIsRemovedIsGone) {
  put("a.json", "x");
  expect_ok(store_->remove(context_, path("a.json")));
  EXPECT_FALSE(exists("a.json"));
  EXPECT_TRUE(list("**").empty());
}

TEST_P(StoreBattery, ProbingLeavesNothing) {
  expect_ok(store_->probe(context_, path("new/place/")));
  EXPECT_TRUE(list("**").empty());
}

TEST_P(StoreBattery, OddNamesAreJustNames) {
  for (const char* name : {"with space.json", "100%.json", "plus+and&amp.json", "quote'\".json", "日本/ü.json"}) {
    put(name, name);
    EXPECT_EQ(content_of(name), name);
  }
}

TEST_P(StoreBattery, WaitingForChangeEndsByTheDeadline) {
  auto begin = std::chrono::steady_clock::now();
  expect_ok(store_->wait_for_change(context_, path("*.json"), begin + std::chrono::milliseconds(200)));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(1500));
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StoreBattery);

}  // namespace sluice::conformance
