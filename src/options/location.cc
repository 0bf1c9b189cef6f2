#include "options/location.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/ascii.h"
#include "options/redact.h"

namespace sluice {
namespace {

// What follows the scheme: a path of the local file system, a bucket and a key, or hosts and a path.
enum class Shape { path, bucket, hosts };

Shape shape_of(std::string_view scheme) {
  if (scheme == "file" || scheme == "sqlite") return Shape::path;
  if (scheme == "s3") return Shape::bucket;
  return Shape::hosts;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Replaces %XX. '+' stays '+': a space is %20 (this is RFC 3986, not an HTML form). Empty when a '%' has no two hex
// digits after it, unless `lenient`, which keeps such a '%' as it is.
std::optional<std::string> percent_decode(std::string_view text, bool lenient) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high >= 0 && low >= 0) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else if (lenient) {
      out += '%';
    } else {
      return std::nullopt;
    }
  }
  return out;
}

// %XX for what would otherwise be read as structure, for '%' itself and for control characters.
std::string percent_encode(std::string_view text, std::string_view structure) {
  std::string out;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '%' || byte < 0x20 || byte == 0x7f || structure.find(c) != std::string_view::npos) {
      out += fmt::format("%{:02X}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

constexpr std::string_view kNoSuchPercent = "a '%' without two hex digits after it; a percent sign is written %25";

// The scheme in front of "://", lower case; empty when there is none. `rest` becomes what follows.
std::string take_scheme(std::string_view text, std::string_view* rest) {
  size_t end = 0;
  while (end < text.size() && (is_letter(text[end]) || (end > 0 && (is_digit(text[end]) || text[end] == '+' ||
                                                                    text[end] == '-' || text[end] == '.')))) {
    ++end;
  }
  if (end == 0 || !text.substr(end).starts_with("://")) return {};
  *rest = text.substr(end + 3);
  return ascii_lower(text.substr(0, end));
}

// Two spellings of one system, and connectors that read what another connector's scheme names.
std::string canonical(std::string_view scheme) { return scheme == "postgres" ? "postgresql" : std::string(scheme); }
bool accepts(std::string_view connector, std::string_view scheme) {
  if (connector == scheme) return true;
  return connector == "s3queue" && (scheme == "s3" || scheme == "file");
}

Result<void> parse_params(std::string_view query, RawOptions* params) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    const auto name = percent_decode(pair.substr(0, equals), false);
    if (!name) return user_error("the URI: a parameter's name holds {}", kNoSuchPercent);
    if (equals == std::string_view::npos) {
      // Not repeated in the error: behind an unencoded '?' of a password this is a piece of that password.
      return user_error("the URI: what follows '?' or '&' is written name=value; a '?' in a path or password is %3F");
    }
    if (name->empty()) return user_error("the URI: a parameter has no name before its '='");
    auto value = percent_decode(pair.substr(equals + 1), false);
    if (!value) return user_error("the URI: parameter '{}' holds {}", *name, kNoSuchPercent);
    if (value->find('\0') != std::string::npos) return user_error("the URI: parameter '{}' holds a zero byte", *name);
    if (!params->emplace(*name, RawOption{std::move(*value), "the URI"}).second) {
      return user_error("the URI: parameter '{}' is given twice", *name);
    }
  }
  return {};
}

// Good enough to tell an address from a name; the resolver has the last word. A zone may follow a '%' (RFC 6874).
bool is_ipv6(std::string_view host) {
  const std::string_view address = host.substr(0, host.find('%'));
  return address.find(':') != std::string_view::npos &&
         address.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
}

// Pieces of the authority are only repeated in errors when no password can be among them.
Result<HostPort> parse_host(std::string_view text, std::string_view scheme, bool may_print) {
  const auto problem = [&](std::string_view what) {
    if (!may_print) {
      return user_error("the {} location: {}; in a password '/', '?', '@' and ':' are written %2F, %3F, %40 and %3A",
                        scheme, what);
    }
    return user_error("the {} location: {}: '{}'", scheme, what, text);
  };
  HostPort out;
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return problem("an IPv6 address has no ']'");
    out.host = text.substr(1, close - 1);
    if (!is_ipv6(out.host)) return problem("not an IPv6 address between [ and ]");
    const std::string_view after = text.substr(close + 1);
    if (!after.empty() && after[0] != ':') return problem("only a port may follow the ']'");
    has_port = !after.empty();
    port = after.substr(has_port ? 1 : 0);
  } else {
    const size_t colon = text.find(':');
    if (colon != std::string_view::npos && text.find(':', colon + 1) != std::string_view::npos) {
      return problem("more than one ':' in a host; an IPv6 address is written [::1]");
    }
    auto host = percent_decode(text.substr(0, colon), false);  // libpq: %2Fvar%2Frun names a socket folder
    if (!host) return problem("a '%' in a host without two hex digits after it");
    out.host = std::move(*host);
    has_port = colon != std::string_view::npos;
    if (has_port) port = text.substr(colon + 1);
  }
  if (out.host.empty()) return problem("a host is missing");
  const bool printable = std::none_of(out.host.begin(), out.host.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) == 0x7f;
  });
  if (!printable) return problem("a space or control character in a host");
  if (!has_port) return out;
  const auto [end, failed] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (failed != std::errc() || end != port.data() + port.size() || out.port == 0) {
    return problem("a port is a number from 1 to 65535");
  }
  return out;
}

