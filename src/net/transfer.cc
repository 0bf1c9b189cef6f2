#include "net/transfer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/ascii.h"
#include "net/url.h"
#include "options/option.h"

namespace sluice::net {
namespace {

// libcurl reads https_proxy, HTTPS_PROXY and no_proxy itself, but http_proxy in lower case only (a CGI program gets
// HTTP_PROXY from its caller; we are none).
const char* http_proxy() {
  if (std::getenv("http_proxy") != nullptr) return nullptr;
  return std::getenv("HTTP_PROXY");
}

}  // namespace

std::string_view HttpAnswer::header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) return value;
  }
  return {};
}

void Transfer::set_up(const CurlApi& api, CURL* easy, const HttpOptions& options) {
  auto set = [&](CURLoption option, auto value) { api.easy_setopt(easy, option, value); };
  answer_bytes_max_ = options.answer_bytes_max;
  set(CURLOPT_URL, request_.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_PATH_AS_IS, 1L);  // a key may hold "..": the path is not ours to tidy
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_BUFFERSIZE, 256L << 10);
  set(CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, std::max(1L, static_cast<long>(options.stall_timeout.count() / 1000)));
  if (request_.time_max.count() > 0) {
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(request_.time_max.count()));
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request_.time_max.count()));
  }
  set(CURLOPT_ERRORBUFFER, reason_.data());
  if (!options.ca_file.empty()) {
    set(CURLOPT_CAINFO, options.ca_file.c_str());
    set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
  }
  if (request_.bypass_proxy) {
    set(CURLOPT_NOPROXY, "*");
  } else if (const char* proxy = http_proxy(); proxy != nullptr && request_.url.starts_with("http://")) {
    set(CURLOPT_PROXY, proxy);
  }

  if (request_.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (request_.method == "PUT" || request_.method == "POST") {
    // Sent straight from the caller's memory, which also lets libcurl begin again on a kept connection that broke.
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    set(CURLOPT_POSTFIELDS, request_.body.empty() ? "" : request_.body.data());
    set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  } else if (request_.method != "GET") {
    set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  }
  auto add = [&](const std::string& line) { headers_ = api.slist_append(headers_, line.c_str()); };
  bool typed = false;
  for (const auto& [name, value] : request_.headers) {
    typed = typed || ascii_lower(name) == "content-type";
    add(value.empty() ? name + ";" : name + ": " + value);
  }
  if (!typed) add("Content-Type:");
  add("Accept:");
  add("Expect:");  // waiting for "100 Continue" costs a round trip, and a second where the server never says it
  set(CURLOPT_HTTPHEADER, headers_);
  set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(this));
}

size_t Transfer::on_header(char* data, size_t size, size_t count, void* self) {
  static_cast<Transfer*>(self)->take_header({data, size * count});
  return size * count;
}

void Transfer::take_header(std::string_view line) {
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {  // also of an interim answer (100) or a proxy's: the last one counts
    auto space = std::min(line.find(' '), line.size());
    answer_ = {};
    answer_.status = std::atoi(std::string(line.substr(space)).c_str());
    return;
  }
  auto colon = line.find(':');
  if (colon == std::string_view::npos) return;
  auto value = line.substr(colon + 1);
  value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
  while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
  answer_.headers.emplace_back(ascii_lower(line.substr(0, colon)), value);
}

size_t Transfer::on_body(char* data, size_t size, size_t count, void* self) {
  bool taken = static_cast<Transfer*>(self)->take_body({data, size * count});
  return taken ? size * count : 0;
}

bool Transfer::take_body(std::string_view bytes) {
  auto size = static_cast<int64_t>(bytes.size());
  if (answer_.ok() && !request_.into.empty()) {
    too_long_ = answer_.bytes_into + size > static_cast<int64_t>(request_.into.size());
    if (too_long_) return false;
    std::memcpy(request_.into.data() + answer_.bytes_into, bytes.data(), bytes.size());
    answer_.bytes_into += size;
    return true;
  }
  too_long_ = static_cast<int64_t>(answer_.body.size()) + size > answer_bytes_max_;
  if (too_long_) return false;
  answer_.body.append(bytes);
  return true;
}

std::string Transfer::host() const {
  auto url = parse_url(request_.url);
  return url.ok() ? url->scheme + "://" + url->authority : "the server";
}

Result<HttpAnswer> Transfer::outcome_of(const CurlApi& api, CURLcode code, const HttpOptions& options) {
  if (code == CURLE_OK) return std::move(answer_);
  std::string reason = reason_[0] != '\0' ? std::string(reason_.data()) : std::string(api.easy_strerror(code));
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
      return user_error(
          "the certificate of {} is not trusted ({}); name the file of the authority that issued it as ca_file", host(),
          reason);
    case CURLE_SSL_CACERT_BADFILE:
      return user_error("the file of trusted certificates {} cannot be used ({})", options.ca_file, reason);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return user_error("cannot send a request to {}: {}", host(), reason);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return transient("cannot find {}: {}", host(), reason);
    case CURLE_COULDNT_CONNECT:
      return transient("cannot connect to {}: {}", host(), reason);
    case CURLE_OPERATION_TIMEDOUT:
      return transient("{} does not answer: {}", host(), reason);
    case CURLE_WRITE_ERROR:
      if (too_long_) return transient("{} answers with more bytes than were asked for", host());
      return transient("the answer of {} could not be taken: {}", host(), reason);
    default:
      return transient("the connection to {} failed: {}", host(), reason);
  }
}

void Transfer::release(const CurlApi& api) {
  api.slist_free_all(headers_);
  headers_ = nullptr;
}

}  // namespace sluice::net
