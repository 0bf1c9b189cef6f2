// The store's battery against real S3 servers: versitygw and moto, where `tools/deps test` installed them.
#include "port/conformance/store_battery.h"
#include "store/s3/s3.h"
#include "store/s3/test_service.h"

namespace sluice::conformance {
namespace {

StoreCase case_of(const std::string& name) {
  auto open = [name](const std::string&) -> Result<std::unique_ptr<Store>> {
    auto& server = s3_servers()->get(name);
    ::setenv("SLUICE_SPOOL", server.spool().c_str(), 1);
    auto descriptor = s3_store();
    auto options = TRY(OptionValues::parse("s3", descriptor.options, OptionScope::both, server.options()));
    return descriptor.create(Location{.scheme = "s3"}, options);
  };
  auto path = [](const std::string& folder, const std::string& file) { return kS3Bucket + folder + "/lake/" + file; };
  auto missing = [name] {
    auto& server = s3_servers()->get(name);
    return server.running() ? std::string() : server.program() + " is not installed: run tools/deps test";
  };
  return {name, open, path, missing};
}

INSTANTIATE_TEST_SUITE_P(Servers, StoreBattery, testing::Values(case_of("versitygw"), case_of("moto")),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sluice::conformance
