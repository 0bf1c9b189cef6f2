// What is sent when objects are written, and what a crash in between comes to.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <set>

#include "store/s3/settings.h"
#include "store/s3/spool.h"
#include "store/s3/test_bucket.h"
#include "store/s3/upload.h"

namespace sluice::s3 {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// One multipart upload and one object name.
class Multipart : public BucketTest {
 protected:
  enum class Completion { works, fails_late, fails_very_late, breaks_off, breaks_off_once, gone };

  ServerReply answer(const SeenRequest& request) {
    std::lock_guard lock(mutex_);
    const auto& target = request.target;
    if (request.method == "HEAD") {
      return object_.empty() ? ServerReply{404, "", {}} : head_reply(1, "e-2", object_);
    }
    if (request.method == "GET") return {200, uploads_page(target), {}};
    if (target.ends_with("?uploads=")) {
      records_when_begun_ = names_in_spool();
      if (std::exchange(lose_answer_, false)) return {200, "lost", {}, 0};
      marker_ = request.head.substr(request.head.find("x-amz-meta-sluice-upload: ") + 26, 32);
      return {200, "<InitiateMultipartUploadResult><UploadId>u 1</UploadId></InitiateMultipartUploadResult>", {}};
    }
    if (request.method == "PUT") {
      auto number = target.substr(target.find("partNumber=") + 11, 1);
      parts_[number] = request.body.size();
      return {200, "", {"ETag: \"part" + number + "\""}};
    }
    if (request.method == "DELETE") return {204, "", {}};
    completed_ = request.body;
    if (completion_ == Completion::fails_late) return error_reply(200, "EntityTooSmall");
    if (completion_ == Completion::fails_very_late) {
      auto reply = error_reply(200, "InternalError");
      reply.body = "<?xml version=\"1.0\"?>\n" + std::string(300, ' ') + reply.body;
      return reply;
    }
    if (completion_ == Completion::breaks_off) return {200, std::string(300, ' '), {}};
    if (completion_ == Completion::breaks_off_once) {  // and yet it was done
      completion_ = Completion::gone;
      object_ = marker_;
      return {200, std::string(300, ' '), {}};
    }
    if (completion_ == Completion::gone) return error_reply(404, "NoSuchUpload");
    object_ = marker_;
    return {200, "<CompleteMultipartUploadResult><ETag>e-2</ETag></CompleteMultipartUploadResult>", {}};
  }
  std::string uploads_page(const std::string& target) const {
    bool second = target.find("key-marker") != std::string::npos;
    std::string page = "<ListMultipartUploadsResult>";
    for (const auto& [key, id] : second ? others_behind_ : others_) {
      page += "<Upload><Key>" + key + "</Key><UploadId>" + id + "</UploadId></Upload>";
    }
    if (!second && !others_.empty()) {
      page += "<IsTruncated>true</IsTruncated><NextKeyMarker>" + others_.back().first + "</NextKeyMarker>" +
              "<NextUploadIdMarker>" + others_.back().second + "</NextUploadIdMarker>";
    }
    return page + "</ListMultipartUploadsResult>";
  }
  std::vector<std::string> names_in_spool() const {
    std::vector<std::string> names;
    if (!std::filesystem::exists(folder_.file("spool"))) return names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.file("spool"))) {
      names.push_back(entry.path().extension());
    }
    return names;
  }
  std::vector<std::string> aborted() {
    auto all = seen();
    std::erase_if(all, [](const std::string& request) { return !request.starts_with("DELETE "); });
    return all;
  }
  void begin() {
    serve([this](const SeenRequest& request) { return answer(request); });
  }

  std::mutex mutex_;
  Completion completion_ = Completion::works;
  std::string marker_;
  std::string object_;  // the marker it bears; empty: there is none
  std::string completed_;
  std::map<std::string, size_t> parts_;
  std::vector<std::string> records_when_begun_;
  bool lose_answer_ = false;                                        // to the next upload that is begun
  using Listed = std::vector<std::pair<std::string, std::string>>;  // keys and ids, beside what the test itself begins
  Listed others_;
  Listed others_behind_;  // on the second page
};

