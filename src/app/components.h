// What this binary can read, write, parse and do: one line for each component.
#pragma once

#include <vector>

#include "cli/command.h"
#include "port/registry.h"

namespace sluice {

Registry all_components();
std::vector<Command> all_commands();

}  // namespace sluice
