// Every format and store of the registry, and every state store, passes the battery of its kind: a new one is tested by
// being listed.
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>

#include "app/components.h"
#include "cli/state_store.h"
#include "port/conformance/coordinator_battery.h"
#include "port/conformance/format_battery.h"
#include "port/conformance/store_battery.h"
#include "postgres/target.h"

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

Result<void> empty_state_of(const std::string& url) {
  auto options = TRY(OptionValues::parse("test", postgres::connection_option_specs(), OptionScope::both, {}));
  auto connection = TRY(postgres::target_of(TRY(parse_location(url)), options, "test").connect({}));
  TRY(connection->query("DROP SCHEMA IF EXISTS sluice CASCADE"));
  return {};
}

// Where the state of this folder's test is; of a server it is the only one, and emptied for each test.
Result<std::string> state_of(std::string_view kind, const std::string& folder) {
  if (kind == "sqlite") return "sqlite:" + folder + "/deep/state.db";
  const char* url = kind == "postgresql" ? std::getenv("SLUICE_TEST_POSTGRES") : nullptr;
  if (url == nullptr) return bug("no place is known here for a state store of the kind '{}'", kind);
  static std::mutex mutex;
  static std::string current;
  const std::lock_guard lock(mutex);
  if (std::exchange(current, folder) != folder) TRY(empty_state_of(url));
  return std::string(url);
}

std::vector<CoordinatorCase> all_state_stores() {
  std::vector<CoordinatorCase> cases;
  for (const auto& kind : state_store_kinds()) {
    const std::string name(kind.name);
    // tests/e2e/test_batteries.py starts a server.
    if (name == "postgresql" && std::getenv("SLUICE_TEST_POSTGRES") == nullptr) continue;
    cases.push_back({name, [name](const std::string& folder) -> Result<std::unique_ptr<Coordinator>> {
                       return open_state_store(TRY(state_of(name, folder)));
                     }});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Registry, CoordinatorBattery, testing::ValuesIn(all_state_stores()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sluice::conformance
