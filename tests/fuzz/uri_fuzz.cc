// Locations and options from arbitrary text. The first byte chooses the connector, the first line is the location, the
// others are name=value options.
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "options/location.h"
#include "options/option.h"

namespace {

using namespace sluice;

constexpr std::array<std::string_view, 7> kConnectors = {"", "file", "s3", "s3queue", "postgresql", "kafka", "sqlite"};

const std::vector<OptionSpec>& specs() {
  static const std::vector<OptionSpec> kSpecs = {
      {.name = "table", .doc = "Text."},
      {.name = "watch", .kind = OptionKind::boolean, .default_value = "false", .doc = "Boolean."},
      {.name = "rows", .kind = OptionKind::integer, .doc = "Integer.", .min = -5, .max = 1'000},
      {.name = "size", .kind = OptionKind::bytes, .default_value = "64MB", .doc = "Bytes.", .min = 1},
      {.name = "age", .kind = OptionKind::duration, .doc = "Duration.", .scope = OptionScope::sink, .max = 60'000},
      {.name = "mode", .kind = OptionKind::choice, .doc = "Choice.", .choices = {"append", "upsert"}},
      {.name = "columns", .kind = OptionKind::list, .doc = "List."},
      {.name = "secret_key", .kind = OptionKind::secret, .doc = "Secret."},
      {.name = "rdkafka.", .doc = "Prefix.", .open_prefix = true},
  };
  return kSpecs;
}

// Text that is printed with any other password, too, is no password that got out.
bool stands_elsewhere(Location location, const std::string& password) {
  location.password = Secret("x");
  return location.redacted().find(password) != std::string::npos;
}

void check_location(std::string_view text, std::string_view connector) {
  const auto parsed = parse_location(text, connector);
  if (!parsed.ok()) {
    CHECK(parsed.error().fault == Fault::user && !parsed.error().what.empty());
    return;
  }
  const Location& location = parsed.value();
  const std::string redacted = location.redacted();
  const std::string& password = location.password.reveal();
  constexpr size_t kTooShortToTell = 6;
  if (password.size() >= kTooShortToTell && !stands_elsewhere(location, password)) {
    CHECK(redacted.find(password) == std::string::npos);
  }
  // A relative path with a ':' may look like a scheme.
  if (redacted.find("://") == std::string::npos && location.path.find(':') != std::string::npos) return;
  if (location.scheme == "file" && !location.path.starts_with('/') && location.path.find(':') != std::string::npos)
    return;
  auto again = parse_location(redacted);
  CHECK(again.ok());
  CHECK(again.value().redacted() == redacted);
  CHECK(again.value().path == location.path || location.scheme == "sqlite");
  CHECK(again.value().hosts == location.hosts && again.value().user == location.user);
}

// However badly a password is encoded, neither an error nor the redacted form repeats it. (A '?' in it is where the
// parameters begin; past that point nobody can tell.)
void check_password(std::string_view around) {
  constexpr std::string_view kSentinel = "hunter2hunter2";
  if (around.find('?') != std::string_view::npos || around.find(kSentinel) != std::string_view::npos) return;
  const std::string_view before = around.substr(0, around.size() / 2);
  const std::string_view after = around.substr(around.size() / 2);
  const auto parsed = parse_location(fmt::format("postgresql://u:{}{}{}@h:5432/db", before, kSentinel, after));
  const std::string shown = parsed.ok() ? parsed.value().redacted() : parsed.error().what;
  CHECK(shown.find(kSentinel) == std::string::npos);
}

void check_options(std::string_view lines, OptionScope side) {
  RawOptions raw;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view value = line.substr(equals + 1);
    if (value.starts_with("file:")) continue;  // would open files by arbitrary names
    raw[std::string(line.substr(0, equals))] = {std::string(value), "fuzz:1:1"};
  }
  const auto parsed = OptionValues::parse("fuzz", specs(), side, raw);
  if (!parsed.ok()) {
    CHECK(parsed.error().fault == Fault::user && parsed.error().what.starts_with("fuzz:1:1: "));
    return;
  }
  const OptionValues& values = parsed.value();
  if (values.has("rows")) CHECK(values.integer("rows") >= -5 && values.integer("rows") <= 1'000);
  CHECK(values.bytes("size") >= 1);
  if (values.has("mode")) CHECK(values.text("mode") == "append" || values.text("mode") == "upsert");
  const std::string rendered = values.render_given();
  if (values.is_given("secret_key")) CHECK(rendered.find("secret_key=") != std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string_view first_line = text.substr(0, text.find('\n'));
  check_location(first_line, kConnectors[data[0] % kConnectors.size()]);
  check_password(first_line);
  check_options(text.substr(std::min(first_line.size() + 1, text.size())),
                data[0] < 128 ? OptionScope::source : OptionScope::sink);
  return 0;
}
