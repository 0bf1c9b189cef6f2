// HTTP/1.1 for everybody who talks to a web service: requests and answers as values.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace sluice::net {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "GET";
  std::string url;  // http:// or https://, percent-encoded, sent as it stands
  HttpHeaders headers;
  std::string_view body;      // a view: whoever sends the request keeps the bytes until it is answered
  std::span<uint8_t> into;    // where the body of a 2xx answer goes; empty: into HttpAnswer::body
  Millis time_max{0};         // for the whole exchange; 0: only stalling ends it
  bool bypass_proxy = false;  // link-local services
};

struct HttpAnswer {
  int status = 0;
  HttpHeaders headers;     // names in lower case
  std::string body;        // what did not go into HttpRequest::into
  int64_t bytes_into = 0;  // how many bytes did

  [[nodiscard]] bool ok() const { return status / 100 == 2; }
  [[nodiscard]] std::string_view header(std::string_view lower_case_name) const;  // empty: not there
};

}  // namespace sluice::net
