// An HTTP server inside a test, which answers as the test says: also not at all, or with half of an answer.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace sluice::net {

struct SeenRequest {
  std::string method;
  std::string target;  // "/path?query"
  std::string head;    // all header lines, names in lower case
  std::string body;
  int connection = 0;  // counts from 1
  [[nodiscard]] bool has(const std::string& header_line) const { return head.find(header_line) != std::string::npos; }
};

struct ServerReply {
  int status = 200;
  std::string body;
  std::vector<std::string> headers;      // "etag: \"1\""
  size_t cut_after = std::string::npos;  // of the whole answer's bytes; then the connection is closed
  std::chrono::milliseconds hang{0};     // before anything is sent; ends early when the server does
  size_t hang_at = 0;                    // not before anything, but behind so many of the answer's bytes
};

class TestServer {
 public:
  using Answer = std::function<ServerReply(const SeenRequest&)>;

  explicit TestServer(Answer answer) : answer_(std::move(answer)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(listener_, 128);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;
  ~TestServer() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      for (int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    stopped_.notify_all();
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (auto& thread : threads_) thread.join();
    ::close(listener_);
  }

  [[nodiscard]] std::string url(const std::string& path = "") const {
    return fmt::format("http://127.0.0.1:{}{}", port_, path);
  }
  std::vector<SeenRequest> seen() {
    std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  void accept_all() {
    for (int count = 1;; ++count) {
      int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      std::lock_guard lock(mutex_);
      if (stopping_) {
        ::close(fd);
        return;
      }
      open_.push_back(fd);
      threads_.emplace_back([this, fd, count] { serve(fd, count); });
    }
  }

  void serve(int fd, int connection) {
    std::string buffer;
    while (answer_one(fd, connection, &buffer)) {
    }
    std::lock_guard lock(mutex_);
    std::erase(open_, fd);
    ::close(fd);
  }

  bool answer_one(int fd, int connection, std::string* buffer) {
    size_t head_end = 0;
    while ((head_end = buffer->find("\r\n\r\n")) == std::string::npos) {
      if (!more(fd, buffer)) return false;
    }
    SeenRequest request;
    request.connection = connection;
    std::string head = buffer->substr(0, head_end + 2);
    auto line_end = head.find("\r\n");
    auto first = head.find(' ');
    auto second = head.find(' ', first + 1);
    request.method = head.substr(0, first);
    request.target = head.substr(first + 1, second - first - 1);
    request.head = head.substr(line_end + 2);
    bool name = true;
    for (char& c : request.head) {
      if (c == '\n') name = true;
      if (c == ':') name = false;
      if (name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    auto length_at = request.head.find("content-length: ");
    size_t length =
        length_at == std::string::npos ? 0 : std::strtoul(request.head.c_str() + length_at + 16, nullptr, 10);
    while (buffer->size() < head_end + 4 + length) {
      if (!more(fd, buffer)) return false;
    }
    request.body = buffer->substr(head_end + 4, length);
    buffer->erase(0, head_end + 4 + length);
    {
      std::lock_guard lock(mutex_);
      seen_.push_back(request);
    }
    return send(fd, request, answer_(request));
  }

  bool send(int fd, const SeenRequest& request, const ServerReply& reply) {
    std::string text = fmt::format("HTTP/1.1 {} Reason\r\n", reply.status);
    for (const auto& header : reply.headers) text += header + "\r\n";
    if (request.method != "HEAD") text += fmt::format("Content-Length: {}\r\n", reply.body.size());
    text += "\r\n";
    if (request.method != "HEAD") text += reply.body;
    bool cut = reply.cut_after < text.size();
    text.resize(std::min(text.size(), reply.cut_after));
    const auto before = std::min(reply.hang_at, text.size());
    if (!send_bytes(fd, std::string_view(text).substr(0, before))) return false;
    if (reply.hang.count() > 0) {
      std::unique_lock lock(mutex_);
      if (stopped_.wait_for(lock, reply.hang, [this] { return stopping_; })) return false;
    }
    return send_bytes(fd, std::string_view(text).substr(before)) && !cut;
  }

  static bool send_bytes(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }

  static bool more(int fd, std::string* buffer) {
    char bytes[65536];
    ssize_t n = ::recv(fd, bytes, sizeof bytes, 0);
    if (n <= 0) return false;
    buffer->append(bytes, static_cast<size_t>(n));
    return true;
  }

  const Answer answer_;
  int listener_ = -1;
  int port_ = 0;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::vector<int> open_;
  std::vector<SeenRequest> seen_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace sluice::net
