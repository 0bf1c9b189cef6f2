#include "base/log.h"

#include <cstdio>
#include <mutex>

#include "base/clock.h"
#include "base/json_string.h"

namespace sluice {

struct Log::Core {
  LogLevel level = LogLevel::off;
  LogFormat format = LogFormat::text;
  std::mutex mutex;  // one line at a time on stderr
};

namespace {

constexpr std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warn:
      return "warn";
    case LogLevel::error:
      return "error";
    case LogLevel::off:
      return "off";
  }
  return "off";
}

void append_json_field(std::string& out, const LogField& field) {
  out += ',';
  append_json_string(field.key, out);
  out += ':';
  if (field.quoted) {
    append_json_string(field.value, out);
  } else {
    out += field.value;
  }
}

void append_text_field(std::string& out, const LogField& field) {
  bool plain = !field.value.empty() && field.value.find_first_of(" \"=\n\t") == std::string::npos;
  out += ' ' + field.key + '=';
  if (plain) {
    out += field.value;
  } else {
    append_json_string(field.value, out);
  }
}

}  // namespace

Log::Log() : core_(std::make_shared<Core>()) {}

Log Log::to_stderr(LogLevel level, LogFormat format) {
  Log log;
  log.core_->level = level;
  log.core_->format = format;
  return log;
}

Log Log::with(Fields fields) const {
  Log child = *this;
  child.bound_.insert(child.bound_.end(), fields.begin(), fields.end());
  return child;
}

bool Log::enabled(LogLevel level) const { return level >= core_->level && core_->level != LogLevel::off; }

void Log::write(LogLevel level, std::string_view message, Fields fields) const {
  if (!enabled(level)) return;
  std::string line;
  if (core_->format == LogFormat::json) {
    line = fmt::format(R"({{"time":"{}","level":"{}","message":)", format_utc(system_clock().wall()), name_of(level));
    append_json_string(message, line);
    for (const auto& field : bound_) append_json_field(line, field);
    for (const auto& field : fields) append_json_field(line, field);
    line += "}\n";
  } else {
    line = fmt::format("{} {:5} {}", format_utc(system_clock().wall()), name_of(level), message);
    for (const auto& field : bound_) append_text_field(line, field);
    for (const auto& field : fields) append_text_field(line, field);
    line += '\n';
  }
  std::lock_guard lock(core_->mutex);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace sluice
