#include "gateway/routes.h"

namespace sluice {

std::vector<HttpRoute> all_routes(const GatewayParts& parts) {
  return {
      health_page(parts),
      metrics_page(parts),
      pipelines_page(parts),
      refresh_page(parts),
  };
}

}  // namespace sluice
