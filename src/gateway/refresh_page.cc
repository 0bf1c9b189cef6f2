// POST /api/pipelines/{name}/refresh: a running stream loads its lookup tables again, within a second or so.
#include <nlohmann/json.hpp>

#include "gateway/routes.h"

namespace sluice {

HttpRoute refresh_page(const GatewayParts& parts) {
  return HttpRoute{.method = "POST",
                   .path = "/api/pipelines/{name}/refresh",
                   .access = HttpAccess::admin,
                   .handle = [parts](const HttpRequest& request) {
                     const std::string& name = request.parameters.at("name");
                     auto asked = parts.pipelines.refresh_lookups(name);
                     if (!asked.ok() && asked.error().fault == Fault::user) return http_error(404, asked.error().what);
                     if (!asked.ok()) return http_error(asked.error());
                     nlohmann::json body = {{"name", name}, {"refresh", "asked for"}};
                     return HttpResponse{
                         .status = 202,
                         .body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n'};
                   }};
}

}  // namespace sluice
