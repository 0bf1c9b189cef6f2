// Every format and store of the registry passes the battery of its kind: a new one is tested by being listed.
#include <map>
#include <set>

#include "app/components.h"
#include "port/conformance/format_battery.h"
#include "port/conformance/store_battery.h"

namespace sluice::conformance {
namespace {

std::vector<FormatCase> all_formats() {
  // What a format cannot bring back is its policy, stated in its reference; everything else it has to.
  const std::map<std::string_view, RawOptions> options = {{"json", {{"nan", {"text", "here"}}}}};
  // One column of text has no schema to battle with; format/text tests itself.
  const std::map<std::string_view, std::set<Hard>> cannot = {{"csv", {Hard::nested}}, {"tsv", {Hard::nested}}};
  std::vector<FormatCase> cases;
  const Registry registry = all_components();
  for (const auto& format : registry.formats()) {
    if (format.name == "text") continue;
    auto given = options.find(format.name);
    auto lacking = cannot.find(format.name);
    cases.push_back({std::string(format.name), format, lacking == cannot.end() ? std::set<Hard>{} : lacking->second,
                     given == options.end() ? RawOptions{} : given->second});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Registry, FormatBattery, testing::ValuesIn(all_formats()),
                         [](const auto& info) { return info.param.name; });

std::vector<StoreCase> all_stores() {
  std::vector<StoreCase> cases;
  const Registry registry = all_components();
  for (const auto& store : registry.stores()) {
    if (store.scheme == "s3") continue;  // needs a server: store/s3/service_test.cc
    auto create = [store](const std::string&) -> Result<std::unique_ptr<Store>> {
      auto options = TRY(OptionValues::parse(store.scheme, store.options, OptionScope::both, {}));
      Location location;
      location.scheme = store.scheme;
      return store.create(location, options);
    };
    auto path = [](const std::string& folder, const std::string& name) { return folder + "/lake/" + name; };
    cases.push_back({std::string(store.scheme), create, path});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Registry, StoreBattery, testing::ValuesIn(all_stores()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sluice::conformance
