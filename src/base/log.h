// Logs: a constant message plus fields, as text or JSON lines on stderr. Never a secret: pass Secret, it prints "***".
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace sluice {

enum class LogLevel { debug, info, warn, error, off };
enum class LogFormat { text, json };

struct LogField {
  std::string key;
  std::string value;
  bool quoted = true;  // false: a number or boolean, printed bare in JSON

  template <typename T>
  LogField(std::string_view k, const T& v) : key(k), value(fmt::format("{}", v)), quoted(!std::is_arithmetic_v<T>) {}
};

// Cheap to copy; with() makes a child that carries more fields. Thread-safe.
class Log {
 public:
  using Fields = std::initializer_list<LogField>;

  Log();  // discards everything
  static Log to_stderr(LogLevel level, LogFormat format);

  [[nodiscard]] Log with(Fields fields) const;
  [[nodiscard]] bool enabled(LogLevel level) const;

  void debug(std::string_view message, Fields fields = {}) const { write(LogLevel::debug, message, fields); }
  void info(std::string_view message, Fields fields = {}) const { write(LogLevel::info, message, fields); }
  void warn(std::string_view message, Fields fields = {}) const { write(LogLevel::warn, message, fields); }
  void error(std::string_view message, Fields fields = {}) const { write(LogLevel::error, message, fields); }

 private:
  struct Core;
  void write(LogLevel level, std::string_view message, Fields fields) const;

  std::shared_ptr<Core> core_;
  std::vector<LogField> bound_;
};

}  // namespace sluice
