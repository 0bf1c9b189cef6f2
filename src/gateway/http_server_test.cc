#include "gateway/http_server.h"

#include <atomic>
#include <thread>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port/registry.h"

namespace sluice {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Client {
 public:
  explicit Client(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    timeval patience{5, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }
  bool send(std::string_view text) {
    return ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
  // Until the server closes, or nothing comes for five seconds.
  std::string receive_all() {
    std::string out;
    char buffer[4096];
    for (ssize_t got; (got = ::recv(fd_, buffer, sizeof buffer, 0)) > 0;) out.append(buffer, static_cast<size_t>(got));
    return out;
  }
  // Until `mark` has come.
  std::string receive_until(std::string_view mark) {
    std::string out;
    char byte;
    while (out.find(mark) == std::string::npos && ::recv(fd_, &byte, 1, 0) == 1) out += byte;
    return out;
  }
  std::string ask(std::string_view text) { return send(text) ? receive_all() : "cannot send"; }

 private:
  int fd_;
  bool connected_ = false;
};

class HttpServerTest : public ::testing::Test {
 protected:
  std::vector<HttpRoute> routes() {
    auto hello = [](const HttpRequest&) { return HttpResponse{.body = "{\"hello\": true}"}; };
    auto echo = [](const HttpRequest& request) {
      return HttpResponse{.content_type = "text/plain", .body = request.body + "|" + request.query};
    };
    auto name = [](const HttpRequest& request) { return HttpResponse{.body = request.parameters.at("name")}; };
    auto broken = [](const HttpRequest&) -> HttpResponse { throw std::runtime_error("oops"); };
    auto slow = [this](const HttpRequest&) {
      ++slow_began_;
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      return HttpResponse{.body = "slow"};
    };
    return {{.method = "GET", .path = "/hello", .handle = hello},
            {.method = "POST", .path = "/echo", .handle = echo},
            {.method = "GET", .path = "/table/{name}/count", .handle = name},
            {.method = "GET", .path = "/broken", .handle = broken},
            {.method = "GET", .path = "/slow", .handle = slow},
            {.method = "GET", .path = "/api/secret", .access = HttpAccess::admin, .handle = hello}};
  }

  void start(HttpOptions options = {}) {
    options.port = 0;
    auto server = HttpServer::start(context_, std::move(options), routes());
    ASSERT_TRUE(server.ok()) << server.error().message();
    server_ = std::move(server).value();
  }
  std::string get(const std::string& path, const std::string& header = "") {
    return Client(server_->port())
        .ask("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + header + "\r\n");
  }

  std::stop_source stop_;
  Metrics metrics_;
  Budget memory_{64 << 20};
  Registry registry_;
  Context context_{stop_.get_token(), system_clock(), Log(), metrics_, memory_, registry_, ""};
  std::atomic<int> slow_began_{0};
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AHandlerAnswers) {
  start();
  auto answer = get("/hello");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n{\"hello\": true}"));
}

TEST_F(HttpServerTest, AConnectionIsKeptForFurtherRequestsAlsoPipelinedOnes) {
  start();
  Client client(server_->port());
  const std::string request = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.send(request));
    EXPECT_THAT(client.receive_until("true}"), StartsWith("HTTP/1.1 200"));
  }
  ASSERT_TRUE(client.send(request + request));
  EXPECT_THAT(client.receive_until("true}"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(client.receive_until("true}"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(client.ask("GET /hello HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.0 200"));
}

TEST_F(HttpServerTest, AHeadRequestGetsTheHeaderOnly) {
  start();
  auto answer = Client(server_->port()).ask("HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 15\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(HttpServerTest, BodiesArriveWholeWithALengthInChunksAndAfter100Continue) {
  start();
  EXPECT_THAT(Client(server_->port())
                  .ask("POST /echo?a=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhallo"),
              EndsWith("\r\n\r\nhallo|a=b"));
  EXPECT_THAT(Client(server_->port())
                  .ask("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
              EndsWith("\r\n\r\nabcde|"));
  Client client(server_->port());
  ASSERT_TRUE(client.send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
  EXPECT_THAT(client.receive_until("\r\n\r\n"), StartsWith("HTTP/1.1 100 Continue"));
  EXPECT_THAT(client.ask("ok"), EndsWith("\r\n\r\nok|"));
}

TEST_F(HttpServerTest, ASegmentOfThePathIsAParameter) {
  start();
  EXPECT_THAT(get("/table/or%20ders/count"), EndsWith("\r\n\r\nor ders"));
  EXPECT_THAT(get("/table//count"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(get("/table/a/b/count"), StartsWith("HTTP/1.1 404"));
}

TEST_F(HttpServerTest, WhatIsNotThereIs404AndTheWrongMethod405) {
  start();
  auto missing = get("/nothing");
  EXPECT_THAT(missing, StartsWith("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_THAT(missing, EndsWith("\r\n\r\n{\"error\":\"there is no /nothing\"}\n"));
  auto wrong = Client(server_->port()).ask("DELETE /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(wrong, StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(wrong, HasSubstr("Allow: GET\r\n"));
  EXPECT_THAT(wrong, EndsWith("{\"error\":\"/hello does not take DELETE; it takes GET\"}\n"));
}

TEST_F(HttpServerTest, MalformedRequestsAre400) {
  start();
  for (std::string_view text :
       {"this is not http\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET  /hello HTTP/1.1\r\nno colon\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"}) {
    auto answer = Client(server_->port()).ask(text);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 400")) << text;
    EXPECT_THAT(answer, HasSubstr("{\"error\":")) << text;
  }
  EXPECT_THAT(get("/hello"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, TooLargeABodyIs413AndTooLargeAHeader431) {
  HttpOptions options;
  options.body_bytes_max = 1000;
  start(options);
  auto told = Client(server_->port())
                  .ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" + std::string(1001, 'x'));
  EXPECT_THAT(told, StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(told, EndsWith("{\"error\":\"the request's body is larger than 1000 bytes\"}\n"));
  std::string chunks = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20; ++i) chunks += "64\r\n" + std::string(100, 'x') + "\r\n";
  EXPECT_THAT(Client(server_->port()).ask(chunks + "0\r\n\r\n"), StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(get("/hello", "X-Long: " + std::string(20'000, 'y') + "\r\n"), StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(Client(server_->port())
                  .ask("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n" +
                       std::string(1000, 'x')),
              StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, ABodyForWhichThereIsNoMemoryIs503) {
  start();
  auto all = memory_.try_reserve(memory_.limit());
  ASSERT_TRUE(all.has_value());
  EXPECT_THAT(Client(server_->port()).ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhallo"),
              StartsWith("HTTP/1.1 503"));
  all.reset();
  EXPECT_THAT(Client(server_->port())
                  .ask("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhallo"),
              StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(memory_.used(), 0);
}

TEST_F(HttpServerTest, ASlowClientIs408AndDisturbsNobody) {
  HttpOptions options;
  options.request_timeout = Millis(300);
  start(options);
  Client header(server_->port());
  Client body(server_->port());
  ASSERT_TRUE(header.send("GET /hello HT"));
  ASSERT_TRUE(body.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nha"));
  EXPECT_THAT(get("/hello"), StartsWith("HTTP/1.1 200"));
  auto answer = header.receive_all();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 408"));
  EXPECT_THAT(answer, EndsWith("{\"error\":\"the request did not arrive within 300 ms\"}\n"));
  EXPECT_THAT(body.receive_all(), StartsWith("HTTP/1.1 408"));
}

TEST_F(HttpServerTest, AConnectionThatSaysNothingIsClosedWithoutAWord) {
  HttpOptions options;
  options.request_timeout = Millis(200);
  start(options);
  EXPECT_EQ(Client(server_->port()).receive_all(), "");
}

TEST_F(HttpServerTest, OneConnectionTooManyIs503AndPlacesBecomeFreeAgain) {
  HttpOptions options;
  options.connections_max = 20;
  start(options);
  {
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 20; ++i) {
      clients.push_back(std::make_unique<Client>(server_->port()));
      ASSERT_TRUE(clients.back()->send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
      EXPECT_THAT(clients.back()->receive_until("true}"), StartsWith("HTTP/1.1 200"));
    }
    EXPECT_THAT(get("/hello"), StartsWith("HTTP/1.1 503"));
  }
  std::string answer;
  for (int i = 0; i < 50 && !answer.starts_with("HTTP/1.1 200"); ++i) {
    answer = get("/hello");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, ManyConnectionsAreServedAtOnce) {
  start();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 300; ++i) clients.push_back(std::make_unique<Client>(server_->port()));
  for (auto& client : clients) ASSERT_TRUE(client->send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
  int answered = 0;
  for (auto& client : clients) answered += client->receive_until("true}").starts_with("HTTP/1.1 200") ? 1 : 0;
  EXPECT_EQ(answered, 300);
}

TEST_F(HttpServerTest, TheAdminTokenOpensWhatIsProtected) {
  HttpOptions options;
  options.admin_token = Secret("s3cret");
  start(options);
  EXPECT_THAT(get("/api/secret"), StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(get("/api/secret", "Authorization: Bearer s3cre\r\n"), StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(get("/api/secret", "Authorization: Basic s3cret\r\n"), StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(get("/api/secret", "authorization: bearer s3cret\r\n"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(get("/hello"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, AHandlersExceptionIs500AndStaysInside) {
  start();
  EXPECT_THAT(get("/broken"), StartsWith("HTTP/1.1 500"));
  EXPECT_THAT(get("/hello"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, StoppingFinishesARequestInHandAndTakesLessThanASecond) {
  start();
  const uint16_t port = server_->port();
  Client idle(port);
  Client half(port);
  ASSERT_TRUE(half.send("GET /hel"));
  std::string answer;
  std::jthread asking([&] { answer = Client(port).ask("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"); });
  while (slow_began_ == 0) std::this_thread::yield();
  const auto began = std::chrono::steady_clock::now();
  stop_.request_stop();
  server_->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(1));
  asking.join();
  EXPECT_THAT(answer, EndsWith("slow"));
  EXPECT_EQ(idle.receive_all(), "");
  EXPECT_FALSE(Client(port).connected());
}

TEST_F(HttpServerTest, WhereItCannotListenIsSaid) {
  start();
  HttpOptions taken;
  taken.port = server_->port();
  auto second = HttpServer::start(context_, taken, {});
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.error().what, EndsWith("another program uses that port; choose another"));
  HttpOptions open;
  open.listen = "0.0.0.0";
  open.port = 0;
  auto refused = HttpServer::start(context_, open, {});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().what,
            "listening on 0.0.0.0 lets others in and needs an admin_token; set one, or listen on 127.0.0.1");
  open.admin_token = Secret("x");
  EXPECT_TRUE(HttpServer::start(context_, open, {}).ok());
  open.listen = "example";
  EXPECT_EQ(HttpServer::start(context_, open, {}).error().what, "cannot listen on 'example': it is not an IP address");
  open.listen = "127.0.0.1";
  open.tls_certificate = "/nowhere/cert.pem";
  EXPECT_EQ(HttpServer::start(context_, open, {}).error().what,
            "TLS needs both a certificate (tls.cert) and its key (tls.key)");
  open.tls_key = "/nowhere/key.pem";
  EXPECT_THAT(HttpServer::start(context_, open, {}).error().what,
              StartsWith("cannot use the TLS certificate '/nowhere/cert.pem': "));
}

TEST(Loopback, IsAllOf127AndTheIPv6One) {
  for (const char* address : {"127.0.0.1", "127.9.9.9", "::1", "localhost"})
    EXPECT_TRUE(is_loopback(address)) << address;
  for (const char* address : {"0.0.0.0", "::", "10.0.0.1", "128.0.0.1"}) EXPECT_FALSE(is_loopback(address)) << address;
}

}  // namespace
}  // namespace sluice
