// A location: scheme://[user[:password]@]host[:port][,host…]/path[?name=value&…], or the same without the scheme inside
// the connector of that name: postgresql('localhost/shop?table=orders').
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "options/option.h"

namespace sluice {

struct HostPort {
  std::string host;
  uint16_t port = 0;  // 0: not written
  bool operator==(const HostPort&) const = default;
};

struct Location {
  std::string scheme;  // "file", "s3", "postgresql", "kafka", …
  std::string user;
  Secret password;
  std::vector<HostPort> hosts;  // for file: empty (a foreign host is an error); for s3: the bucket is hosts[0].host
  // Percent-decoded. file: as the user wrote it, relative or absolute, globs untouched. Others: without the '/' that
  // ends the authority ("prod", "orders", "analytics/events", "events/*.parquet").
  std::string path;
  RawOptions params;  // percent-decoded; `where` is "the URI"

  // Without password and without secret-looking parameters (looks_secret() in redact.h). Otherwise it is read back as
  // the same location.
  [[nodiscard]] std::string redacted() const;
};

// `text` with a scheme ("s3://b/k"), or without one when `connector` says which ("b/k" with connector "s3"). A scheme
// that differs from `connector` is an error. A plain path without scheme and without connector is a file.
// A literal '?' in a path is %3F; in file and s3 paths only %XX with valid hex is decoded, elsewhere any other '%' is
// an error. '+' stays '+' everywhere. postgres:// is postgresql; s3queue takes s3:// (its default) and file://. Errors
// never repeat what may be a piece of a password.
Result<Location> parse_location(std::string_view text, std::string_view connector = {});

}  // namespace sluice
