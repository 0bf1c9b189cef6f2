// An option is declared once, as data. Parsing, validation, "did you mean", defaults, --help, the generated reference
// and redaction all read the declaration; a component only ever sees the finished OptionValues.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"

namespace sluice {

enum class OptionKind {
  text,      // any text
  boolean,   // true|false|1|0|yes|no|on|off
  integer,   // 64 bits, optionally with _ between digits
  bytes,     // 64MB, 1GiB, 1048576   (MB and MiB both mean 2^20: people who write 256MB mean the power of two)
  duration,  // 500ms, 10s, 5m, 2h, 1d; a bare number is seconds
  choice,    // one of `choices`
  list,      // a, b, c   (SQL also: ['a', 'b'])
  secret,    // text that is never printed; env:NAME and file:PATH are resolved when it is read
};

enum class OptionScope { source, sink, both };

struct OptionSpec {
  std::string_view name;
  OptionKind kind = OptionKind::text;
  std::string_view default_value = {};  // as a user would write it; empty: no default
  std::string_view doc = {};            // one sentence, ends with a full stop
  OptionScope scope = OptionScope::both;
  bool required = false;
  std::vector<std::string_view> choices = {};
  int64_t min = INT64_MIN;  // for integer, bytes, duration (milliseconds)
  int64_t max = INT64_MAX;
  bool open_prefix = false;  // "rdkafka." style: any option that starts with `name` is accepted as text
};

// Where an option was written, for errors: "orders.sql:3:12", "--memory", "sluice.yaml:7:3", "the URI".
struct RawOption {
  std::string value;
  std::string where;
};
using RawOptions = std::map<std::string, RawOption, std::less<>>;

// Options after parsing: each declared one has a value of its kind, or is unset when it has neither value nor default.
// Asking for an undeclared name, or with the wrong kind, is our bug and aborts.
class OptionValues {
 public:
  // `component` names the owner in errors: "unknown option 'slto' for postgresql; did you mean 'slot'?".
  // `side` filters by scope: a sink option given to a source is an error that says so; options of the other side have
  // their defaults. Of two declarations with one name on the same side the first counts. An env: or file: secret that
  // cannot be had is an error naming the option only.
  static Result<OptionValues> parse(std::string_view component, std::span<const OptionSpec> specs, OptionScope side,
                                    const RawOptions& raw);

  [[nodiscard]] bool has(std::string_view name) const;                 // a value or a default
  [[nodiscard]] bool is_given(std::string_view name) const;            // the user wrote it
  [[nodiscard]] const std::string& text(std::string_view name) const;  // text and choice
  [[nodiscard]] bool boolean(std::string_view name) const;
  [[nodiscard]] int64_t integer(std::string_view name) const;
  [[nodiscard]] int64_t bytes(std::string_view name) const;
  [[nodiscard]] Millis duration(std::string_view name) const;
  [[nodiscard]] const std::vector<std::string>& list(std::string_view name) const;
  [[nodiscard]] const Secret& secret(std::string_view name) const;
  // The options of an open prefix, with the prefix removed.
  [[nodiscard]] const std::map<std::string, std::string>& prefixed(std::string_view prefix) const;
  [[nodiscard]] const std::string& where(std::string_view name) const;  // where it was written; empty for a default

  // "name=value" pairs that the user gave, sorted, joined by ", ", values quoted where needed, secrets (by kind or by
  // name) as ***: part of a pipeline's recorded definition.
  [[nodiscard]] std::string render_given() const;

 private:
  struct Value {
    OptionKind kind = OptionKind::text;
    bool open_prefix = false;
    bool given = false;
    bool set = false;
    std::string text;
    int64_t number = 0;  // boolean, integer, bytes, duration in milliseconds
    std::vector<std::string> list;
    Secret secret;
    std::map<std::string, std::string> prefixed;
    std::string where;
  };
  const Value& find(std::string_view name) const;
  const Value& find(std::string_view name, OptionKind kind) const;
  static Result<void> read_value(std::string_view component, const OptionSpec& spec, const std::string& text,
                                 Value* value);
  std::map<std::string, Value, std::less<>> values_;
};

// Single values, for flags and configuration that are not in a component's list. Errors are one sentence without place.
Result<bool> parse_boolean(std::string_view text);
Result<int64_t> parse_integer(std::string_view text);
Result<int64_t> parse_bytes(std::string_view text);
Result<Millis> parse_duration(std::string_view text);
std::string format_bytes(int64_t bytes);   // "64 MB"
std::string format_duration(Millis time);  // "1m 5s", "350ms"

// The candidate nearest to `name` (edit distance at most a third of its length), or empty.
std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace sluice
