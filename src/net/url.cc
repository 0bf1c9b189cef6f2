#include "net/url.h"

#include <algorithm>

namespace sluice::net {
namespace {

bool stays(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

}  // namespace

std::string percent_encode(std::string_view text, bool keep_slashes) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (unsigned char c : text) {
    if (stays(c) || (c == '/' && keep_slashes)) {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
  }
  return out;
}

std::string render_query(const QueryParameters& parameters) {
  QueryParameters encoded;
  for (const auto& [name, value] : parameters) encoded.emplace_back(percent_encode(name), percent_encode(value));
  std::sort(encoded.begin(), encoded.end());
  std::string out;
  for (const auto& [name, value] : encoded) {
    if (!out.empty()) out += '&';
    out += name;
    out += '=';
    out += value;
  }
  return out;
}

Result<Url> parse_url(std::string_view text) {
  Url url;
  auto scheme_end = text.find("://");
  if (scheme_end != std::string_view::npos) url.scheme = text.substr(0, scheme_end);
  if (url.scheme != "http" && url.scheme != "https") return user_error("a URL begins with http:// or https://");
  std::string_view rest = text.substr(scheme_end + 3);
  auto authority_end = std::min(rest.find_first_of("/?#"), rest.size());
  url.authority = rest.substr(0, authority_end);
  rest.remove_prefix(authority_end);
  // Not repeated in the error: it may be a password.
  if (url.authority.find('@') != std::string::npos) return user_error("a URL here takes no user and password");
  bool bracketed = url.authority.starts_with('[');
  auto colon = url.authority.find(':', bracketed ? std::min(url.authority.find(']'), url.authority.size()) : 0);
  url.host = url.authority.substr(0, colon);
  if (colon != std::string::npos) {
    std::string_view port = std::string_view(url.authority).substr(colon + 1);
    bool digits = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string_view::npos;
    if (!digits) return user_error("the URL {}://{} has a port that is no number", url.scheme, url.authority);
  }
  if (url.host.empty()) return user_error("the URL '{}' names no host", text);
  auto question = std::min(rest.find('?'), rest.size());
  url.path = rest.substr(0, question);
  if (question < rest.size()) url.query = rest.substr(question + 1);
  if (url.path.empty()) url.path = "/";
  return url;
}

}  // namespace sluice::net
