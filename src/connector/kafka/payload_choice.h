// The formats of values and keys, each with what was said to it.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "port/registry.h"

namespace sluice::kafka {

// Format objects are made per place.
struct PayloadChoice {
  const PayloadDescriptor* descriptor = nullptr;
  OptionValues options;

  [[nodiscard]] Result<std::unique_ptr<PayloadFormat>> create(const std::string& topic, bool key) const {
    return descriptor->create(options, {topic, key});
  }
};

bool declares(const PayloadDescriptor& format, std::string_view option);

// The format that `option` names, or `fallback`.
Result<const PayloadDescriptor*> payload_named(const Registry& registry, const RawOptions& raw, std::string_view option,
                                               std::string_view fallback);

// Options of the key's format are written with key_ in front. Where registries are and how to log in to them is said
// once, for values and keys; a sink's other options hold for both, too, but for those that say what a value is made of.
// Appends them under the names they may have, which `names` holds.
void add_key_options(const PayloadDescriptor& key, OptionScope side, std::deque<std::string>& names,
                     std::vector<OptionSpec>& all);
Result<PayloadChoice> key_choice(const PayloadDescriptor& key, OptionScope side, const RawOptions& raw);

}  // namespace sluice::kafka
