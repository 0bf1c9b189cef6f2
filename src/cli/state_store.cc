#include "cli/state_store.h"

#include "options/location.h"
#include "state/postgresql/postgresql_coordinator.h"
#include "state/sqlite/sqlite_coordinator.h"

namespace sluice {
namespace {

constexpr std::string_view kSqlite = "sqlite:";

bool is_postgresql(std::string_view location) {
  return location.starts_with("postgresql://") || location.starts_with("postgres://");
}

bool is_sqlite(std::string_view location) { return location.starts_with(kSqlite); }

Result<std::unique_ptr<Coordinator>> open_sqlite(std::string_view location, Clock& clock, std::stop_token stop) {
  return open_sqlite_coordinator(std::string(location.substr(kSqlite.size())), clock, std::move(stop));
}

constexpr StateStoreKind kKinds[] = {{"sqlite", is_sqlite, open_sqlite},
                                     {"postgresql", is_postgresql, open_postgresql_coordinator}};

}  // namespace

std::span<const StateStoreKind> state_store_kinds() { return kKinds; }

Result<std::unique_ptr<Coordinator>> open_state_store(const std::string& location, Clock& clock, std::stop_token stop) {
  for (const auto& kind : kKinds) {
    if (kind.is_named_by(location)) return kind.open(location, clock, std::move(stop));
  }
  return user_error("there is no state store of the kind '{}': use sqlite:PATH or postgresql://HOST/DATABASE",
                    location.substr(0, location.find(':')));
}

std::string shown_state_store(const std::string& location) {
  if (!is_postgresql(location)) return location;
  auto parsed = parse_location(location);
  return parsed.ok() ? parsed->redacted() : "the state store";
}

}  // namespace sluice
