// GET /health: the process answers. 200 also when a pipeline has failed, because restarting the server would not mend
// it; the counts say so, and so do metrics and alerts.
#include <nlohmann/json.hpp>

#include "gateway/routes.h"

namespace sluice {

HttpRoute health_page(const GatewayParts& parts) {
  return HttpRoute{.method = "GET", .path = "/health", .handle = [parts](const HttpRequest&) {
                     int64_t running = 0;
                     int64_t failed = 0;
                     for (const auto& pipeline : parts.pipelines.list()) {
                       running += pipeline.state == HostedState::running ? 1 : 0;
                       failed += pipeline.state == HostedState::failed ? 1 : 0;
                     }
                     const auto uptime = parts.context.clock.wall() - parts.started;
                     nlohmann::json body = {
                         {"status", "ok"},
                         {"version", parts.version},
                         {"uptime_seconds", std::chrono::duration_cast<std::chrono::seconds>(uptime).count()},
                         {"pipelines", {{"total", parts.pipelines.size()}, {"running", running}, {"failed", failed}}}};
                     return HttpResponse{.body = body.dump() + '\n'};
                   }};
}

}  // namespace sluice