// "u:12/x@h/db": is it the password 12/x, or port 12 and the path x@h/db? The second reading would print a password.
Result<void> refuse_split_password(std::string_view text) {
  const size_t end = text.find_first_of("/?");
  const std::string_view authority = text.substr(0, end);
  if (end == std::string_view::npos || authority.find(':') == std::string_view::npos) return {};
  const bool in_path = text[end] == '/';
  if (!in_path && authority.find('@') != std::string_view::npos) return {};
  const std::string_view suspect = in_path ? text.substr(end, text.find('?') - end) : text.substr(end);
  if (suspect.find('@') == std::string_view::npos) return {};
  return user_error(
      "a location has an '@' behind '{}': in a password '/' is written %2F and '?' %3F, elsewhere '@' is %40",
      text[end]);
}

// [user[:password]@]host[:port][,host[:port]…][/path]
Result<void> parse_authority_and_path(std::string_view text, bool may_print, Location* out) {
  const size_t slash = text.find('/');
  std::string_view authority = text.substr(0, slash);
  const size_t sign = authority.rfind('@');
  if (sign != std::string_view::npos) {
    const std::string_view user_info = authority.substr(0, sign);
    authority.remove_prefix(sign + 1);
    const size_t colon = user_info.find(':');
    auto user = percent_decode(user_info.substr(0, colon), false);
    if (!user) return user_error("the {} location: the user name holds {}", out->scheme, kNoSuchPercent);
    out->user = std::move(*user);
    if (colon != std::string_view::npos) {
      auto password = percent_decode(user_info.substr(colon + 1), false);
      if (!password) return user_error("the {} location: the password holds {}", out->scheme, kNoSuchPercent);
      out->password = Secret(std::move(*password));
    }
  }
  while (!authority.empty() || !out->hosts.empty()) {
    const std::string_view host = authority.substr(0, authority.find(','));
    out->hosts.push_back(TRY(parse_host(host, out->scheme, may_print)));
    if (host.size() == authority.size()) break;
    authority.remove_prefix(host.size() + 1);
  }
  if (slash == std::string_view::npos) return {};
  auto path = percent_decode(text.substr(slash + 1), false);
  if (!path) return user_error("the {} location: the path holds {}", out->scheme, kNoSuchPercent);
  out->path = std::move(*path);
  return {};
}

Result<void> parse_bucket_and_key(std::string_view text, bool may_print, Location* out) {
  const size_t slash = text.find('/');
  const std::string_view bucket = text.substr(0, slash);
  if (bucket.empty()) return user_error("the s3 location: the bucket is missing; write s3://bucket/prefix/*.parquet");
  if (bucket.find('@') != std::string_view::npos || text.find('@') < slash) {
    return user_error(
        "the s3 location: credentials do not belong before the bucket; give them as access_key_id and "
        "secret_access_key");
  }
  const bool well_formed = std::all_of(bucket.begin(), bucket.end(), [](char c) {
    return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c == '_';
  });
  if (!well_formed) {
    if (!may_print) return user_error("the s3 location: what precedes the first '/' is not a bucket's name");
    return user_error("the s3 location: '{}' is not a bucket's name (letters, digits, '.', '-' and '_')", bucket);
  }
  out->hosts.push_back({std::string(bucket), 0});
  if (slash != std::string_view::npos) out->path = *percent_decode(text.substr(slash + 1), true);
  return {};
}

// What follows file://: an absolute path after an empty or local host, or a path that begins with '.'.
Result<void> parse_file_path(std::string_view text, bool has_scheme, bool may_print, Location* out) {
  if (has_scheme && !text.starts_with('/') && !text.starts_with("./") && !text.starts_with("../") && text != "." &&
      text != "..") {
    const std::string_view host = text.substr(0, text.find('/'));
    if (ascii_lower(host) != "localhost") {
      return user_error(
          "the {0} location names {1}, but only this machine's files can be read; write "
          "{0}:///… for an absolute path or {0}://./… for a relative one",
          out->scheme, may_print ? fmt::format("the host '{}'", host) : "a host");
    }
    text.remove_prefix(host.size());
  }
  out->path = *percent_decode(text, true);
  if (out->path.empty()) return user_error("the {} location names no path", out->scheme);
  return {};
}

