// How many requests a listing takes, and that a small object takes one.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "store/s3/answers.h"
#include "store/s3/test_bucket.h"

namespace sluice::s3 {
namespace {

using testing::ElementsAre;

std::string parameter(const std::string& target, const std::string& name) {
  auto at = target.find(name + "=");
  if (at == std::string::npos) return {};
  at += name.size() + 1;
  auto text = target.substr(at, target.find('&', at) - at);
  for (size_t i; (i = text.find("%2F")) != std::string::npos;) text.replace(i, 3, "/");
  for (size_t i; (i = text.find("%3D")) != std::string::npos;) text.replace(i, 3, "=");
  return text;
}

// A service that lists `keys`, in pages as S3 does, and gives every object the content "hello".
class Listing : public BucketTest {
 protected:
  void serve_keys() {
    serve([this](const SeenRequest& request) {
      if (request.method == "HEAD") {
        return keys_.contains(request.target.substr(3)) ? head_reply(5, "e") : ServerReply{404, "", {}};
      }
      if (request.target.find("list-type") == std::string::npos) return ServerReply{200, "hello", {}};
      return page(request.target);
    });
  }
  ServerReply page(const std::string& target) const {
    auto prefix = parameter(target, "prefix");
    auto after = parameter(target, "continuation-token");
    bool one_level = !parameter(target, "delimiter").empty();
    auto most = std::stoul(parameter(target, "max-keys"));
    std::string xml;
    std::string last;
    size_t count = 0;
    for (const auto& key : keys_) {
      if (!key.starts_with(prefix)) continue;
      auto slash = one_level ? key.find('/', prefix.size()) : std::string::npos;
      auto entry = slash == std::string::npos ? key : key.substr(0, slash + 1);
      if (entry == last || (!after.empty() && entry <= after)) continue;
      if (count++ == most) {
        xml += "<IsTruncated>true</IsTruncated><NextContinuationToken>" + last + "</NextContinuationToken>";
        break;
      }
      last = entry;
      xml += slash != std::string::npos ? "<CommonPrefixes><Prefix>" + entry + "</Prefix></CommonPrefixes>"
                                        : "<Contents><Key>" + key +
                                              "</Key><Size>5</Size><ETag>&quot;e&quot;</ETag>"
                                              "<LastModified>2026-01-31T23:59:59.000Z</LastModified></Contents>";
    }
    return {200, "<ListBucketResult>" + xml + "</ListBucketResult>", {}};
  }

