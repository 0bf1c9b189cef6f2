// Where requests go, who signs them, and how long they are tried.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <ctime>

#include "store/s3/client.h"
#include "store/s3/test_bucket.h"

namespace sluice::s3 {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// Its time passes by sleeping only, and sleeping takes none.
class QuickClock final : public Clock {
 public:
  [[nodiscard]] SteadyTime steady() const override { return SteadyTime() + slept(); }
  [[nodiscard]] WallTime wall() const override { return begin_ + slept(); }
  bool sleep(Millis time, const std::stop_token&) override {
    slept_ms_ += time.count();
    return true;
  }
  [[nodiscard]] Millis slept() const { return Millis(slept_ms_.load()); }

 private:
  const WallTime begin_ = system_clock().wall();
  std::atomic<int64_t> slept_ms_{0};
};

class Requests : public BucketTest {
 protected:
  static Settings settings() {
    Settings settings;
    settings.region = "eu-west-1";
    settings.credentials.access_key_id = "AKIA";
    settings.credentials.secret_access_key = Secret("hunter2");
    return settings;
  }
  static net::Url endpoint(const std::string& url) {
    auto endpoint = value_of(net::parse_url(url));
    endpoint.path.clear();
    return endpoint;
  }
  std::unique_ptr<Client> client(Settings settings, const net::Environment& environment = {}) {
    if (server_ != nullptr && !settings.endpoint.has_value()) settings.endpoint = endpoint(server_->url());
    auto none = [](const std::string&) { return std::optional<std::string>(); };
    return value_of(Client::create(std::move(settings), environment ? environment : none));
  }
  static Request about(const std::string& path, const std::string& method = "GET") {
    Request request;
    request.method = method;
    request.address = address_of(path);
    return request;
  }

  QuickClock clock_;
  Context& real_ = context_;
  Context quick_{real_.stop, clock_, real_.log, real_.metrics, real_.memory, real_.registry, real_.pipeline};
};

TEST_F(Requests, TheBucketIsPartOfTheHostUnlessTheCertificateWouldNotFit) {
  serve([](const SeenRequest&) { return ServerReply{}; });
  auto given = settings();
  const auto port = server_->url().substr(server_->url().rfind(':'));
  given.endpoint = endpoint("http://localhost" + port);
  auto hosts = client(given);
  for (const char* path : {"my-bucket/a b/c", "dotted.bucket/k", "my-bucket"})
    value_of(hosts->send(quick_, about(path)));
  EXPECT_THAT(seen(), testing::ElementsAre("GET /a%20b/c", "GET /dotted.bucket/k", "GET /"));
  EXPECT_TRUE(server_->seen()[0].has("host: my-bucket.localhost" + port + "\r"));
  EXPECT_TRUE(server_->seen()[1].has("host: localhost" + port + "\r"));
  given.path_style = true;
  value_of(client(given)->send(quick_, about("my-bucket/k")));
  EXPECT_EQ(seen().back(), "GET /my-bucket/k");
}

// Seen by a proxy that lets nobody through.
TEST_F(Requests, OnAwsTheHostNamesTheRegion) {
  net::TestServer proxy([](const SeenRequest&) { return ServerReply{403, "", {}}; });
  ::setenv("https_proxy", proxy.url().c_str(), 1);
  for (const char* region : {"eu-west-1", "cn-north-1"}) {
    auto given = settings();
    given.retries_max = 0;
    given.region = region;
    expect_error(client(given)->send(quick_, about("my-bucket/k")), Fault::transient, "s3://my-bucket/k");
  }
  ::unsetenv("https_proxy");
  EXPECT_EQ(proxy.seen()[0].method, "CONNECT");
  EXPECT_EQ(proxy.seen()[0].target, "my-bucket.s3.eu-west-1.amazonaws.com:443");
  EXPECT_EQ(proxy.seen()[1].target, "my-bucket.s3.cn-north-1.amazonaws.com.cn:443");
}

TEST_F(Requests, TheSessionTokenIsSentAndSigned) {
  serve([](const SeenRequest&) { return head_reply(1, "e"); }, {{"session_token", {"t0ken", "here"}}});
  EXPECT_TRUE(value_of(store_->stat(context_, "b/k")).has_value());
  EXPECT_TRUE(server_->seen()[0].has("x-amz-security-token: t0ken\r"));
  EXPECT_TRUE(server_->seen()[0].has("x-amz-date;x-amz-security-token, Signature="));
}

TEST_F(Requests, ThreeMoreTriesAreTheDefault) {
  serve([](const SeenRequest&) { return error_reply(500, "InternalError"); });
  expect_error(store_->stat(quick_, "b/k"), Fault::transient, "(tried 4 times)");
  EXPECT_EQ(server_->seen().size(), 4U);
}

TEST_F(Requests, RetryAfterIsWaitedFor) {
  std::atomic<int> asked{0};
  serve([&](const SeenRequest&) {
    if (asked++ > 0) return head_reply(1, "e");
    return ServerReply{503, "", {"Retry-After: 17"}};
  });
  EXPECT_TRUE(value_of(store_->stat(quick_, "b/k")).has_value());
  EXPECT_EQ(clock_.slept(), 17s);
}

TEST_F(Requests, SlowDownIsWaitedOutForMinutesAndNotForEver) {
  std::atomic<Millis> busy{90s};
  serve([&](const SeenRequest&) {
    return clock_.slept() < busy.load() ? error_reply(503, "SlowDown") : head_reply(1, "e");
  });
  EXPECT_TRUE(value_of(store_->stat(quick_, "b/k")).has_value());
  EXPECT_GE(clock_.slept(), 90s);
  busy = 24h;
  auto before = clock_.slept();
  expect_error(store_->stat(quick_, "b/k"), Fault::transient, "cannot read s3://b/k");
  EXPECT_GE(clock_.slept() - before, 3min);
  EXPECT_LE(clock_.slept() - before, 3min + 10s);
}

TEST_F(Requests, AClockThatDiffersIsSaidWithTheMinutes) {
  for (auto off : {-31min, 17min}) {
    const auto at = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() + off);
    char date[64];
    std::strftime(date, sizeof date, "Date: %a, %d %b %Y %H:%M:%S GMT", std::gmtime(&at));
    serve([&](const SeenRequest&) {
      auto reply = error_reply(403, "RequestTimeTooSkewed");
      reply.headers = {date};
      return reply;
    });
    auto refused = store_->list(context_, "b/x/", false, {});
    // Also a minute less: seconds pass meanwhile, and half a minute is not named.
    EXPECT_THAT(refused.error().message(),
                testing::AnyOf(HasSubstr(off < 0min ? "(by 31 minutes)" : "(by 17 minutes)"),
                               HasSubstr(off < 0min ? "(by 30 minutes)" : "(by 16 minutes)")));
  }
}

