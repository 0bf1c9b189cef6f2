// A Context for tests: real clock, no log, a metrics registry and a memory budget of its own.
#pragma once

#include <memory>
#include <string>

#include "port/context.h"
#include "port/registry.h"

namespace sluice::conformance {

class TestContext {
 public:
  explicit TestContext(std::string pipeline = "battery", int64_t memory = 256 << 20)
      : memory_(memory),
        context_{stop_.get_token(), system_clock(), Log(), metrics_, memory_, registry_, std::move(pipeline)} {}
  TestContext(const TestContext&) = delete;
  TestContext& operator=(const TestContext&) = delete;

  operator Context&() { return context_; }  // NOLINT(google-explicit-constructor): stands for a Context everywhere
  void request_stop() { stop_.request_stop(); }
  Budget& memory() { return memory_; }
  Registry& registry() { return registry_; }

 private:
  std::stop_source stop_;
  Metrics metrics_;
  Budget memory_;
  Registry registry_;
  Context context_;
};

}  // namespace sluice::conformance