  std::set<std::string> keys_;
};

TEST_F(Listing, AThousandKeysCostOneRequestHoweverManyFoldersTheyAreIn) {
  for (int i = 0; i < 900; ++i) keys_.insert(fmt::format("lake/d={:03}/a.json", i));
  serve_keys();
  EXPECT_EQ(list("b/lake/**/*.json").size(), 900U);
  EXPECT_EQ(server_->seen().size(), 1U);
}

TEST_F(Listing, ASampleOfManyFoldersCostsAFewRequestsAndKnowsTheirNames) {
  for (int d = 0; d < 100; ++d) {
    for (int h = 0; h < 24; ++h) {
      for (int i = 0; i < 10; ++i) keys_.insert(fmt::format("lake/day={:02}/hour={:02}/{}.json", d, h, i));
    }
  }
  serve_keys();
  auto sample = value_of(store_->sample(context_, "b/lake/", true));
  EXPECT_FALSE(sample.complete);
  EXPECT_THAT(sample.folders, testing::SizeIs(100 + 24));
  EXPECT_EQ(sample.objects.front().path, "b/lake/day=00/hour=00/0.json");
  EXPECT_EQ(sample.objects.back().path, "b/lake/day=99/hour=23/9.json");
  const auto to_look = server_->seen().size();
  EXPECT_LE(to_look, 11U);
  // 24,000 keys are 24 requests; those of one day's afternoon take four.
  auto found = list("b/lake/**/*.json", [](const std::string& folder) {
    return folder == "b/lake/day=17" || folder == "b/lake/day=17/hour=13";
  });
  EXPECT_EQ(found.size(), 10U);
  EXPECT_LE(server_->seen().size() - to_look, 4U);
}

TEST_F(Listing, ASampleOfFewObjectsIsAllOfThem) {
  for (int i = 0; i < 3'500; ++i) keys_.insert(fmt::format("lake/day={:02}/{:04}.json", i % 50, i));
  serve_keys();
  auto sample = value_of(store_->sample(context_, "b/lake/*/*.json", false));
  EXPECT_TRUE(sample.complete);
  EXPECT_EQ(sample.objects.size(), 3'500U);
  EXPECT_EQ(server_->seen().size(), 4U);
}

TEST_F(Listing, PrunedFoldersAreNotListed) {
  for (int d = 0; d < 30; ++d) {
    for (int i = 0; i < 500; ++i) keys_.insert(fmt::format("lake/d={:02}/{:03}.json", d, i));
  }
  serve_keys();
  auto found = list("b/lake/*/*.json", [](const std::string& folder) { return folder == "b/lake/d=17"; });
  EXPECT_EQ(found.size(), 500U);
  EXPECT_EQ(found.front(), "b/lake/d=17/000.json");
  EXPECT_LE(server_->seen().size(), 3U);
}

TEST_F(Listing, DeepFoldersBesideAShallowPatternAreSkipped) {
  for (int i = 0; i < 5000; ++i) keys_.insert(fmt::format("lake/deep/{:04}.json", i));
  keys_.insert("lake/z.json");
  serve_keys();
  EXPECT_THAT(list("b/lake/*.json"), ElementsAre("b/lake/z.json"));
  EXPECT_LE(server_->seen().size(), 2U);
}

TEST_F(Listing, ManyWantedKeysComeInPages) {
  for (int i = 0; i < 3500; ++i) keys_.insert(fmt::format("lake/2024-{:04}.json", i));
  keys_.insert("lake/2023-1.json");
  serve_keys();
  EXPECT_EQ(list("b/lake/2024-*.json").size(), 3500U);
  EXPECT_EQ(server_->seen().size(), 4U);
}

TEST_F(Listing, ANameThatIsAnObjectAndAFolderIsTheObjectAndWithASlashTheFolder) {
  keys_ = {"a", "a/b", "a/", "a/_hidden", "other/c"};
  serve_keys();
  EXPECT_THAT(list("b/a"), ElementsAre("b/a"));
  EXPECT_THAT(list("b/a/"), ElementsAre("b/a/b"));
  EXPECT_THAT(list("b/other"), ElementsAre("b/other/c"));
  expect_error(store_->list(context_, "b/none", false, {}), Fault::user, "s3://b/none does not exist");
}

TEST_F(Listing, ABucketIsNoPattern) {
  serve_keys();
  expect_error(store_->list(context_, "b*/a", false, {}), Fault::user, "single bucket");
}

TEST_F(Listing, ASmallObjectIsOneRequestAndMayBeFetchedAhead) {
  keys_ = {"1", "2", "3"};
  serve_keys();
  auto found = value_of(store_->list(context_, "b/*", false, {}));
  store_->prefetch(context_, found);
  for (const auto& object : found) {
    auto file = value_of(store_->open(context_, object));
    EXPECT_EQ((*file->ReadAt(0, 2))->ToString(), "he");
    EXPECT_EQ((*file->ReadAt(2, 100))->ToString(), "llo");
  }
  EXPECT_EQ(server_->seen().size(), 4U);
  store_->prefetch(context_, found);  // never opened
}

TEST(Answers, AreReadStrictly) {
  expect_error(parse_listing("<Other/>"), Fault::transient, "<Other>");
  expect_error(parse_listing("<ListBucketResult><Contents><Key>a</Key><Size>x</Size></Contents></ListBucketResult>"),
               Fault::transient, "'x'");
  expect_error(parse_listing("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"), Fault::transient,
               "without saying how it goes on");
  EXPECT_EQ(parse_error("<html><body>503</body>").code, "");
  EXPECT_EQ(parse_error("<Error><Code>SlowDown</Code><Message>Slow.</Message></Error>").message, "Slow");
  EXPECT_EQ(without_quotes("W/\"a\""), "a");
  EXPECT_EQ(format_utc(value_of(parse_time("1969-12-31T23:59:59.5Z"))), "1969-12-31T23:59:59.500Z");
  expect_error(parse_time("yesterday"), Fault::transient, "yesterday");
}

}  // namespace
}  // namespace sluice::s3
