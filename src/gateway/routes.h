// Every endpoint of the server: one file each, one line in routes.cc.
#pragma once

#include <string>
#include <vector>

#include "gateway/http.h"
#include "gateway/pipeline_host.h"

namespace sluice {

// What endpoints work on. Lives longer than the server.
struct GatewayParts {
  Context& context;
  Coordinator& coordinator;
  PipelineHost& pipelines;
  std::string version;
  WallTime started;
};

HttpRoute health_page(const GatewayParts& parts);     // health_page.cc
HttpRoute metrics_page(const GatewayParts& parts);    // metrics_page.cc
HttpRoute pipelines_page(const GatewayParts& parts);  // pipelines_page.cc
HttpRoute refresh_page(const GatewayParts& parts);    // refresh_page.cc

std::vector<HttpRoute> all_routes(const GatewayParts& parts);

}  // namespace sluice
