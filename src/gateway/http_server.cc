// The only file that includes Boost: Beast costs more to compile than all the rest of this folder.
#include "gateway/http_server.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include <arpa/inet.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "gateway/router.h"

namespace sluice {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr Millis kLinger{1000};
constexpr auto kPollForEnd = std::chrono::milliseconds(10);

// Cancels what a socket is doing when a step takes too long, leaving the socket usable for an answer that says so.
class Watchdog {
 public:
  explicit Watchdog(tcp::socket& socket) : socket_(socket), timer_(socket.get_executor()) {}

  ~Watchdog() { ++*round_; }
  void arm(Millis time) {
    expired_ = false;
    timer_.expires_after(time);
    // A timer that has gone off cannot be cancelled any more: its round tells whether it still counts, and whether
    // `this` is still there.
    timer_.async_wait([this, current = round_, round = ++*round_](const error_code& error) {
      if (error || round != *current) return;
      expired_ = true;
      error_code ignored;
      socket_.cancel(ignored);
    });
  }
  void disarm() {
    ++*round_;
    timer_.cancel();
  }
  [[nodiscard]] bool expired() const { return expired_; }

 private:
  tcp::socket& socket_;
  asio::steady_timer timer_;
  std::shared_ptr<uint64_t> round_ = std::make_shared<uint64_t>(0);
  bool expired_ = false;
};

class Server final : public HttpServer {
 public:
  Server(const Context& context, HttpOptions options, std::vector<HttpRoute> routes)
      : context_(context),
        options_(std::move(options)),
        router_(std::move(routes), options_.admin_token),
        connections_(context.metrics.gauge("sluice_http_connections", "Open HTTP connections.")) {}
  ~Server() override { stop(); }

  Result<void> open();
  [[nodiscard]] uint16_t port() const override { return port_; }
  [[nodiscard]] bool tls() const override { return tls_.has_value(); }
  void stop() override;

 private:
  // A connection as stop() sees it: cancelled when it waits for a request, left alone while one is in hand.
  struct Connection {
    tcp::socket socket;
    Watchdog watchdog;
    bool busy = false;
    explicit Connection(tcp::socket accepted) : socket(std::move(accepted)), watchdog(socket) {}
  };
  using Parser = http::request_parser<http::string_body>;

  Result<void> load_certificate();
  void begin_stop();
  Result<void> bind();
  asio::awaitable<void> accept();
  asio::awaitable<void> serve(std::shared_ptr<Connection> connection);
  template <typename Stream>
  asio::awaitable<void> converse(Connection& connection, Stream& stream);
  template <typename Stream>
  asio::awaitable<bool> exchange(Connection& connection, Stream& stream, boost::beast::flat_buffer& buffer);
  template <typename Stream>
  asio::awaitable<bool> answer(Connection& connection, Stream& stream, HttpResponse response, unsigned version,
                               bool keep_alive, bool head);
  template <typename Stream>
  asio::awaitable<void> linger(Connection& connection, Stream& stream);
  HttpResponse handle(const HttpRoute& route, const HttpRequest& request) const;
  void count_answer(int status);

  Context context_;
  const HttpOptions options_;
  const Router router_;
  Metric& connections_;
  uint16_t port_ = 0;
  std::optional<asio::ssl::context> tls_;
  bool stopping_ = false;       // I/O thread only
  std::set<Connection*> open_;  // I/O thread only
  std::atomic<int> open_count_{0};
  std::atomic<bool> stopped_{false};
  // Destroyed before everything above: what still waits inside refers to it.
  asio::io_context io_{1};
  asio::io_context work_;
  std::optional<tcp::acceptor> acceptor_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> io_guard_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_guard_;
  std::mutex stop_mutex_;
  std::vector<std::jthread> workers_;
  std::jthread io_thread_;
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
};

Result<void> Server::load_certificate() {
  if (options_.tls_certificate.empty() && options_.tls_key.empty()) return {};
  if (options_.tls_certificate.empty() || options_.tls_key.empty()) {
    return user_error("TLS needs both a certificate (tls.cert) and its key (tls.key)");
  }
  auto& tls = tls_.emplace(asio::ssl::context::tls_server);
  tls.set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1 |
                  asio::ssl::context::default_workarounds);
  error_code error;
  tls.use_certificate_chain_file(options_.tls_certificate, error);
  if (error) return user_error("cannot use the TLS certificate '{}': {}", options_.tls_certificate, error.message());
  tls.use_private_key_file(options_.tls_key, asio::ssl::context::pem, error);
  if (error) return user_error("cannot use the TLS key '{}': {}", options_.tls_key, error.message());
  if (SSL_CTX_check_private_key(tls.native_handle()) != 1) {
    return user_error("the TLS key '{}' does not belong to the certificate '{}'", options_.tls_key,
                      options_.tls_certificate);
  }
  return {};
}

