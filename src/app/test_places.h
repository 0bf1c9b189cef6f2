// Where the batteries of connectors read and write: a place of its own for each test's folder. A connector that is
// registered and has no place here fails its battery by name.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "port/registry.h"
#include "store/s3/test_service.h"

namespace sluice::conformance {

struct Place {
  std::string location;
  RawOptions both = {};
  RawOptions source = {};
  RawOptions sink = {};
  std::string missing = {};  // why there is none here; empty: there is one
};

struct Places {
  std::function<Place(const std::string& folder)> of;
  std::optional<RawOptions> streaming = {};  // what a source that is followed is told beside; unset: it cannot be
  bool shares_work = false;                  // … and by several processes
};

inline RawOptions given(std::initializer_list<std::pair<const std::string, std::string>> options) {
  RawOptions made;
  for (const auto& [name, value] : options) made[name] = {value, "the test"};
  return made;
}

// No two tests have the same, whatever earlier runs left at a server.
inline std::string unique_name(const std::string& folder) {
  return fmt::format("t{}", std::hash<std::string>()(folder + std::to_string(::getpid())) % 1'000'000'000);
}

// A server that end-to-end tests start and name in this variable.
inline Place at_server(const char* variable, const std::function<Place(const std::string& url)>& place) {
  const char* url = std::getenv(variable);
  if (url != nullptr) return place(url);
  return {.location = {}, .missing = fmt::format("{} names no server", variable)};
}

inline Place place_in_bucket(const std::string& folder) {
  auto& server = s3_servers()->get("versitygw");
  if (!server.running()) return {.location = {}, .missing = server.program() + " is not installed"};
  ::setenv("SLUICE_SPOOL", server.spool().c_str(), 1);
  return {.location = fmt::format("s3://{}{}/place/", kS3Bucket, folder),
          .both = server.options(),
          .source = given({{"split_bytes", "200"}})};
}

inline Place place_in_database(const std::string& folder) {
  return at_server("SLUICE_TEST_POSTGRES", [&](const std::string& url) {
    return Place{.location = url,
                 .both = given({{"table", "battery." + unique_name(folder)}}),
                 .sink = given({{"key", "id"}, {"mode", "append"}})};
  });
}

inline Place place_in_cluster(const std::string& folder) {
  return at_server("SLUICE_TEST_KAFKA", [&](const std::string& url) {
    return Place{.location = url + "/battery." + unique_name(folder), .sink = given({{"partitions", "2"}})};
  });
}

inline const std::map<std::string_view, Places>& places() {
  static const std::map<std::string_view, Places> all = {
      {"file",
       {.of =
            [](const std::string& folder) {
              return Place{.location = folder + "/place/", .source = given({{"split_bytes", "200"}})};
            },
        .streaming = given({{"watch", "true"}, {"poll_interval", "50ms"}})}},
      {"s3", {.of = place_in_bucket}},
      {"sqlite",
       {.of =
            [](const std::string& folder) {
              return Place{.location = folder + "/place/shop.db", .both = given({{"table", "orders"}})};
            }}},
      {"postgresql", {.of = place_in_database, .streaming = given({{"cdc", "true"}})}},
      {"kafka", {.of = place_in_cluster, .streaming = RawOptions{}, .shares_work = true}},
  };
  return all;
}

}  // namespace sluice::conformance
