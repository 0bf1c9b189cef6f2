#include "cli/location_input.h"

namespace sluice {

Result<Endpoint> endpoint_of_location(const std::string& text, const std::string& pipeline) {
  Endpoint endpoint;
  endpoint.request.location = TRY(parse_location(text));
  endpoint.text = endpoint.request.location.redacted();
  endpoint.connector = endpoint.request.location.scheme;
  endpoint.request.options = endpoint.request.location.params;
  endpoint.request.where = endpoint.text;
  endpoint.request.pipeline = pipeline;
  endpoint.request.one_off = true;
  return endpoint;
}

}  // namespace sluice
