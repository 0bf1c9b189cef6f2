// Percent-encoding as AWS signs it (RFC 3986: only letters, digits and -._~ stay), and the pieces of a URL.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace sluice::net {

// "a b/c" → "a%20b%2Fc", with `keep_slashes` "a%20b/c".
std::string percent_encode(std::string_view text, bool keep_slashes = false);

using QueryParameters = std::vector<std::pair<std::string, std::string>>;
// "a=1&b=x%20y", sorted by encoded name: what a signature covers and what is sent are then the same text.
std::string render_query(const QueryParameters& parameters);

struct Url {
  std::string scheme;     // http, https
  std::string authority;  // host[:port], as written
  std::string host;
  std::string path;   // "/…", encoded as written; "/" when there is none
  std::string query;  // without '?'
};
// Fault::user for anything but http(s)://host[:port][/path][?query]; credentials inside are refused.
Result<Url> parse_url(std::string_view text);

}  // namespace sluice::net
