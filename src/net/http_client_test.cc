#include "net/http_client.h"

#include <gtest/gtest.h>

#include <future>

#include "net/test_expect.h"
#include "net/test_server.h"

namespace sluice::net {
namespace {

using namespace std::chrono_literals;

HttpOptions quick() {
  HttpOptions options;
  options.connect_timeout = Millis(2000);
  options.stall_timeout = Millis(1000);
  return options;
}

class HttpClientTest : public testing::Test {
 protected:
  HttpAnswer get(const std::string& url) {
    HttpRequest request;
    request.url = url;
    return value_of(client_->send(request, stop_.get_token()));
  }
  std::stop_source stop_;
  std::unique_ptr<HttpClient> client_ = value_of(HttpClient::create(quick()));
};

TEST_F(HttpClientTest, AnAnswerComesWithStatusHeadersAndBody) {
  TestServer server([](const SeenRequest&) { return ServerReply{404, "gone", {"X-Thing:  a b "}}; });
  auto answer = get(server.url("/a/../b?x=%20"));
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.body, "gone");
  EXPECT_EQ(answer.header("x-thing"), "a b");
  EXPECT_EQ(server.seen()[0].target, "/a/../b?x=%20");
}

TEST_F(HttpClientTest, ConnectionsAreKept) {
  TestServer server([](const SeenRequest&) { return ServerReply{200, "x", {}}; });
  for (int i = 0; i < 5; ++i) get(server.url());
  for (const auto& request : server.seen()) EXPECT_EQ(request.connection, 1);
}

TEST_F(HttpClientTest, BodiesAreSentAndReceivedInPlace) {
  TestServer server([](const SeenRequest& request) { return ServerReply{200, request.body, {}}; });
  std::string body(3'000'000, 'x');
  std::vector<uint8_t> into(body.size());
  HttpRequest request;
  request.method = "PUT";
  request.url = server.url();
  request.body = body;
  request.into = into;
  auto answer = value_of(client_->send(request, stop_.get_token()));
  EXPECT_EQ(answer.bytes_into, static_cast<int64_t>(body.size()));
  EXPECT_TRUE(std::string_view(reinterpret_cast<char*>(into.data()), into.size()) == body);
  EXPECT_FALSE(server.seen()[0].has("expect"));
  EXPECT_FALSE(server.seen()[0].has("content-type"));
}

TEST_F(HttpClientTest, AnAnswerLargerThanItsPlaceIsNotTaken) {
  TestServer server([](const SeenRequest&) { return ServerReply{200, "12345", {}}; });
  std::vector<uint8_t> into(4);
  HttpRequest request;
  request.url = server.url();
  request.into = into;
  expect_error(client_->send(request, stop_.get_token()), Fault::transient, "more bytes");
}

TEST_F(HttpClientTest, ManyRequestsRunAtATime) {
  TestServer server([](const SeenRequest&) { return ServerReply{200, "x", {}, std::string::npos, 100ms}; });
  auto begin = std::chrono::steady_clock::now();
  std::vector<HttpClient::Call> calls;
  for (int i = 0; i < 30; ++i) {
    HttpRequest request;
    request.url = server.url();
    calls.push_back(client_->start(request));
  }
  for (auto& call : calls) EXPECT_EQ(value_of(call.wait(stop_.get_token())).body, "x");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1500ms);
}

TEST_F(HttpClientTest, StoppingEndsARequestWithinASecond) {
  TestServer server([](const SeenRequest&) { return ServerReply{200, "x", {}, std::string::npos, 20s}; });
  auto waiting = std::async(std::launch::async, [&] {
    HttpRequest request;
    request.url = server.url();
    return client_->send(request, stop_.get_token());
  });
  std::this_thread::sleep_for(50ms);
  auto begin = std::chrono::steady_clock::now();
  stop_.request_stop();
  expect_error(waiting.get(), Fault::cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 900ms);
}

TEST_F(HttpClientTest, ARequestThatNobodyWaitsForAnyMoreIsCancelled) {
  TestServer server([](const SeenRequest&) { return ServerReply{200, "x", {}, std::string::npos, 20s}; });
  auto begin = std::chrono::steady_clock::now();
  {
    HttpRequest request;
    request.url = server.url();
    auto call = client_->start(request);
  }
  client_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 900ms);
}

TEST_F(HttpClientTest, ACallMayOutliveItsClient) {
  TestServer server([](const SeenRequest&) { return ServerReply{200, "x", {}, std::string::npos, 20s}; });
  HttpRequest request;
  request.url = server.url();
  auto call = client_->start(request);
  client_.reset();
  expect_error(call.wait(stop_.get_token()), Fault::cancelled);
}

TEST_F(HttpClientTest, AServerThatHangsIsGivenUp) {
  TestServer server([](const SeenRequest&) { return ServerReply{200, "x", {}, std::string::npos, 20s}; });
  HttpRequest request;
  request.url = server.url();
  expect_error(client_->send(request, stop_.get_token()), Fault::transient, "does not answer");
}

TEST_F(HttpClientTest, BrokenConnectionsAreTransient) {
  TestServer server([](const SeenRequest&) { return ServerReply{200, "0123456789", {}, 48}; });
  HttpRequest request;
  request.url = server.url();
  expect_error(client_->send(request, stop_.get_token()), Fault::transient, "connection to http://127.0.0.1");
}

TEST_F(HttpClientTest, NobodyListeningIsTransient) {
  std::string url;
  {
    TestServer server([](const SeenRequest&) { return ServerReply{}; });
    url = server.url();
  }
  HttpRequest request;
  request.url = url;
  expect_error(client_->send(request, stop_.get_token()), Fault::transient, "cannot connect");
}

TEST_F(HttpClientTest, ProxiesOfTheEnvironmentAreUsedUnlessBypassed) {
  TestServer proxy([](const SeenRequest& request) { return ServerReply{200, "via proxy: " + request.target, {}}; });
  TestServer server([](const SeenRequest&) { return ServerReply{200, "direct", {}}; });
  ::setenv("HTTP_PROXY", proxy.url().c_str(), 1);
  EXPECT_EQ(get("http://example.invalid/x").body, "via proxy: http://example.invalid/x");
  HttpRequest request;
  request.url = server.url();
  request.bypass_proxy = true;
  EXPECT_EQ(value_of(client_->send(request, stop_.get_token())).body, "direct");
  ::setenv("NO_PROXY", "127.0.0.1", 1);
  EXPECT_EQ(get(server.url()).body, "direct");
  ::unsetenv("HTTP_PROXY");
  ::unsetenv("NO_PROXY");
}

}  // namespace
}  // namespace sluice::net