TEST_F(Requests, CredentialsOfARoleThatExpireTooSoonAreRenewedOnTheWay) {
  std::atomic<int> given{0};
  net::TestServer imds([&](const SeenRequest& request) {
    if (request.method == "PUT") return ServerReply{200, "imds-token", {}};
    if (request.target.ends_with("/security-credentials/")) return ServerReply{200, "my-role", {}};
    const int number = ++given;
    return ServerReply{
        200,
        fmt::format(R"({{"AccessKeyId":"I{0}","SecretAccessKey":"s","Token":"t{0}","Expiration":"{1}"}})", number,
                    format_utc(system_clock().wall() + 2h)),
        {}};
  });
  serve([](const SeenRequest& request) {
    return request.has("x-amz-security-token: t1\r") ? error_reply(400, "ExpiredToken") : ServerReply{200, "hello", {}};
  });
  auto given_settings = settings();
  given_settings.credentials = {};
  auto renewing = client(given_settings, [&](const std::string& name) -> std::optional<std::string> {
    if (name == "AWS_EC2_METADATA_SERVICE_ENDPOINT") return imds.url();
    if (name == "HOME") return folder_.path();
    return std::nullopt;
  });
  EXPECT_EQ(value_of(renewing->send(quick_, about("b/k"))).http.body, "hello");
  EXPECT_EQ(value_of(renewing->send(quick_, about("b/k"))).http.body, "hello");
  EXPECT_EQ(given.load(), 2);
  EXPECT_EQ(server_->seen().size(), 3U);
  EXPECT_TRUE(server_->seen()[2].has("x-amz-security-token: t2\r"));
}

TEST_F(Requests, AnAnswerThatStopsHalfWayAndOneThatNeverComesAreAskedForAgain) {
  std::atomic<int> gets{0};
  std::atomic<int> puts{0};
  serve([&](const SeenRequest& request) {
    const bool first = (request.method == "GET" ? gets : puts)++ == 0;
    ServerReply reply{200, request.method == "GET" ? std::string(300'000, 'x') : std::string(), {"ETag: \"e\""}};
    if (first) reply.hang = 30s;
    // Where no byte of a body has passed yet: behind one it takes libcurl six seconds more to notice.
    if (first && request.method == "GET") reply.hang_at = 40;
    return reply;
  });
  auto given = settings();
  given.path_style = true;
  given.stall_timeout = 1s;
  auto waiting = client(given);
  std::vector<uint8_t> into(300'000);
  auto get = about("b/k");
  get.into = into;
  auto getting = value_of(waiting->start(quick_, get));
  auto putting = value_of(waiting->start(quick_, about("b/k", "PUT")));
  EXPECT_TRUE(value_of(waiting->finish(quick_, std::move(putting))).ok());
  EXPECT_EQ(value_of(waiting->finish(quick_, std::move(getting))).http.bytes_into, 300'000);
  EXPECT_EQ(std::count(into.begin(), into.end(), 'x'), 300'000);
  EXPECT_EQ(gets.load(), 2);
  EXPECT_EQ(puts.load(), 2);
}

}  // namespace
}  // namespace sluice::s3
