// Shows how runs get on, on stderr: on a terminal one line for all of them, rewritten in place, elsewhere a plain line
// each every ten seconds.
#pragma once

#include <cstdio>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.h"
#include "flow/lane.h"

namespace sluice {

// Its thread reads the runs' counters only, and ends with the object.
class ProgressDisplay {
 public:
  enum class Style { none, line, plain };
  static Style style_of(std::FILE* stream);

  explicit ProgressDisplay(Style style);
  ~ProgressDisplay();
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

 private:
  friend class RunProgress;
  struct Run {
    std::string name;
    const RunCounters& counters;
    SteadyTime began;
  };
  void show(std::stop_token stop);
  void print();
  void erase();

  const Style style_;
  std::mutex mutex_;
  std::list<Run> runs_;
  bool shown_ = false;  // the line stands there
  std::jthread thread_;
};

// A run that is shown, as long as this lives.
class RunProgress {
 public:
  RunProgress(ProgressDisplay& display, std::string name, const RunCounters& counters);
  ~RunProgress();
  RunProgress(const RunProgress&) = delete;
  RunProgress& operator=(const RunProgress&) = delete;

 private:
  ProgressDisplay& display_;
  std::list<ProgressDisplay::Run>::iterator run_;
};

// "1,234,567 rows  512 MB  85 MB/s  42%  3s left"
std::string progress_text(int64_t rows, int64_t bytes, int64_t bytes_total, double seconds);

}  // namespace sluice
