// Shows how a run gets on, on stderr: one line rewritten in place on a terminal, a plain line every ten seconds
// elsewhere. Its thread reads counters only; it ends with the object.
#pragma once

#include <cstdio>
#include <string>
#include <thread>

#include "flow/lane.h"

namespace sluice {

class RunProgress {
 public:
  enum class Style { none, line, plain };
  static Style style_of(std::FILE* stream);

  RunProgress(Style style, std::string name, const RunCounters& counters);
  ~RunProgress();
  RunProgress(const RunProgress&) = delete;
  RunProgress& operator=(const RunProgress&) = delete;

 private:
  void show(std::stop_token stop);

  Style style_;
  std::string name_;
  const RunCounters& counters_;
  std::jthread thread_;
};

// "1,234,567 rows  512 MB  85 MB/s  42%  3s left"
std::string progress_text(int64_t rows, int64_t bytes, int64_t bytes_total, double seconds);

}  // namespace sluice
