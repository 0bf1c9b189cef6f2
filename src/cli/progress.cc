#include "cli/progress.h"

#include <unistd.h>

#include <cmath>
#include <utility>

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

ProgressDisplay::Style ProgressDisplay::style_of(std::FILE* stream) {
  return ::isatty(::fileno(stream)) != 0 ? Style::line : Style::plain;
}

ProgressDisplay::ProgressDisplay(Style style) : style_(style) {
  if (style_ != Style::none) thread_ = std::jthread([this](std::stop_token stop) { show(std::move(stop)); });
}

ProgressDisplay::~ProgressDisplay() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void ProgressDisplay::show(std::stop_token stop) {
  const Millis every = style_ == Style::line ? Millis(200) : Millis(10'000);
  while (system_clock().sleep(every, stop)) {
    const std::lock_guard lock(mutex_);
    if (!runs_.empty()) print();
  }
}

void ProgressDisplay::print() {
  std::string line;
  for (const auto& run : runs_) {
    const double seconds = std::chrono::duration<double>(system_clock().steady() - run.began).count();
    const auto text = run.name + ": " +
                      progress_text(run.counters.rows_read, run.counters.bytes_read, run.counters.bytes_total, seconds);
    if (style_ == Style::plain) std::fprintf(stderr, "%s\n", text.c_str());
    line += (line.empty() ? "" : "  |  ") + text;
  }
  if (style_ == Style::line) {
    // What is wider than the terminal is cut: a second line of it would not be rewritten.
    std::fprintf(stderr, "\r\033[K\033[?7l%s\033[?7h", line.c_str());
    shown_ = true;
  }
  std::fflush(stderr);
}

void ProgressDisplay::erase() {
  if (std::exchange(shown_, false)) std::fputs("\r\033[K", stderr);
}

RunProgress::RunProgress(ProgressDisplay& display, std::string name, const RunCounters& counters) : display_(display) {
  const std::lock_guard lock(display_.mutex_);
  run_ = display_.runs_.insert(display_.runs_.end(), {std::move(name), counters, system_clock().steady()});
}

RunProgress::~RunProgress() {
  const std::lock_guard lock(display_.mutex_);
  display_.runs_.erase(run_);
  display_.erase();  // the next round shows the others
}

}  // namespace sluice
