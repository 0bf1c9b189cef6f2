// One request as libcurl sees it. Inside src/net only.
#pragma once

#include <array>
#include <string>

#include "base/result.h"
#include "net/curl_api.h"
#include "net/http_client.h"

namespace sluice::net {

// Touched by the client's thread only, between set_up() and release().
class Transfer {
 public:
  explicit Transfer(HttpRequest request) : request_(std::move(request)) {}
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  void set_up(const CurlApi& api, CURL* easy, const HttpOptions& options);
  Result<HttpAnswer> outcome_of(const CurlApi& api, CURLcode code, const HttpOptions& options);
  void release(const CurlApi& api);

 private:
  static size_t on_header(char* data, size_t size, size_t count, void* self);
  static size_t on_body(char* data, size_t size, size_t count, void* self);
  void take_header(std::string_view line);
  bool take_body(std::string_view bytes);
  [[nodiscard]] std::string host() const;

  HttpRequest request_;
  HttpAnswer answer_;
  int64_t answer_bytes_max_ = 0;
  bool too_long_ = false;
  curl_slist* headers_ = nullptr;
  std::array<char, CURL_ERROR_SIZE> reason_{};
};

}  // namespace sluice::net
