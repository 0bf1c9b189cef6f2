// Which state store a location names: sqlite:PATH or postgresql://….
#pragma once

#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "port/coordinator.h"

namespace sluice {

struct StateStoreKind {
  std::string_view name;
  bool (*is_named_by)(std::string_view location);
  Result<std::unique_ptr<Coordinator>> (*open)(std::string_view location, Clock& clock, std::stop_token stop);
};
std::span<const StateStoreKind> state_store_kinds();

Result<std::unique_ptr<Coordinator>> open_state_store(const std::string& location, Clock& clock = system_clock(),
                                                      std::stop_token stop = {});
// For people: without a password.
std::string shown_state_store(const std::string& location);

}  // namespace sluice
