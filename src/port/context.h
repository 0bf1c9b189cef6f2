// What every component is given. Passed by reference, kept by nobody beyond the call unless it says so.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "base/budget.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

namespace sluice {

class Registry;

struct Context {
  std::stop_token stop;  // every blocking call returns within a second of a request
  Clock& clock;
  Log log;
  Metrics& metrics;
  Budget& memory;
  const Registry& registry;
  std::string pipeline;  // empty outside of one; groups, slots and object names derive from it
};

// Kill points of the crash tests: when SLUICE_CRASH_AT names `point` (optionally "point:n" for its n-th visit), the
// process dies here as by kill -9. SLUICE_CRASH_LOG names a file that gets a line for every visit, so that the tests
// can find all points by themselves.
void crash_point(const char* point);

using Deadline = SteadyTime;

}  // namespace sluice