TEST_F(Multipart, TheKeyIsOnRecordBeforeTheServiceKnowsOfTheUpload) {
  begin();
  prepare("b/k", std::string(9 << 20, 'x'));
  EXPECT_THAT(records_when_begun_, ElementsAre(".upload"));
}

TEST_F(Multipart, AnUploadWhoseIdNobodyLearntIsFoundByItsKey) {
  begin();
  Spool spool(net::process_environment());
  auto record = [&](const std::string& owner, const std::string& key) {
    return value_of(spool.create({owner, server_->url(), {"b", key}, /*multipart=*/true, {}}));
  };
  record("p@1", "x/k");
  expect_ok(spool.add_upload_id(record("q@1", "x/k"), "somebody's"));
  others_ = {{"x/k", "lost"}, {"x/k", "somebody's"}};
  others_behind_ = {{"x/k", "also-lost"}, {"x/k2", "longer"}};
  expect_ok(store_->sweep(context_, "b/x", [](const std::string& owner) { return owner == "p@1"; }));
  // Once more after a moment: the test's service lists them for ever.
  EXPECT_THAT(aborted(), ElementsAre("DELETE /b/x/k?uploadId=also-lost", "DELETE /b/x/k?uploadId=lost",
                                     "DELETE /b/x/k?uploadId=also-lost", "DELETE /b/x/k?uploadId=lost"));
  EXPECT_EQ(names_in_spool().size(), 1U);
}

TEST_F(Multipart, AnUploadWhoseAnswerWasLostIsAbortedOnceTheNextTryWorks) {
  begin();
  lose_answer_ = true;
  others_ = {{"k", "u 0"}, {"k", "u 1"}};
  auto token = prepare("b/k", std::string(9 << 20, 'x'));
  EXPECT_THAT(aborted(), ElementsAre("DELETE /b/k?uploadId=u%200"));
  expect_ok(store_->publish(context_, token));
}

TEST_F(BucketTest, AFileOfAProcessThatDiedBeforeItWroteTheRecordIsSwept) {
  serve([](const SeenRequest&) { return error_reply(404, "NoSuchKey"); });
  const std::filesystem::path spool(folder_.file("spool"));
  std::filesystem::create_directories(spool);
  for (const char* name : {"old.data", "old.upload", "new.data", "old.txt"}) std::ofstream(spool / name).flush();
  std::ofstream(spool / "full.data") << "no record\n";
  for (const char* name : {"old.data", "old.upload", "old.txt", "full.data"}) {
    std::filesystem::last_write_time(spool / name,
                                     std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  }
  expect_ok(store_->sweep(context_, "b", [](const std::string&) { return true; }));
  std::set<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(spool)) left.insert(entry.path().filename());
  EXPECT_EQ(left, (std::set<std::string>{"full.data", "new.data", "old.txt"}));
}

TEST_F(BucketTest, AnUploadThatMayNotBeLookedForHoldsNothingUp) {
  serve([](const SeenRequest&) { return error_reply(403, "AccessDenied"); });
  Spool spool(net::process_environment());
  value_of(spool.create({"p@1", server_->url(), {"b", "k"}, /*multipart=*/true, {}}));
  expect_ok(store_->sweep(context_, "b", [](const std::string&) { return true; }));
  EXPECT_FALSE(std::filesystem::is_empty(folder_.file("spool")));
}

TEST_F(Multipart, ALargeObjectIsSentInPartsAndCompletedByTheToken) {
  begin();
  auto token = prepare("b/k", std::string(20 << 20, 'x'));
  EXPECT_EQ(parts_, (std::map<std::string, size_t>{{"1", 8 << 20}, {"2", 8 << 20}, {"3", 4 << 20}}));
  EXPECT_TRUE(completed_.empty());
  open();
  expect_ok(store_->publish(context_, token));
  EXPECT_THAT(completed_, HasSubstr("<PartNumber>3</PartNumber><ETag>&quot;part3&quot;</ETag>"));
  auto last = server_->seen().back();
  EXPECT_EQ(last.target, "/b/k?uploadId=u%201");
  EXPECT_TRUE(last.has("if-none-match: *"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_.file("spool")));
}

