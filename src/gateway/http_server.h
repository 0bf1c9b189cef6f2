// The HTTP server: bounded connections, bodies and times; every answer that is not a handler's is a JSON error.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/secret.h"
#include "gateway/http.h"
#include "port/context.h"

namespace sluice {

struct HttpOptions {
  std::string listen = "127.0.0.1";  // an address; anything but loopback needs admin_token
  uint16_t port = 8001;              // 0: any free one, see HttpServer::port()
  Secret admin_token;
  std::string tls_certificate;  // PEM files; both or neither
  std::string tls_key;
  int64_t header_bytes_max = 16 << 10;
  int64_t body_bytes_max = 64 << 20;
  Millis request_timeout{30'000};  // from the first byte (of a kept connection: from the last answer) to the last one
  int connections_max = 5000;      // further ones are answered 503
  int workers = 4;                 // threads that run handlers
  Millis stop_grace{800};          // how long requests in hand may go on after stop()
};

// Is this address reachable from this machine only?
bool is_loopback(const std::string& address);

// Owns its threads: one does all input and output, `workers` run handlers. Bodies count against Context::memory while
// they are held; when there is no room, the answer is 503. Stops when Context::stop is requested, by stop(), and when
// it is destroyed.
class HttpServer {
 public:
  // Bound and answering when this returns. Refused: the address is taken, TLS files do not fit, an address that others
  // reach without an admin_token.
  static Result<std::unique_ptr<HttpServer>> start(const Context& context, HttpOptions options,
                                                   std::vector<HttpRoute> routes);
  virtual ~HttpServer() = default;

  [[nodiscard]] virtual uint16_t port() const = 0;
  [[nodiscard]] virtual bool tls() const = 0;
  // Takes no more connections, lets requests in hand finish within the grace, then closes. Returns within a second as
  // long as handlers do. May be called several times.
  virtual void stop() = 0;
};

}  // namespace sluice
