// A location typed on the command line, as an endpoint.
#pragma once

#include <string>

#include "port/plan.h"

namespace sluice {

Result<Endpoint> endpoint_of_location(const std::string& text, const std::string& pipeline);

}  // namespace sluice
