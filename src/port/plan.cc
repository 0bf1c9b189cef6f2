#include "port/plan.h"

namespace sluice {

std::string Endpoint::uri() const {
  Location location = request.location;
  for (const auto& [name, option] : request.options) location.params[name] = option;
  return location.redacted();
}

}  // namespace sluice
