#include "flow/same_place.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "options/location.h"

namespace sluice {
namespace {

// Options that say how something is reached and read, and not what.
constexpr std::array<std::string_view, 41> kHow = {
    // how fast, and in what pieces
    "rate_limit", "poll_interval", "split_bytes", "watch", "batch_size", "heartbeat", "max_retries", "connect_timeout",
    // who asks, by what right
    "username", "password", "sasl_mechanism", "security_protocol", "access_key_id", "secret_access_key",
    "session_token", "profile", "anonymous", "expected_owner", "client_id", "instance_id", "application_name",
    // the connection
    "ssl_mode", "sslrootcert", "ca_file", "cert_file", "key_file", "key_password", "verify_hostname",
    "force_path_style", "assignor",
    // where schemas come from
    "schema_registry", "schema_registry_username", "schema_registry_password", "schema_registry_token",
    "schema_registry_ca", "schema_registry_timeout", "key_schema_registry", "key_schema_registry_username",
    "key_schema_registry_password", "key_schema_registry_token", "key_schema_registry_ca"};

// Options that say what of a target is written to.
constexpr std::array<std::string_view, 6> kWhere = {"table",  "schema",          "collection",
                                                    "prefix", "positions_topic", "transactional_id"};

template <size_t N>
bool among(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Without who asks: they are no part of the place.
std::string bare(Location location) {
  location.user.clear();
  location.password = {};
  return location.redacted();
}

bool share_a_host(const Location& a, const Location& b) {
  return std::any_of(a.hosts.begin(), a.hosts.end(), [&](const HostPort& host) {
    return std::find(b.hosts.begin(), b.hosts.end(), host) != b.hosts.end();
  });
}

}  // namespace

SamePlace same_source(const std::string& before, const std::string& after) {
  if (before == after) return SamePlace::yes;
  auto was = parse_location(before);
  auto is = parse_location(after);
  if (!was.ok() || !is.ok()) return SamePlace::no;
  for (auto* location : {&*was, &*is}) {
    std::erase_if(location->params,
                  [](const auto& option) { return among(kHow, option.first) || option.first.starts_with("rdkafka."); });
  }
  if (bare(*was) == bare(*is)) return SamePlace::yes;
  if (was->scheme != is->scheme || (was->scheme != "kafka" && was->scheme != "postgresql")) return SamePlace::no;
  // Lists of hosts name one cluster by any of them.
  const bool overlap = share_a_host(*was, *is);
  was->hosts = is->hosts;
  if (bare(*was) != bare(*is)) return SamePlace::no;
  if (overlap) return SamePlace::yes;
  return was->scheme == "kafka" ? SamePlace::unknown : SamePlace::no;
}

bool same_target(const std::string& before, const std::string& after) {
  if (before == after) return true;
  auto was = parse_location(before);
  auto is = parse_location(after);
  if (!was.ok() || !is.ok()) return false;
  for (auto* location : {&*was, &*is}) {
    std::erase_if(location->params, [](const auto& option) { return !among(kWhere, option.first); });
    if (location->scheme == "kafka") location->hosts.clear();  // brokers come and go; topics are what it is known by
  }
  return bare(*was) == bare(*is);
}

}  // namespace sluice
