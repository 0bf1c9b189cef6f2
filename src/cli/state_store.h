// Which state store a location names: sqlite:PATH or postgresql://….
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "port/coordinator.h"

namespace sluice {

Result<std::unique_ptr<Coordinator>> open_state_store(const std::string& location, Clock& clock = system_clock(),
                                                      std::stop_token stop = {});
// For people: without a password.
std::string shown_state_store(const std::string& location);

}  // namespace sluice