TEST_F(Multipart, AReplayedCompletionFindsItsOwnObject) {
  begin();
  auto token = prepare("b/k", std::string(9 << 20, 'x'));
  expect_ok(store_->publish(context_, token));
  completion_ = Completion::gone;
  expect_ok(store_->publish(context_, token));
  object_ = "somebody else's";
  expect_error(store_->publish(context_, token), Fault::refused, "exists already");
  object_.clear();
  expect_error(store_->publish(context_, token), Fault::refused, "the upload was aborted");
}

TEST_F(BucketTest, AnObjectThatMayNotBeLookedAtButListsAsAbsentIsNotTheirs) {
  serve([](const SeenRequest& request) {
    if (request.has("if-none-match")) return error_reply(501, "NotImplemented");
    if (request.method == "PUT") return ServerReply{200, "", {"ETag: \"e\""}};
    if (request.target.find("list-type=2") == std::string::npos) return error_reply(403, "AccessDenied");
    return ServerReply{200, "<ListBucketResult/>", {}};
  });
  expect_ok(store_->publish(context_, prepare("b/k", "x")));
  EXPECT_EQ(seen().back(), "PUT /b/k");
}

TEST_F(Multipart, AnErrorInsideAnOkAnswerIsAnError) {
  begin();
  completion_ = Completion::fails_late;
  expect_error(store_->publish(context_, prepare("b/k", std::string(9 << 20, 'x'))), Fault::refused, "EntityTooSmall");
}

TEST_F(Multipart, AnErrorBehindBlanksThatKeptTheConnectionAliveIsTriedAgain) {
  serve([this](const SeenRequest& request) { return answer(request); }, {{"max_retries", {"1", "here"}}});
  completion_ = Completion::fails_very_late;
  auto token = prepare("b/k", std::string(9 << 20, 'x'));
  auto before = seen().size();
  expect_error(store_->publish(context_, token), Fault::transient, "InternalError");
  EXPECT_EQ(seen().size(), before + 2);
  EXPECT_FALSE(std::filesystem::is_empty(folder_.file("spool"))) << "its record is still needed";
}

TEST_F(Multipart, AnOkAnswerThatDoesNotSayThatItIsDoneIsNone) {
  serve([this](const SeenRequest& request) { return answer(request); }, {{"max_retries", {"1", "here"}}});
  completion_ = Completion::breaks_off;
  auto token = prepare("b/k", std::string(9 << 20, 'x'));
  expect_error(store_->publish(context_, token), Fault::transient, "not well-formed XML");
  completion_ = Completion::breaks_off_once;
  expect_ok(store_->publish(context_, token));
  EXPECT_EQ(seen().back(), "HEAD /b/k");
}

TEST_F(BucketTest, AnObjectThatHoldsAnErrorIsReadAsWhatItIs) {
  const std::string content = "<Error><Code>NoSuchBucket</Code></Error>";
  serve([&](const SeenRequest& request) {
    if (request.method == "HEAD") return head_reply(static_cast<int64_t>(content.size()), "e");
    return ServerReply{206, content, {}};
  });
  auto object = value_of(store_->stat(context_, "b/k"));
  auto file = value_of(store_->open(context_, *object));
  auto read = file->ReadAt(0, static_cast<int64_t>(content.size()));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ((*read)->ToString(), content);
}

TEST_F(Multipart, WhatIsNotFinishedIsAborted) {
  begin();
  {
    auto upload = value_of(store_->begin(context_, "b/k", "p@1", IfExists::fail));
    std::string content(9 << 20, 'x');
    EXPECT_TRUE(upload->stream()->Write(content.data(), static_cast<int64_t>(content.size())).ok());
  }
  EXPECT_EQ(seen().back(), "DELETE /b/k?uploadId=u%201");
  EXPECT_TRUE(std::filesystem::is_empty(folder_.file("spool")));
}

