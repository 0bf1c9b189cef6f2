// What services answer on bad days.
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "store/s3/test_bucket.h"

namespace sluice::s3 {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

class Faults : public BucketTest {};

TEST_F(Faults, SlowDownIsWaitedOutWhateverTheNumberOfRetries) {
  std::atomic<int> asked{0};
  serve([&](const SeenRequest&) { return asked.fetch_add(1) < 3 ? error_reply(503, "SlowDown") : head_reply(5, "e"); },
        {{"max_retries", {"1", "here"}}});
  auto info = value_of(store_->stat(context_, "b/k"));
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->bytes, 5);
  EXPECT_EQ(info->version, "e");
  EXPECT_EQ(format_utc(info->modified), "2026-01-31T23:59:59.000Z");
  EXPECT_EQ(asked.load(), 4);
}

TEST_F(Faults, InternalErrorsAreTriedAgainAsOftenAsSaid) {
  serve([&](const SeenRequest&) { return error_reply(500, "InternalError"); }, {{"max_retries", {"2", "here"}}});
  expect_error(store_->stat(context_, "b/k"), Fault::transient, "s3://b/k: the service answers with status 500");
  EXPECT_EQ(server_->seen().size(), 3U);
}

TEST_F(Faults, AccessDeniedStopsAtOnceAndNamesThePlaceAndThePermission) {
  serve([&](const SeenRequest&) { return error_reply(403, "AccessDenied"); });
  auto listed = store_->list(context_, "b/folder/*.json", false, {});
  expect_error(listed, Fault::refused, "s3://b/folder/");
  expect_error(listed, Fault::refused, "s3:ListBucket");
  EXPECT_EQ(server_->seen().size(), 1U);
  expect_error(store_->publish(context_, prepare("b/folder/key", "x")), Fault::refused, "s3://b/folder/key");
}

TEST_F(Faults, AHeadThatIsRefusedFindsOutWhy) {
  serve([&](const SeenRequest& request) {
    return request.method == "HEAD" ? ServerReply{403, "", {}} : error_reply(403, "SignatureDoesNotMatch");
  });
  auto stat = store_->stat(context_, "b/k");
  expect_error(stat, Fault::user, "the secret access key from the options does not belong");
  EXPECT_EQ(stat.error().message().find("hunter2"), std::string::npos);
}

// AWS says so of names that are not there, unless they may be listed without any prefix.
TEST_F(Faults, ADeniedHeadOfANameThatAListingOfItDoesNotShowMeansThatItIsNotThere) {
  std::string listed;
  std::atomic<bool> may_list{true};
  serve([&](const SeenRequest& request) {
    if (request.target.find("list-type=2") == std::string::npos) return error_reply(403, "AccessDenied");
    EXPECT_THAT(request.target, testing::AllOf(HasSubstr("max-keys=1&"), HasSubstr("prefix=lake%2Fk")));
    return may_list ? ServerReply{200, "<ListBucketResult>" + listed + "</ListBucketResult>", {}}
                    : error_reply(403, "AccessDenied");
  });
  EXPECT_FALSE(value_of(store_->stat(context_, "b/lake/k")).has_value());
  listed = "<Contents><Key>lake/k2</Key><Size>1</Size><LastModified>2026-01-31T23:59:59Z</LastModified></Contents>";
  EXPECT_FALSE(value_of(store_->stat(context_, "b/lake/k")).has_value());
  listed = "<Contents><Key>lake/k</Key><Size>1</Size><LastModified>2026-01-31T23:59:59Z</LastModified></Contents>";
  expect_error(store_->stat(context_, "b/lake/k"), Fault::refused, "s3:GetObject has to be allowed");
  may_list = false;
  expect_error(store_->stat(context_, "b/lake/k"), Fault::refused, "s3:GetObject has to be allowed");
}

TEST_F(Faults, ABucketElsewhereIsFollowedUnlessTheRegionWasGiven) {
  auto answer = [&](const SeenRequest& request) {
    if (request.has("/eu-central-1/s3/")) return head_reply(1, "e");
    return ServerReply{400, "", {"x-amz-bucket-region: eu-central-1"}};
  };
  serve(answer);
  EXPECT_TRUE(value_of(store_->stat(context_, "b/k")).has_value());
  serve(answer, {{"region", {"us-east-1", "here"}}});
  expect_error(store_->stat(context_, "b/k"), Fault::user, "give region := 'eu-central-1'");
  EXPECT_EQ(server_->seen().size(), 2U);  // the second asks why
}

TEST_F(Faults, TroubleOfTheUsersIsSaidInOneSentence) {
  const std::vector<std::pair<std::string, std::string>> sentences = {
      {"RequestTimeTooSkewed", "this machine's clock"},
      {"ExpiredToken", "have expired"},
      {"InvalidAccessKeyId", "does not know the access key from the options"},
      {"NoSuchBucket", "the bucket b does not exist"}};
  for (const auto& [code, sentence] : sentences) {
    serve([&, code = code](const SeenRequest&) { return error_reply(code == "NoSuchBucket" ? 404 : 403, code); });
    expect_error(store_->list(context_, "b/x/", false, {}), Fault::user, sentence);
    EXPECT_EQ(server_->seen().size(), 1U) << code;
  }
}

