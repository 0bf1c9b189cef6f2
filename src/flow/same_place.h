// Whether two recorded locations (Endpoint::uri()) mean the same place. A record outlives changes of its statement: a
// password is rotated, TLS is switched on, a broker is replaced, and it still is what positions were taken from.
#pragma once

#include <string>

namespace sluice {

enum class SamePlace {
  yes,
  no,
  unknown,  // brokers of other names: perhaps another cluster, perhaps the same one
};

// What is read: scheme, hosts, path and the options that say what. Not who asks, how the connection is made, or how
// fast it goes.
SamePlace same_source(const std::string& before, const std::string& after);

// Where it is written, down to the table: not how.
bool same_target(const std::string& before, const std::string& after);

}  // namespace sluice
