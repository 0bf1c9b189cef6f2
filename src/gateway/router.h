// Which handler answers a request, or why none does.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "gateway/http.h"

namespace sluice {

class Router {
 public:
  struct Choice {
    const HttpRoute* route = nullptr;
    std::optional<HttpResponse> refusal;  // instead of a route: 400, 401, 404 or 405
    std::string path;
    std::map<std::string, std::string, std::less<>> parameters;
  };

  Router(std::vector<HttpRoute> routes, Secret admin_token)
      : routes_(std::move(routes)), admin_token_(std::move(admin_token)) {}

  // `target` as it stands in the request line, `authorization` the header of that name.
  [[nodiscard]] Choice choose(std::string_view method, std::string_view target, std::string_view authorization) const;

 private:
  [[nodiscard]] bool permitted(const HttpRoute& route, std::string_view authorization) const;

  const std::vector<HttpRoute> routes_;
  const Secret admin_token_;
};

}  // namespace sluice
