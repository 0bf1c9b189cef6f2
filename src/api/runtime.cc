#include "api/runtime.h"

#include "app/components.h"
#include "cli/state_store.h"

namespace sluice::api {

Runtime::Runtime(int64_t memory_bytes) : registry_(all_components()), memory_(memory_bytes) {}

Context Runtime::context(std::string pipeline) {
  return Context{stop_.get_token(), system_clock(), Log(), metrics_, memory_, registry_, std::move(pipeline)};
}

Result<ConnectorRequest> request_of(std::string_view uri) {
  ConnectorRequest request;
  request.location = TRY(parse_location(uri));
  request.options = request.location.params;
  request.where = request.location.redacted();
  return request;
}

Result<std::unique_ptr<Coordinator>> open_state(const std::string& state) { return open_state_store(state); }

}  // namespace sluice::api