TEST_F(Multipart, OnlyUploadsOnRecordAsOursAreSwept) {
  begin();
  auto token = prepare("b/x/k", std::string(9 << 20, 'x'));
  open();  // its process died
  auto nobody = [](const std::string&) { return false; };
  auto mine = [](const std::string& owner) { return owner == "p@1"; };
  auto before = seen().size();
  expect_ok(store_->sweep(context_, "b/x", nobody));
  expect_ok(store_->sweep(context_, "b/y", mine));
  EXPECT_EQ(seen().size(), before);
  expect_ok(store_->sweep(context_, "b/x", mine));
  EXPECT_THAT(aborted(), ElementsAre("DELETE /b/x/k?uploadId=u%201"));
}

TEST_F(Multipart, APartThatArrivesBehindTheAbortIsNoticed) {
  begin();
  prepare("b/x/k", std::string(9 << 20, 'x'));
  others_ = {{"x/k", "u 1"}};
  expect_ok(store_->sweep(context_, "b/x", [](const std::string&) { return true; }));
  EXPECT_THAT(aborted(), ElementsAre("DELETE /b/x/k?uploadId=u%201", "DELETE /b/x/k?uploadId=u%201"));
}

TEST_F(Multipart, WithoutMemoryPartsGoThroughTheSpool) {
  begin();
  conformance::TestContext poor("battery", 1 << 20);
  auto upload = value_of(store_->begin(poor, "b/k", "p@1", IfExists::fail));
  std::string piece(100'000, 'x');
  for (int i = 0; i < 170; ++i) {
    ASSERT_TRUE(upload->stream()->Write(piece.data(), static_cast<int64_t>(piece.size())).ok());
  }
  auto token = value_of(upload->finish(poor));
  EXPECT_EQ(parts_, (std::map<std::string, size_t>{{"1", 8 << 20}, {"2", 8 << 20}, {"3", 17'000'000 - (16 << 20)}}));
  upload.reset();
  EXPECT_EQ(poor.memory().used(), 0);
  expect_ok(store_->publish(context_, token));
}

const RawOptions& object_options() {
  static const RawOptions options = {{"acl", {"bucket-owner-full-control", "here"}},
                                     {"storage_class", {"STANDARD_IA", "here"}},
                                     {"sse", {"arn:aws:kms:eu-west-1:1:key/2", "here"}},
                                     {"tags", {"team=data eng,env=prod", "here"}},
                                     {"expected_owner", {"123456789012", "here"}}};
  return options;
}

void expect_object_options(const SeenRequest& request) {
  EXPECT_TRUE(request.has("x-amz-acl: bucket-owner-full-control"));
  EXPECT_TRUE(request.has("x-amz-storage-class: STANDARD_IA"));
  EXPECT_TRUE(request.has("x-amz-server-side-encryption: aws:kms"));
  EXPECT_TRUE(request.has("x-amz-server-side-encryption-aws-kms-key-id: arn:aws:kms:eu-west-1:1:key/2"));
  EXPECT_TRUE(request.has("x-amz-tagging: team=data%20eng&env=prod"));
  EXPECT_TRUE(request.has("x-amz-expected-bucket-owner: 123456789012"));
}

ServerReply takes_all(const SeenRequest&) { return {200, "", {"ETag: \"e\""}}; }

TEST_F(BucketTest, ObjectsCarryWhatTheOptionsSay) {
  serve(takes_all, object_options());
  expect_ok(store_->publish(context_, prepare("b/k", "hello", IfExists::replace)));
  auto request = server_->seen()[0];
  EXPECT_EQ(request.body, "hello");
  expect_object_options(request);
  EXPECT_FALSE(request.has("if-none-match"));
}

TEST_F(Multipart, ALargeObjectIsToldWhatTheOptionsSayAsItIsBegun) {
  serve([this](const SeenRequest& request) { return answer(request); }, object_options());
  expect_ok(store_->publish(context_, prepare("b/k", std::string(9 << 20, 'x'))));
  auto requests = server_->seen();
  EXPECT_EQ(requests[0].target, "/b/k?uploads=");
  expect_object_options(requests[0]);
  for (size_t i = 1; i < requests.size(); ++i) {  // S3 refuses them there
    EXPECT_FALSE(requests[i].has("x-amz-acl") || requests[i].has("x-amz-server-side")) << requests[i].target;
    EXPECT_TRUE(requests[i].has("x-amz-expected-bucket-owner: 123456789012")) << requests[i].target;
  }
}

TEST_F(BucketTest, EncryptionWithoutAKeyOfOnesOwnNamesNoKey) {
  for (const std::string sse : {"AES256", "aws:kms"}) {
    serve(takes_all, {{"sse", {sse, "here"}}});
    expect_ok(store_->publish(context_, prepare("b/k", "hello")));
    auto request = server_->seen()[0];
    EXPECT_TRUE(request.has("x-amz-server-side-encryption: " + sse + "\r"));
    EXPECT_FALSE(request.has("aws-kms-key-id"));
  }
}

TEST_F(BucketTest, ManyObjectsArePublishedAtATime) {
  serve([](const SeenRequest&) {
    return ServerReply{200, "", {"ETag: \"e\""}, std::string::npos, std::chrono::milliseconds(50)};
  });
  std::vector<std::string> tokens;
  for (int i = 0; i < 48; ++i) {
    auto upload = value_of(store_->begin(context_, "b/" + std::to_string(i), "p@1", IfExists::fail));
    tokens.push_back(value_of(upload->finish_later(context_)));
  }
  expect_ok(store_->sync(context_));
  auto begin = std::chrono::steady_clock::now();
  expect_ok(store_->publish_all(context_, tokens));
  // One after the other they would take 2.4 s; on a busy machine many at a time were seen to take 1.7.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(2400));
  EXPECT_EQ(server_->seen().size(), 48U);
}

TEST_F(BucketTest, ProbingNamesThePermissionThatIsMissing) {
  serve([](const SeenRequest& request) {
    if (request.method == "GET") return ServerReply{200, "<ListBucketResult/>", {}};
    if (request.method == "DELETE") return error_reply(403, "AccessDenied");
    return ServerReply{
        200, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>", {}};
  });
  expect_error(store_->probe(context_, "b/lake/"), Fault::refused, "s3:AbortMultipartUpload");
}

TEST_F(BucketTest, NamesThatNoObjectCanHaveAreRefused) {
  serve([](const SeenRequest&) { return ServerReply{}; });
  expect_error(store_->begin(context_, "b/folder/", "p@1", IfExists::fail), Fault::user, "s3://b/folder/");
  expect_error(store_->begin(context_, "b/" + std::string(1025, 'x'), "p@1", IfExists::fail), Fault::user, "1,024");
}

TEST(Parts, TenThousandOfThemHoldTheLargestObjectThatS3Takes) {
  int64_t total = 0;
  for (size_t part = 0; part < 10'000; ++part) {
    EXPECT_LE(part_bytes(part), int64_t{5} << 30);
    total += part_bytes(part);
  }
  EXPECT_GE(total, int64_t{5} << 40);
}

TEST(Settings, TheBucketIsNamedWhereTheServiceWantsIt) {
  auto read = [](const RawOptions& raw) {
    auto options = value_of(OptionValues::parse("s3", setting_specs(), OptionScope::both, raw));
    return read_settings(options, [](const std::string& name) -> std::optional<std::string> {
      if (name == "AWS_REGION") return "eu-north-1";
      return std::nullopt;
    });
  };
  EXPECT_FALSE(value_of(read({})).path_style);
  EXPECT_EQ(value_of(read({})).region, "eu-north-1");
  EXPECT_TRUE(value_of(read({{"endpoint_url", {"http://localhost:9000", "here"}}})).path_style);
  EXPECT_FALSE(value_of(read({{"endpoint_url", {"https://s3.eu-west-1.amazonaws.com", "here"}}})).path_style);
  EXPECT_FALSE(
      value_of(read({{"endpoint_url", {"http://localhost:9000", "here"}}, {"force_path_style", {"false", "here"}}}))
          .path_style);
  expect_error(read({{"endpoint_url", {"localhost:9000", "here"}}}), Fault::user, "http://");
  expect_error(read({{"tags", {"a", "here"}}}), Fault::user, "name=value");
}

}  // namespace
}  // namespace sluice::s3