Result<void> Server::bind() {
  error_code error;
  auto address = asio::ip::make_address(options_.listen == "localhost" ? "127.0.0.1" : options_.listen, error);
  if (error) return user_error("cannot listen on '{}': it is not an IP address", options_.listen);
  tcp::endpoint endpoint(address, options_.port);
  auto& acceptor = acceptor_.emplace(io_);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(1024, error);
  if (error == asio::error::address_in_use) {
    return refused("cannot listen on {}:{}: another program uses that port; choose another", options_.listen,
                   options_.port);
  }
  if (error) return refused("cannot listen on {}:{}: {}", options_.listen, options_.port, error.message());
  port_ = acceptor.local_endpoint().port();
  return {};
}

Result<void> Server::open() {
  if (!is_loopback(options_.listen) && options_.admin_token.empty()) {
    return user_error("listening on {} lets others in and needs an admin_token; set one, or listen on 127.0.0.1",
                      options_.listen);
  }
  TRY(load_certificate());
  TRY(bind());
  io_guard_.emplace(io_.get_executor());
  work_guard_.emplace(work_.get_executor());
  asio::co_spawn(io_, accept(), asio::detached);
  for (int i = 0; i < options_.workers; ++i) workers_.emplace_back([this] { work_.run(); });
  io_thread_ = std::jthread([this] { io_.run(); });
  // Only begins to stop: a callback runs on whichever thread asked, and that thread must not wait here.
  on_stop_.emplace(context_.stop, [this] { begin_stop(); });
  return {};
}

void Server::begin_stop() {
  asio::post(io_, [this] {
    stopping_ = true;
    error_code ignored;
    acceptor_->close(ignored);
    for (Connection* connection : open_) {
      if (!connection->busy) connection->socket.cancel(ignored);
    }
  });
}

void Server::stop() {
  std::lock_guard lock(stop_mutex_);
  if (stopped_.exchange(true) || !io_thread_.joinable()) return;
  on_stop_.reset();
  begin_stop();
  for (Millis waited{0}; open_count_ > 0 && waited < options_.stop_grace; waited += kPollForEnd) {
    std::this_thread::sleep_for(kPollForEnd);
  }
  work_guard_.reset();
  work_.stop();
  workers_.clear();
  io_.stop();
  io_thread_.join();
}

asio::awaitable<void> Server::accept() {
  while (!stopping_) {
    error_code error;
    tcp::socket socket = co_await acceptor_->async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::no_descriptors || error == asio::error::no_memory ||
        error == boost::system::errc::too_many_files_open_in_system) {
      // The connection stays in the queue; without a pause this would spin until a descriptor is free.
      asio::steady_timer pause(io_, std::chrono::milliseconds(50));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    if (error) continue;  // the client went away between connecting and here, or we are stopping
    auto connection = std::make_shared<Connection>(std::move(socket));
    asio::co_spawn(io_, serve(std::move(connection)), asio::detached);
  }
}

