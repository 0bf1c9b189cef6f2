// Time enters the program here and nowhere else, so that tests can own it.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>

namespace sluice {

using Millis = std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::sys_time<std::chrono::microseconds>;  // UTC, always

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual SteadyTime steady() const = 0;  // for intervals and deadlines
  [[nodiscard]] virtual WallTime wall() const = 0;      // for data: arrival times, names, logs
  // Returns early (false) when stop is requested.
  virtual bool sleep(Millis time, const std::stop_token& stop) = 0;
};

// The machine's own clocks. Lives for the whole process.
Clock& system_clock();

// "2026-01-31T23:59:59.123Z"
std::string format_utc(WallTime time);

}  // namespace sluice
