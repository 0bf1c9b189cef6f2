// GET /metrics: Prometheus' text format 0.0.4.
#include <fstream>

#include <sys/resource.h>
#include <unistd.h>

#include "gateway/routes.h"

namespace sluice {
namespace {

// proc(5): the second field of statm is the resident set, in pages.
int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t size = 0;
  int64_t resident = 0;
  statm >> size >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) { return double(time.tv_sec) + double(time.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <typename Value>
std::string sample(std::string_view name, std::string_view type, std::string_view help, Value value) {
  return fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0} {3}\n", name, help, type, value);
}

// Names and units as Prometheus' client libraries have them, so that existing dashboards fit.
std::string process_metrics(const GatewayParts& parts) {
  const Context& context = parts.context;
  const double started = double(parts.started.time_since_epoch().count()) / 1e6;
  const double uptime = double((context.clock.wall() - parts.started).count()) / 1e6;
  std::string out =
      sample("process_resident_memory_bytes", "gauge", "Resident memory of the process.", resident_bytes());
  out += sample("process_cpu_seconds_total", "counter", "CPU time of the process.", cpu_seconds());
  out += sample("process_start_time_seconds", "gauge", "When the process started.", fmt::format("{:.3f}", started));
  out += sample("sluice_uptime_seconds", "gauge", "How long the server has been up.", fmt::format("{:.3f}", uptime));
  out += sample("sluice_memory_used_bytes", "gauge", "Buffers reserved of --memory.", context.memory.used());
  out += sample("sluice_memory_limit_bytes", "gauge", "What --memory allows.", context.memory.limit());
  out += fmt::format(
      "# HELP sluice_build_info The version that runs.\n# TYPE sluice_build_info gauge\n"
      "sluice_build_info{{version=\"{}\"}} 1\n",
      parts.version);
  return out;
}

}  // namespace

HttpRoute metrics_page(const GatewayParts& parts) {
  return HttpRoute{.method = "GET", .path = "/metrics", .handle = [parts](const HttpRequest&) {
                     parts.pipelines.publish_metrics();
                     return HttpResponse{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                                         .body = parts.context.metrics.render() + process_metrics(parts)};
                   }};
}

}  // namespace sluice