asio::awaitable<void> Server::serve(std::shared_ptr<Connection> connection) {
  struct Listed {
    Server& server;
    Connection& connection;
    Listed(Server& s, Connection& c) : server(s), connection(c) {
      server.open_.insert(&connection);
      server.connections_.set(++server.open_count_);
    }
    ~Listed() {
      connection.watchdog.disarm();
      server.open_.erase(&connection);
      server.connections_.set(--server.open_count_);
    }
  } listed(*this, *connection);
  error_code error;
  connection->socket.set_option(tcp::no_delay(true), error);
  if (tls_.has_value()) {
    asio::ssl::stream<tcp::socket&> stream(connection->socket, *tls_);
    connection->watchdog.arm(options_.request_timeout);
    co_await stream.async_handshake(asio::ssl::stream_base::server, asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    co_await converse(*connection, stream);
    connection->watchdog.arm(kLinger);
    co_await stream.async_shutdown(asio::redirect_error(asio::use_awaitable, error));
  } else {
    co_await converse(*connection, connection->socket);
  }
}

template <typename Stream>
asio::awaitable<void> Server::converse(Connection& connection, Stream& stream) {
  boost::beast::flat_buffer buffer(static_cast<size_t>(options_.header_bytes_max) + (64 << 10));
  if (open_count_ > options_.connections_max) {
    (void)co_await answer(connection, stream, http_error(503, "too many connections; try again later"), 11, false,
                          false);
    co_await linger(connection, stream);
    co_return;
  }
  while (!stopping_ && co_await exchange(connection, stream, buffer)) {
  }
}

// What a parser's or socket's error means to the client; nothing when nobody is there to be told.
std::optional<HttpResponse> refusal_of(const error_code& error, bool timed_out, const HttpOptions& options) {
  if (timed_out) {
    return http_error(408, fmt::format("the request did not arrive within {} ms", options.request_timeout.count()));
  }
  if (error == http::error::header_limit) {
    return http_error(431, fmt::format("the request's header is larger than {} bytes", options.header_bytes_max));
  }
  if (error == http::error::body_limit) {
    return http_error(413, fmt::format("the request's body is larger than {} bytes", options.body_bytes_max));
  }
  if (error == http::error::end_of_stream || error == http::error::partial_message) return std::nullopt;
  if (error.category() == make_error_code(http::error::bad_method).category()) {
    return http_error(400, fmt::format("this is not HTTP: {}", error.message()));
  }
  return std::nullopt;
}

HttpRequest to_request(http::request<http::string_body>&& message, std::string path,
                       std::map<std::string, std::string, std::less<>> parameters) {
  HttpRequest request;
  request.method = message.method() == http::verb::head ? "GET" : std::string(message.method_string());
  std::string_view target = message.target();
  if (auto mark = target.find('?'); mark != std::string_view::npos) request.query = target.substr(mark + 1);
  request.path = std::move(path);
  request.parameters = std::move(parameters);
  for (const auto& field : message) {
    std::string name(field.name_string());
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    auto [entry, added] = request.headers.try_emplace(std::move(name), field.value());
    if (!added) entry->second.append(", ").append(field.value());
  }
  request.body = std::move(message.body());
  return request;
}

// One request and its answer. False: the connection is to be closed.
template <typename Stream>
asio::awaitable<bool> Server::exchange(Connection& connection, Stream& stream, boost::beast::flat_buffer& buffer) {
  Parser parser;
  parser.header_limit(static_cast<uint32_t>(options_.header_bytes_max));
  parser.body_limit(static_cast<uint64_t>(options_.body_bytes_max));
  error_code error;
  connection.watchdog.arm(options_.request_timeout);
  co_await http::async_read_header(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
  const bool nothing_came = error && !parser.got_some() && buffer.size() == 0;
  if (nothing_came || (error && stopping_)) co_return false;
  connection.busy = true;
  struct Idle {
    bool& busy;
    ~Idle() { busy = false; }
  } idle_after{connection.busy};
  const bool head = !error && parser.get().method() == http::verb::head;
  const unsigned version = error ? 11 : parser.get().version();
  Router::Choice planned;
  std::optional<Budget::Reservation> held;
  if (!error) {
    const auto& header = parser.get();
    planned = router_.choose(head ? "GET" : std::string_view(header.method_string()), header.target(),
                             header[http::field::authorization]);
    // The body of a chunked request may become as large as the limit; it is not known before.
    const auto length = parser.content_length();
    const int64_t body_bytes = length ? static_cast<int64_t>(std::min<uint64_t>(*length, INT64_MAX))
                                      : (parser.chunked() ? options_.body_bytes_max : 0);
    if (!planned.refusal && body_bytes > options_.body_bytes_max) error = http::error::body_limit;
    if (!planned.refusal && !error && body_bytes > 0) {
      held = context_.memory.try_reserve(body_bytes);
      if (!held) planned.refusal = http_error(503, "the server's memory is in use; try again later");
    }
  }
  if (!error && !planned.refusal) {
    if (boost::beast::iequals(parser.get()[http::field::expect], "100-continue")) {
      http::response<http::empty_body> go_on(http::status::continue_, version);
      co_await http::async_write(stream, go_on, asio::redirect_error(asio::use_awaitable, error));
    }
    if (!error && !parser.is_done()) {
      co_await http::async_read(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
    }
  }
  if (error) planned.refusal = refusal_of(error, connection.watchdog.expired(), options_);
  connection.watchdog.disarm();
  if (error && !planned.refusal) co_return false;
  if (planned.refusal) {
    // What is left of the request is not read: the next one cannot be found behind it.
    const bool reusable = !error && parser.is_done();
    const bool kept = co_await answer(connection, stream, std::move(*planned.refusal), version,
                                      reusable && parser.keep_alive() && !stopping_, head);
    if (!reusable) co_await linger(connection, stream);
    co_return kept&& reusable;
  }
  const bool keep_alive = parser.keep_alive();
  HttpRequest request = to_request(parser.release(), std::move(planned.path), std::move(planned.parameters));
  HttpResponse response;
  auto run = [this, &planned, &request, &response]() -> asio::awaitable<void> {
    response = handle(*planned.route, request);
    co_return;
  };
  co_await asio::co_spawn(work_, run(), asio::use_awaitable);
  co_return co_await answer(connection, stream, std::move(response), version, keep_alive && !stopping_, head);
}

template <typename Stream>
asio::awaitable<bool> Server::answer(Connection& connection, Stream& stream, HttpResponse response, unsigned version,
                                     bool keep_alive, bool head) {
  count_answer(response.status);
  http::response<http::string_body> message(static_cast<http::status>(response.status), version);
  message.set(http::field::server, "sluice");
  message.set(http::field::content_type, response.content_type);
  message.set("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : response.headers) message.set(name, value);
  message.keep_alive(keep_alive);
  message.content_length(response.body.size());
  if (!head) message.body() = std::move(response.body);
  error_code error;
  connection.watchdog.arm(options_.request_timeout);
  co_await http::async_write(stream, message, asio::redirect_error(asio::use_awaitable, error));
  connection.watchdog.disarm();
  co_return !error && keep_alive;
}

// Closing a socket that holds unread bytes resets it, and the reset may overtake our answer (RFC 9112, 9.6): so the
// sending half is closed first, and what the client still sends is thrown away for a moment.
template <typename Stream>
asio::awaitable<void> Server::linger(Connection& connection, Stream&) {
  error_code error;
  connection.socket.shutdown(tcp::socket::shutdown_send, error);
  std::vector<char> bin(64 << 10);
  connection.watchdog.arm(kLinger);
  while (!error && !stopping_) {
    co_await connection.socket.async_read_some(asio::buffer(bin), asio::redirect_error(asio::use_awaitable, error));
  }
  connection.watchdog.disarm();
}

HttpResponse Server::handle(const HttpRoute& route, const HttpRequest& request) const {
  try {
    return route.handle(request);
  } catch (const std::exception& exception) {
    context_.log.error("an HTTP handler failed", {{"path", request.path}, {"error", exception.what()}});
    return http_error(500, "the server has a bug here; its log says more");
  }
}

void Server::count_answer(int status) {
  context_.metrics
      .counter("sluice_http_requests_total", "Answered HTTP requests by status.", {{"status", std::to_string(status)}})
      .add();
}

}  // namespace

bool is_loopback(const std::string& address) {
  if (address == "localhost") return true;
  in_addr four{};
  if (::inet_pton(AF_INET, address.c_str(), &four) == 1) return (ntohl(four.s_addr) >> 24) == 127;
  in6_addr six{};
  return ::inet_pton(AF_INET6, address.c_str(), &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(const Context& context, HttpOptions options,
                                                      std::vector<HttpRoute> routes) {
  auto server = std::make_unique<Server>(context, std::move(options), std::move(routes));
  TRY(server->open());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace sluice
