// The HTTP client. Many requests at a time over kept connections, all driven by one thread of its own (libcurl's multi
// interface), so that a part can be uploaded or a range fetched beside the lane that needs it.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "net/http.h"

namespace sluice::net {

struct HttpOptions {
  std::string ca_file;  // certificates to trust instead of the system's; empty: the system's
  Millis connect_timeout{10'000};
  Millis stall_timeout{30'000};         // no byte either way for this long ends a request
  int requests_max = 64;                // in flight; more wait for their turn
  int64_t answer_bytes_max = 64 << 20;  // of a body that is not received into a span
};

// Proxies come from HTTPS_PROXY, HTTP_PROXY and NO_PROXY (and their lower-case spellings). Redirects are not followed.
//
// Errors: no connection, a reset, a time-out are Fault::transient (whether the server acted is not known then: look, or
// make the request repeatable); an untrusted certificate, an unusable URL or CA file are Fault::user.
class HttpClient {
 public:
  class Impl;

  // One request under way. Destroying it cancels the request and waits until its bytes are no longer touched.
  class Call {
   public:
    Call() = default;
    Call(Call&&) noexcept;
    Call& operator=(Call&&) noexcept;
    ~Call();
    [[nodiscard]] bool valid() const { return transfer_ != nullptr; }
    [[nodiscard]] bool done() const;
    // Waits for the answer, once. A stop request cancels (Fault::cancelled).
    Result<HttpAnswer> wait(const std::stop_token& stop);

   private:
    friend class HttpClient;
    struct Transfer;
    friend class Impl;
    Call(std::shared_ptr<Impl> impl, std::shared_ptr<Transfer> transfer);
    std::shared_ptr<Impl> impl_;
    std::shared_ptr<Transfer> transfer_;
  };

  // Starts the thread. Fault::refused when libcurl is not there.
  static Result<std::unique_ptr<HttpClient>> create(HttpOptions options);
  // Cancels what is under way and joins the thread. Calls may outlive the client: they are cancelled then.
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  Call start(HttpRequest request);
  Result<HttpAnswer> send(HttpRequest request, const std::stop_token& stop);

 private:
  explicit HttpClient(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace sluice::net
