// What every object of the public API stands on: components, memory, a clock. Shared by the objects made from one
// another; no thread of its own.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "port/context.h"
#include "port/coordinator.h"
#include "port/registry.h"

namespace sluice::api {

class Runtime {
 public:
  explicit Runtime(int64_t memory_bytes = int64_t{1} << 30);
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  Context context(std::string pipeline = {});
  [[nodiscard]] const Registry& registry() const { return registry_; }
  void request_stop() { stop_.request_stop(); }

 private:
  const Registry registry_;
  std::stop_source stop_;
  Metrics metrics_;
  Budget memory_;
};

// A location as connectors take it.
Result<ConnectorRequest> request_of(std::string_view uri);

// "sqlite:PATH" or "postgresql://…"; another kind of store is an error.
Result<std::unique_ptr<Coordinator>> open_state(const std::string& state);

}  // namespace sluice::api
