#include "base/metrics.h"

#include <fmt/format.h>

namespace sluice {
namespace {

// Prometheus escapes backslash, double quote and line feed in label values.
std::string render_labels(const Labels& labels) {
  if (labels.empty()) return {};
  std::string out = "{";
  for (const auto& [key, value] : labels) {
    if (out.size() > 1) out += ',';
    out += key + "=\"";
    for (char c : value) {
      if (c == '\\' || c == '"') out += '\\';
      if (c == '\n') {
        out += "\\n";
      } else {
        out += c;
      }
    }
    out += '"';
  }
  return out + "}";
}

}  // namespace

Metric& Metrics::counter(std::string_view name, std::string_view help, const Labels& labels) {
  return find("counter", name, help, labels);
}

Metric& Metrics::gauge(std::string_view name, std::string_view help, const Labels& labels) {
  return find("gauge", name, help, labels);
}

Metric& Metrics::find(std::string_view type, std::string_view name, std::string_view help, const Labels& labels) {
  std::lock_guard lock(mutex_);
  auto [family, is_new] = families_.try_emplace(std::string(name));
  if (is_new) {
    family->second.help = help;
    family->second.type = type;
  }
  auto& metric = family->second.series[render_labels(labels)];
  if (metric == nullptr) metric = std::make_unique<Metric>();
  return *metric;
}

std::string Metrics::render() const {
  std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) {
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, family.help, name, family.type);
    for (const auto& [labels, metric] : family.series) out += fmt::format("{}{} {}\n", name, labels, metric->value());
  }
  return out;
}

}  // namespace sluice
