#include "cli/progress.h"

#include <unistd.h>

#include <cmath>

#include "base/clock.h"
#include "options/option.h"

namespace sluice {

std::string progress_text(int64_t rows, int64_t bytes, int64_t bytes_total, double seconds) {
  std::string text = fmt::format("{} rows  {}", rows, format_bytes(bytes));
  if (seconds <= 0) return text;
  text += fmt::format("  {:.0f} rows/s  {}/s", static_cast<double>(rows) / seconds,
                      format_bytes(static_cast<int64_t>(static_cast<double>(bytes) / seconds)));
  if (bytes_total <= 0 || bytes <= 0) return text;
  double done = std::min(1.0, static_cast<double>(bytes) / static_cast<double>(bytes_total));
  // Whole seconds, and never none while something is left.
  const auto left = static_cast<int64_t>(std::ceil(seconds * (1 - done) / done));
  text += fmt::format("  {:.0f}%", std::floor(done * 100));
  return left == 0 ? text : text + fmt::format("  {} left", format_duration(std::chrono::seconds(left)));
}

RunProgress::Style RunProgress::style_of(std::FILE* stream) {
  return ::isatty(::fileno(stream)) != 0 ? Style::line : Style::plain;
}

RunProgress::RunProgress(Style style, std::string name, const RunCounters& counters)
    : style_(style), name_(std::move(name)), counters_(counters) {
  if (style_ != Style::none) thread_ = std::jthread([this](std::stop_token stop) { show(std::move(stop)); });
}

RunProgress::~RunProgress() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void RunProgress::show(std::stop_token stop) {
  const auto began = system_clock().steady();
  const Millis every = style_ == Style::line ? Millis(200) : Millis(10'000);
  bool shown = false;
  while (system_clock().sleep(every, stop)) {
    double seconds = std::chrono::duration<double>(system_clock().steady() - began).count();
    auto text = progress_text(counters_.rows_read, counters_.bytes_read, counters_.bytes_total, seconds);
    std::fprintf(stderr, style_ == Style::line ? "\r\033[K%s: %s" : "%s: %s\n", name_.c_str(), text.c_str());
    std::fflush(stderr);
    shown = true;
  }
  if (shown && style_ == Style::line) std::fputs("\r\033[K", stderr);
}

}  // namespace sluice
