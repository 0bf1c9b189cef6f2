#include "gateway/router.h"

#include "base/ascii.h"

namespace sluice {
namespace {

using Parameters = std::map<std::string, std::string, std::less<>>;

// Empty when an escape is malformed or means a zero byte.
std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0 || high + low == 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

// Cuts the first segment off; both texts begin with '/'.
std::string_view next_segment(std::string_view& path) {
  path.remove_prefix(1);
  auto segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

// Does `path` fit the route's path? Fills `parameters`.
bool matches(std::string_view route_path, std::string_view path, Parameters* parameters) {
  parameters->clear();
  while (route_path.starts_with('/') && path.starts_with('/')) {
    auto wanted = next_segment(route_path);
    auto got = next_segment(path);
    if (wanted.starts_with('{') && wanted.ends_with('}')) {
      if (got.empty()) return false;
      parameters->emplace(wanted.substr(1, wanted.size() - 2), got);
    } else if (wanted != got) {
      return false;
    }
  }
  return route_path.empty() && path.empty();
}

// Takes as long for a wrong secret as for the right one.
bool same_secret(std::string_view a, std::string_view b) {
  unsigned char difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i] ^ (b.empty() ? '\0' : b[i % b.size()]));
  }
  return difference == 0;
}

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() && std::equal(text.begin(), text.end(), lower.begin(), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
         });
}

}  // namespace

Router::Choice Router::choose(std::string_view method, std::string_view target, std::string_view authorization) const {
  Choice choice;
  auto path = percent_decode(target.substr(0, target.find('?')));
  if (!path.has_value() || !path->starts_with('/')) {
    choice.refusal = http_error(400, "the request's path is malformed");
    return choice;
  }
  choice.path = std::move(*path);
  std::string allowed;
  for (const auto& route : routes_) {
    Parameters parameters;
    if (!matches(route.path, choice.path, &parameters)) continue;
    if (route.method != method) {
      allowed.append(allowed.empty() ? "" : ", ").append(route.method);
      continue;
    }
    choice.route = &route;
    choice.parameters = std::move(parameters);
    break;
  }
  if (choice.route != nullptr) {
    if (permitted(*choice.route, authorization)) return choice;
    choice.refusal = http_error(401, "this needs the header 'Authorization: Bearer <admin_token>'");
    choice.refusal->headers.emplace_back("WWW-Authenticate", "Bearer");
  } else if (!allowed.empty()) {
    choice.refusal = http_error(405, fmt::format("{} does not take {}; it takes {}", choice.path, method, allowed));
    choice.refusal->headers.emplace_back("Allow", allowed);
  } else {
    choice.refusal = http_error(404, fmt::format("there is no {}", choice.path));
  }
  return choice;
}

bool Router::permitted(const HttpRoute& route, std::string_view authorization) const {
  if (route.access == HttpAccess::open || admin_token_.empty()) return true;
  constexpr std::string_view scheme = "bearer ";
  if (!equals_ignoring_case(authorization.substr(0, scheme.size()), scheme)) return false;
  return same_secret(authorization.substr(scheme.size()), admin_token_.reveal());
}

}  // namespace sluice