TEST_F(Faults, AServiceThatHangsDoesNotHoldUpAStop) {
  serve([&](const SeenRequest&) { return ServerReply{200, "", {}, std::string::npos, 30s}; });
  auto waiting = std::async(std::launch::async, [&] { return store_->stat(context_, "b/k"); });
  std::this_thread::sleep_for(100ms);
  auto begin = std::chrono::steady_clock::now();
  context_.request_stop();
  expect_error(waiting.get(), Fault::cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 900ms);
}

TEST_F(Faults, AnAnswerThatIsNoXmlIsTransient) {
  serve([&](const SeenRequest&) { return ServerReply{200, "<html>", {}}; });
  expect_error(store_->list(context_, "b/x/", false, {}), Fault::transient, "not well-formed");
}

TEST_F(Faults, AnObjectReplacedWhileItIsReadIsNoticed) {
  std::string content(3 << 20, 'x');
  std::atomic<bool> replaced{false};
  serve([&](const SeenRequest& request) {
    if (request.method == "HEAD") return head_reply(static_cast<int64_t>(content.size()), "one");
    EXPECT_TRUE(request.has("if-match: \"one\""));
    if (replaced) return error_reply(412, "PreconditionFailed");
    auto at = request.head.find("range: bytes=") + 13;
    auto begin = std::strtoul(request.head.c_str() + at, nullptr, 10);
    auto end = std::strtoul(request.head.c_str() + request.head.find('-', at) + 1, nullptr, 10);
    return ServerReply{206, content.substr(begin, end - begin + 1), {}};
  });
  auto info = value_of(store_->stat(context_, "b/k"));
  auto file = value_of(store_->open(context_, *info));
  EXPECT_EQ((*file->ReadAt(0, 100))->size(), 100);
  replaced = true;
  auto late = file->ReadAt(2 << 20, 100);
  EXPECT_THAT(late.status().message(), testing::HasSubstr("s3://b/k was replaced"));
}

TEST_F(Faults, ASmallObjectThatWasFetchedAheadIsNotReadAsItIsNow) {
  const std::vector<std::pair<int, std::string>> sentences = {{412, "was replaced after it was listed"},
                                                              {404, "was removed after it was listed"}};
  for (const auto& [status, sentence] : sentences) {
    serve([status = status](const SeenRequest& request) {
      if (request.method == "HEAD") return head_reply(5, "one");
      EXPECT_TRUE(request.has("if-match: \"one\""));
      EXPECT_FALSE(request.has("range: "));
      return error_reply(status, status == 404 ? "NoSuchKey" : "PreconditionFailed");
    });
    auto info = value_of(store_->stat(context_, "b/k"));
    store_->prefetch(context_, {&*info, 1});
    auto file = value_of(store_->open(context_, *info));
    auto read = file->ReadAt(0, 5);
    EXPECT_THAT(read.status().message(), HasSubstr("s3://b/k " + sentence));
    EXPECT_THAT(seen(), ElementsAre("HEAD /b/k", "GET /b/k"));
  }
}

TEST_F(Faults, ACutConnectionIsReadAgain) {
  std::atomic<int> asked{0};
  serve([&](const SeenRequest& request) {
    if (request.method == "HEAD") return head_reply(5, "one");
    return ServerReply{200, "hello", {}, asked.fetch_add(1) == 0 ? 44 : std::string::npos};
  });
  auto info = value_of(store_->stat(context_, "b/k"));
  auto file = value_of(store_->open(context_, *info));
  EXPECT_EQ((*file->ReadAt(0, 5))->ToString(), "hello");
  EXPECT_EQ(asked.load(), 2);
}

TEST_F(Faults, AServiceWithoutConditionalWritesIsLookedAtFirst) {
  std::atomic<bool> there{false};
  serve([&](const SeenRequest& request) {
    if (request.has("if-none-match")) return error_reply(501, "NotImplemented");
    if (request.method == "HEAD") return there ? head_reply(1, "e", "theirs") : ServerReply{404, "", {}};
    return ServerReply{200, "", {"ETag: \"e\""}};
  });
  expect_ok(store_->publish(context_, prepare("b/k", "x")));
  EXPECT_THAT(seen(), ElementsAre("PUT /b/k", "HEAD /b/k", "PUT /b/k"));
  there = true;
  expect_error(store_->publish(context_, prepare("b/k", "x")), Fault::refused, "exists already");
}

TEST_F(Faults, AnonymousRequestsAreNotSigned) {
  serve([&](const SeenRequest&) { return head_reply(1, "e"); }, {{"anonymous", {"true", "here"}}});
  EXPECT_TRUE(value_of(store_->stat(context_, "b/k")).has_value());
  EXPECT_FALSE(server_->seen()[0].has("authorization"));
}

}  // namespace
}  // namespace sluice::s3
