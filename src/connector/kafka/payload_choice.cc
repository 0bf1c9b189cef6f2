#include "connector/kafka/payload_choice.h"

#include <algorithm>

namespace sluice::kafka {
namespace {

constexpr std::string_view kOfTheValue[] = {"column", "columns", "schema_file", "message", "record_name"};

std::string key_option(std::string_view name) { return "key_" + std::string(name); }

bool is_shared(std::string_view option, OptionScope side) {
  if (side == OptionScope::source) return option.starts_with("schema_registry");
  return std::find(std::begin(kOfTheValue), std::end(kOfTheValue), option) == std::end(kOfTheValue);
}

}  // namespace

bool declares(const PayloadDescriptor& format, std::string_view option) {
  return std::any_of(format.options.begin(), format.options.end(),
                     [&](const OptionSpec& spec) { return spec.name == option; });
}

Result<const PayloadDescriptor*> payload_named(const Registry& registry, const RawOptions& raw, std::string_view option,
                                               std::string_view fallback) {
  const auto given = raw.find(option);
  if (given == raw.end()) return registry.payload(fallback);
  auto found = registry.payload(given->second.value);
  if (found.ok()) return found;
  return user_error("{}: {}", given->second.where, found.error().what);
}

void add_key_options(const PayloadDescriptor& key, OptionScope side, std::deque<std::string>& names,
                     std::vector<OptionSpec>& all) {
  for (auto spec : key.options) {
    if (is_shared(spec.name, side)) all.push_back(spec);
    spec.name = names.emplace_back(key_option(spec.name));
    spec.required = false;
    all.push_back(spec);
  }
}

Result<PayloadChoice> key_choice(const PayloadDescriptor& key, OptionScope side, const RawOptions& raw) {
  PayloadChoice choice{&key, {}};
  RawOptions own;
  for (const auto& spec : key.options) {
    if (auto given = raw.find(key_option(spec.name)); given != raw.end()) {
      own[std::string(spec.name)] = given->second;
    } else if (auto shared = raw.find(spec.name); shared != raw.end() && is_shared(spec.name, side)) {
      own[std::string(spec.name)] = shared->second;
    }
  }
  choice.options = TRY(OptionValues::parse("key_format", key.options, side, own));
  return choice;
}

}  // namespace sluice::kafka
