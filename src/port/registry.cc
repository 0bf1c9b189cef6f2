#include "port/registry.h"

#include <algorithm>

#include "port/plan.h"

namespace sluice {
namespace {

template <typename Item, typename Name>
Error unknown(std::string_view what, std::string_view name, const std::vector<Item>& items, Name name_of) {
  std::vector<std::string_view> names;
  for (const auto& item : items) names.push_back(name_of(item));
  auto near = nearest(name, names);
  if (!near.empty()) return user_error("unknown {} '{}'; did you mean '{}'?", what, name, near);
  return user_error("unknown {} '{}'; there are: {}", what, name, fmt::join(names, ", "));
}

constexpr const char* kRateLimit = "rate_limit";

// Every source's, and no connector's.
Result<std::unique_ptr<RateLimit>> take_rate_limit(ConnectorRequest* request) {
  auto in_uri = request->location.params.extract(kRateLimit);
  auto in_statement = request->options.extract(kRateLimit);
  if (in_uri.empty() && in_statement.empty()) return nullptr;
  if (!in_uri.empty() && !in_statement.empty() && in_uri.mapped().value != in_statement.mapped().value) {
    return user_error("{}: option 'rate_limit' is '{}' in {} and '{}' here; give it once", in_statement.mapped().where,
                      in_uri.mapped().value, in_uri.mapped().where, in_statement.mapped().value);
  }
  const auto& given = in_statement.empty() ? in_uri.mapped() : in_statement.mapped();
  auto limit = RateLimit::parse(given.value);
  if (!limit.ok()) return user_error("{}: {}", given.where, limit.error().what);
  return limit;
}

}  // namespace

void Registry::add(ConnectorDescriptor connector) {
  if (connector.create_source != nullptr) {
    connector.options.push_back(
        {.name = kRateLimit, .doc = "Read no faster than this: 10MB/s, or 5000 rows/s.", .scope = OptionScope::source});
  }
  connectors_.push_back(std::move(connector));
}
void Registry::add(FormatDescriptor format) { formats_.push_back(std::move(format)); }
void Registry::add(PayloadDescriptor payload) { payloads_.push_back(std::move(payload)); }
void Registry::add(StoreDescriptor store) { stores_.push_back(std::move(store)); }

Result<const ConnectorDescriptor*> Registry::connector(std::string_view name) const {
  for (const auto& item : connectors_) {
    if (item.name == name) return &item;
  }
  return unknown("connector", name, connectors_, [](const auto& item) { return item.name; });
}

Result<const ConnectorDescriptor*> Registry::connector_of_scheme(std::string_view scheme) const {
  for (const auto& item : connectors_) {
    if (std::find(item.schemes.begin(), item.schemes.end(), scheme) != item.schemes.end()) return &item;
  }
  return unknown("location scheme", scheme, connectors_, [](const auto& item) { return item.name; });
}

Result<const FormatDescriptor*> Registry::format(std::string_view name) const {
  for (const auto& item : formats_) {
    if (item.name == name) return &item;
  }
  return unknown("format", name, formats_, [](const auto& item) { return item.name; });
}

const FormatDescriptor* Registry::format_of_extension(std::string_view path) const {
  for (const auto& item : formats_) {
    for (auto extension : item.extensions) {
      if (path.ends_with(extension)) return &item;
    }
  }
  return nullptr;
}

Result<const PayloadDescriptor*> Registry::payload(std::string_view name) const {
  for (const auto& item : payloads_) {
    if (item.name == name) return &item;
  }
  return unknown("payload format", name, payloads_, [](const auto& item) { return item.name; });
}

Result<const StoreDescriptor*> Registry::store(std::string_view scheme) const {
  for (const auto& item : stores_) {
    if (item.scheme == scheme) return &item;
  }
  return unknown("store", scheme, stores_, [](const auto& item) { return item.scheme; });
}

Result<std::unique_ptr<Source>> Registry::create_source(const ConnectorRequest& request) const {
  const auto* item = TRY(connector_of_scheme(request.location.scheme));
  if (item->create_source == nullptr) return user_error("{}: {} can only be written to", request.where, item->name);
  auto own = request;
  auto limit = TRY(take_rate_limit(&own));
  auto source = TRY(item->create_source(*this, own));
  source->set_rate_limit(std::move(limit));
  return source;
}

Result<std::unique_ptr<Sink>> Registry::create_sink(const ConnectorRequest& request) const {
  const auto* item = TRY(connector_of_scheme(request.location.scheme));
  if (item->create_sink == nullptr) return user_error("{}: {} can only be read from", request.where, item->name);
  for (const auto& raw : {request.options, request.location.params}) {
    auto given = raw.find(kRateLimit);
    if (given != raw.end()) return user_error("{}: rate_limit is for sources", given->second.where);
  }
  return item->create_sink(*this, request);
}

}  // namespace sluice