// "s3:bucket/key" is more likely a mistyped location than a file of that name.
Result<void> refuse_mistyped_scheme(std::string_view text) {
  constexpr std::array<std::string_view, 8> kSchemes = {"s3",      "kafka",      "postgresql", "postgres",
                                                        "iceberg", "clickhouse", "http",       "https"};
  const std::string word = ascii_lower(text.substr(0, text.find(':')));
  if (word.size() == text.size() || std::find(kSchemes.begin(), kSchemes.end(), word) == kSchemes.end()) return {};
  return user_error("a location begins with {0}:// ; a file whose name begins with '{0}:' is written ./{0}:…", word);
}

}  // namespace

Result<Location> parse_location(std::string_view text, std::string_view connector) {
  if (text.find('\0') != std::string_view::npos) return user_error("a location holds a zero byte");
  Location out;
  std::string_view rest = text;
  const std::string written = take_scheme(text, &rest);
  const std::string wanted = canonical(connector);
  if (!written.empty()) {
    out.scheme = canonical(written);
    if (!wanted.empty() && !accepts(wanted, out.scheme)) {
      return user_error("a location of {0} begins with {0}://, not with {1}://", connector, written);
    }
  } else if (ascii_lower(text.substr(0, 6)) == "file:/" && (wanted.empty() || accepts(wanted, "file"))) {
    out.scheme = "file";  // file:/path is RFC 8089's short form
    rest = text.substr(5);
  } else {
    out.scheme = wanted == "s3queue" ? "s3" : wanted.empty() ? "file" : wanted;
    if (wanted.empty()) TRY(refuse_mistyped_scheme(text));
  }

  const size_t question = rest.find('?');
  const std::string_view place = rest.substr(0, question);
  if (place.empty() && written.empty()) return user_error("a location is empty");
  // With an '@' anywhere, also behind a '?', any piece may belong to a password that was not encoded.
  const bool may_print = rest.find('@') == std::string_view::npos;
  switch (shape_of(out.scheme)) {
    case Shape::path:
      TRY(parse_file_path(place, !written.empty(), may_print, &out));
      break;
    case Shape::bucket:
      TRY(parse_bucket_and_key(place, may_print, &out));
      break;
    case Shape::hosts:
      TRY(refuse_split_password(rest));
      TRY(parse_authority_and_path(place, may_print, &out));
      break;
  }
  if (out.path.find('\0') != std::string::npos || out.user.find('\0') != std::string::npos ||
      out.password.reveal().find('\0') != std::string::npos) {
    return user_error("the {} location holds a zero byte (%00)", out.scheme);
  }
  if (question != std::string_view::npos) TRY(parse_params(rest.substr(question + 1), &out.params));
  return out;
}

std::string Location::redacted() const {
  std::string out;
  if (shape_of(scheme) == Shape::path) {
    const bool dotted = path == "." || path == ".." || path.starts_with("./") || path.starts_with("../");
    if (path.starts_with('/')) {
      out = scheme + "://";
    } else if (scheme != "file") {
      out = scheme + (dotted ? "://" : "://./");
    }  // else a plain relative path is how people write it, and how it is read back
  } else {
    out = scheme + "://";
    if (!user.empty() || !password.empty()) out += percent_encode(user, ":@/?,");
    if (!password.empty()) out += ":***";
    if (!user.empty() || !password.empty()) out += '@';
    for (size_t i = 0; i < hosts.size(); ++i) {
      if (i > 0) out += ',';
      out += is_ipv6(hosts[i].host) ? "[" + hosts[i].host + "]" : percent_encode(hosts[i].host, ":@/?,[]");
      if (hosts[i].port != 0) out += fmt::format(":{}", hosts[i].port);
    }
    if (!path.empty()) out += '/';
  }
  // Behind host:port/ and host:port? a bare '@' could be the end of a password, and is refused when it is read back.
  const bool has_hosts = shape_of(scheme) != Shape::path;
  out += percent_encode(path, has_hosts ? "?@" : "?");
  const std::string_view sign = has_hosts && path.empty() ? "@" : "";
  char separator = '?';
  for (const auto& [name, param] : params) {
    out += separator + percent_encode(name, fmt::format("&={}", sign)) + "=" +
           percent_encode(printable_value(name, param.value), fmt::format("&{}", sign));
    separator = '&';
  }
  return out;
}

}  // namespace sluice
