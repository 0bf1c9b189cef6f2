// GET /api/pipelines: every pipeline of the state store, with what this server knows about those it runs.
#include <nlohmann/json.hpp>

#include "gateway/routes.h"

namespace sluice {
namespace {

std::string_view state_of(const PipelineRecord& record) {
  if (record.lease.has_value()) return "running";
  if (!record.last_error.empty()) return "failed";
  return record.finished ? "finished" : "stopped";
}

nlohmann::json delivered(const PipelineRecord& record) {
  nlohmann::json out = {{"name", record.name},
                        {"kind", record.kind},
                        {"state", state_of(record)},
                        {"hosted", false},
                        {"source", record.source},
                        {"sink", record.sink},
                        {"epoch", record.last_epoch},
                        {"rows", record.rows_delivered},
                        {"bytes", record.bytes_delivered},
                        {"dead_rows", record.rows_dead},
                        {"updated", format_utc(record.updated)}};
  if (!record.last_error.empty()) out["error"] = record.last_error;
  return out;
}

void add_hosted(const HostedPipeline& pipeline, nlohmann::json& out) {
  out["name"] = pipeline.name;
  out["kind"] = pipeline.kind;
  out["state"] = to_string(pipeline.state);
  out["hosted"] = true;
  out["where"] = pipeline.where;
  out["failures"] = pipeline.failures;
  // A run that goes on by itself has said why in the state store, and nowhere else.
  if (pipeline.state != HostedState::retrying) out.erase("error");
  if (!pipeline.error.empty()) out["error"] = pipeline.error;
  if (pipeline.next_run.has_value()) out["next_run"] = format_utc(*pipeline.next_run);
}

HttpResponse answer(const GatewayParts& parts) {
  const auto hosted = parts.pipelines.list();  // first: what it says of a run is in the state store already
  auto records = parts.coordinator.list();
  if (!records.ok()) return http_error(records.error());
  std::map<std::string, nlohmann::json> all;
  for (const auto& record : *records) all[record.name] = delivered(record);
  for (const auto& pipeline : hosted) {
    auto& entry = all[pipeline.name];
    if (entry.is_null()) entry = {{"epoch", 0}, {"rows", 0}, {"bytes", 0}, {"dead_rows", 0}};
    add_hosted(pipeline, entry);
  }
  nlohmann::json body = {{"pipelines", nlohmann::json::array()}};
  for (auto& [name, entry] : all) body["pipelines"].push_back(std::move(entry));
  return HttpResponse{.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n'};
}

}  // namespace

HttpRoute pipelines_page(const GatewayParts& parts) {
  return HttpRoute{
      .method = "GET", .path = "/api/pipelines", .access = HttpAccess::admin, .handle = [parts](const HttpRequest&) {
        return answer(parts);
      }};
}

}  // namespace sluice
