#include "sql/endpoint.h"

#include <algorithm>

#include "options/redact.h"

namespace sluice::sql {
namespace {

constexpr std::string_view kPlanned[] = {"clickhouse", "iceberg", "ingest", "kafka", "postgresql", "s3", "s3queue"};

// Specs of that name among the connector, the formats and the stores: file-like connectors take all of theirs.
template <typename Visit>
void visit_specs(const Registry& registry, std::string_view connector, std::string_view option, Visit visit) {
  auto visit_all = [&](const std::vector<OptionSpec>& specs) {
    for (const auto& spec : specs) {
      if (spec.name == option) visit(spec);
    }
  };
  for (const auto& item : registry.connectors()) {
    if (item.name != connector) continue;
    visit_all(item.options);
    if (!item.uses_formats) return;
  }
  for (const auto& item : registry.formats()) visit_all(item.options);
  for (const auto& item : registry.stores()) visit_all(item.options);
}

bool is_secret(const Registry& registry, std::string_view connector, std::string_view option) {
  bool secret = looks_secret(option);
  visit_specs(registry, connector, option, [&](const OptionSpec& spec) { secret |= spec.kind == OptionKind::secret; });
  return secret;
}

// An option that anybody declares for writing only: `compression` is one of parquet's, though the connector reads it
// too.
bool concerns_writing(const Registry& registry, std::string_view connector, std::string_view option) {
  bool writing = false;
  visit_specs(registry, connector, option, [&](const OptionSpec& spec) { writing |= spec.scope == OptionScope::sink; });
  return writing;
}

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? "''" : std::string(1, c);
  return out + '\'';
}

Error at(const Script& script, size_t offset, const Error& error) {
  return Error{error.fault, script.position(offset) + ": " + error.what, error.during};
}

Result<void> merge_options(const Script& script, const ConnectorCall& call, Endpoint& endpoint) {
  auto& options = endpoint.request.options;
  for (const auto& [name, option] : endpoint.request.location.params) {
    options[name] = {option.value, script.position(call.location_offset)};
  }
  for (const auto& option : call.options) {
    auto [entry, added] = options.try_emplace(option.name, RawOption{option.value, script.position(option.offset)});
    if (!added && entry->second.value != option.value) {
      return user_error("{}: option '{}' is also in the location, with another value; give it once",
                        script.position(option.offset), option.name);
    }
  }
  return {};
}

}  // namespace

Result<Endpoint> make_endpoint(const Registry& registry, const Script& script, const ConnectorCall& call,
                               const EndpointUse& use) {
  if (use.streaming && use.side == OptionScope::source && call.connector == "s3") {
    return user_error("{}: s3('…') is read once; a stream follows a bucket with s3queue('…')",
                      script.position(call.begin));
  }
  auto descriptor = registry.connector(call.connector);
  if (!descriptor.ok()) {
    if (std::find(std::begin(kPlanned), std::end(kPlanned), call.connector) != std::end(kPlanned)) {
      return user_error("{}: connector '{}' is not in this version of Sluice yet", script.position(call.begin),
                        call.connector);
    }
    return at(script, call.begin, descriptor.error());
  }
  auto location = parse_location(call.location, call.connector);
  if (!location.ok()) return at(script, call.location_offset, location.error());
  Endpoint endpoint;
  endpoint.connector = call.connector;
  endpoint.request.location = std::move(*location);
  endpoint.request.where = script.position(call.begin);
  endpoint.request.pipeline = use.pipeline;
  endpoint.request.streaming = use.streaming;
  endpoint.request.one_off = use.one_off;
  TRY(merge_options(script, call, endpoint));
  endpoint.text = fmt::format("{}({})", call.connector, quoted(endpoint.request.location.redacted()));
  return endpoint;
}

Endpoint read_back(const Registry& registry, const Endpoint& sink, const std::string& where) {
  Endpoint source = sink;
  source.request.where = where;
  source.request.streaming = false;
  source.request.one_off = false;
  auto drop = [&](RawOptions& options) {
    std::erase_if(options, [&](const auto& item) { return concerns_writing(registry, sink.connector, item.first); });
  };
  drop(source.request.options);
  drop(source.request.location.params);
  return source;
}

std::string render(const Registry& registry, const Endpoint& endpoint) {
  Location location = endpoint.request.location;
  location.params.clear();  // they are among the options
  std::string out = endpoint.connector + '(' + quoted(location.redacted());
  for (const auto& [name, option] : endpoint.request.options) {
    bool secret = is_secret(registry, endpoint.connector, name);
    out += ", " + name + " := " + quoted(secret ? "***" : printable_value(name, option.value));
  }
  return out + ')';
}

}  // namespace sluice::sql
