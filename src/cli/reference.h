// The reference documentation, generated from the declarations that the program itself runs on.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/command.h"
#include "port/registry.h"

namespace sluice {

std::string render_options(std::span<const OptionSpec> specs);  // a Markdown table
std::string render_connector(const Registry& registry, const ConnectorDescriptor& connector);

// File name → content of docs/reference.
std::map<std::string, std::string> render_reference(const Registry& registry, std::span<const Command> commands);

}  // namespace sluice
