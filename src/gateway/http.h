// Requests and answers as handlers see them: plain values, no library's types.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice {

struct HttpRequest {
  std::string method;                                          // "GET"; a HEAD request reaches the GET handler as GET
  std::string path;                                            // percent-decoded, without the query
  std::string query;                                           // as sent, without '?'
  std::map<std::string, std::string, std::less<>> headers;     // names in lower case; repeated ones joined by ", "
  std::map<std::string, std::string, std::less<>> parameters;  // {name} segments of the route
  std::string body;

  [[nodiscard]] std::string_view header(std::string_view lower_case_name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};
};

// {"error": "…"}: the only shape errors have. The message is a sentence for whoever sent the request.
HttpResponse http_error(int status, std::string_view message);
// An Error as an answer: 400 for the caller's mistakes, 409, 503 for what may work later, 500 for our own.
HttpResponse http_error(const Error& error);

// Who may call: `admin` asks for "Authorization: Bearer <admin_token>" when the server has one.
enum class HttpAccess { open, admin };

// One endpoint. `path` is exact, except that a segment {name} matches any one segment. Handlers run on the server's
// worker threads, several at a time; they may block for as long as their caller is willing to wait.
struct HttpRoute {
  std::string_view method;
  std::string_view path;
  HttpAccess access = HttpAccess::open;
  std::function<HttpResponse(const HttpRequest&)> handle;
};

}  // namespace sluice
