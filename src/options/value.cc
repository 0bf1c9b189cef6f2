// Single values: the texts people write for booleans, numbers, sizes and times, and back.
#include <charconv>
#include <cstdint>

#include "base/ascii.h"
#include "options/option.h"

namespace sluice {
namespace {

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

struct Unit {
  std::string_view name;
  int64_t factor;
};
constexpr int64_t kKilo = 1024;
constexpr Unit kByteUnits[] = {
    {"", 1},
    {"b", 1},
    {"k", kKilo},
    {"kb", kKilo},
    {"kib", kKilo},
    {"m", kKilo << 10},
    {"mb", kKilo << 10},
    {"mib", kKilo << 10},
    {"g", kKilo << 20},
    {"gb", kKilo << 20},
    {"gib", kKilo << 20},
    {"t", kKilo << 30},
    {"tb", kKilo << 30},
    {"tib", kKilo << 30},
};
constexpr Unit kTimeUnits[] = {
    {"", 1'000}, {"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000},
};

// One "<digits>[.<digits>] <unit>" from the front of `text`, in the smallest unit, rounded down. False when it is not
// one, or does not fit 64 bits.
bool take_quantity(std::string_view& text, std::span<const Unit> units, int64_t* out) {
  size_t at = 0;
  __int128 whole = 0;
  while (at < text.size() && (is_digit(text[at]) || (text[at] == '_' && at > 0))) {
    if (text[at] != '_') whole = whole * 10 + (text[at] - '0');
    if (whole > INT64_MAX) return false;
    ++at;
  }
  if (at == 0) return false;
  __int128 fraction = 0;
  __int128 fraction_of = 1;
  if (at < text.size() && text[at] == '.') {
    const size_t begin = ++at;
    for (; at < text.size() && is_digit(text[at]); ++at) {
      if (at - begin >= 9) return false;
      fraction = fraction * 10 + (text[at] - '0');
      fraction_of *= 10;
    }
    if (at == begin) return false;
  }
  while (at < text.size() && text[at] == ' ') ++at;
  const size_t unit_begin = at;
  while (at < text.size() && ((text[at] >= 'a' && text[at] <= 'z') || (text[at] >= 'A' && text[at] <= 'Z'))) ++at;
  const std::string unit = ascii_lower(text.substr(unit_begin, at - unit_begin));
  for (const Unit& known : units) {
    if (known.name != unit) continue;
    const __int128 value = whole * known.factor + fraction * known.factor / fraction_of;
    if (value > INT64_MAX) return false;
    *out = static_cast<int64_t>(value);
    text.remove_prefix(at);
    return true;
  }
  return false;
}

}  // namespace

Result<bool> parse_boolean(std::string_view text) {
  const std::string value = ascii_lower(trim(text));
  for (std::string_view yes : {"true", "1", "yes", "on"}) {
    if (value == yes) return true;
  }
  for (std::string_view no : {"false", "0", "no", "off"}) {
    if (value == no) return false;
  }
  return user_error("true or false is expected, not '{}'", text);
}

Result<int64_t> parse_integer(std::string_view text) {
  const std::string_view trimmed = trim(text);
  std::string digits;
  bool well_formed = true;
  for (size_t i = 0; i < trimmed.size(); ++i) {
    if (trimmed[i] != '_') {
      digits += trimmed[i];
      continue;
    }
    const bool between = i > 0 && i + 1 < trimmed.size() && is_digit(trimmed[i - 1]) && is_digit(trimmed[i + 1]);
    well_formed = well_formed && between;
  }
  const char* begin = digits.data();
  const char* end = begin + digits.size();
  if (digits.size() > 1 && digits[0] == '+' && is_digit(digits[1])) ++begin;
  int64_t value = 0;
  const auto [stopped, problem] = std::from_chars(begin, end, value);
  if (problem == std::errc::result_out_of_range && stopped == end) {
    return user_error("a whole number of at most 64 bits is expected, not '{}'", text);
  }
  if (!well_formed || problem != std::errc() || stopped != end) {
    return user_error("a whole number is expected, not '{}'", text);
  }
  return value;
}

Result<int64_t> parse_bytes(std::string_view text) {
  std::string_view rest = trim(text);
  int64_t value = 0;
  if (!take_quantity(rest, kByteUnits, &value) || !rest.empty()) {
    return user_error("a size such as 64MB or 1GiB is expected, not '{}'", text);
  }
  return value;
}

Result<Millis> parse_duration(std::string_view text) {
  std::string_view rest = trim(text);
  const bool bare_number = rest.find_first_not_of("0123456789._") == std::string_view::npos;
  int64_t total = 0;
  do {  // "1m 5s" is what format_duration prints, so it is read as well
    int64_t part = 0;
    const bool taken =
        take_quantity(rest, bare_number ? std::span(kTimeUnits) : std::span(kTimeUnits).subspan(1), &part);
    if (!taken || __builtin_add_overflow(total, part, &total)) {
      return user_error("a time such as 500ms, 10s, 5m or 2h is expected, not '{}'", text);
    }
    rest = trim(rest);
  } while (!rest.empty());
  return Millis(total);
}

std::string format_bytes(int64_t bytes) {
  if (bytes < 0) return "-" + format_bytes(bytes == INT64_MIN ? INT64_MAX : -bytes);
  constexpr std::string_view kNames[] = {"B", "KB", "MB", "GB", "TB"};
  size_t unit = 0;
  int64_t factor = 1;
  while (unit + 1 < std::size(kNames) && bytes / factor >= 1024) {
    factor *= 1024;
    ++unit;
  }
  if (bytes % factor == 0) return fmt::format("{} {}", bytes / factor, kNames[unit]);
  return fmt::format("{:.1f} {}", static_cast<double>(bytes) / static_cast<double>(factor), kNames[unit]);
}

std::string format_duration(Millis time) {
  const int64_t ms = time.count();
  if (ms < 0) return "-" + format_duration(Millis(ms == INT64_MIN ? INT64_MAX : -ms));
  if (ms < 1'000) return fmt::format("{}ms", ms);
  if (ms < 60'000) {
    return ms % 1'000 == 0 ? fmt::format("{}s", ms / 1'000) : fmt::format("{}.{}s", ms / 1'000, ms % 1'000 / 100);
  }
  struct Pair {
    int64_t big;
    std::string_view big_name;
    int64_t small;
    std::string_view small_name;
  };
  constexpr Pair kPairs[] = {
      {86'400'000, "d", 3'600'000, "h"}, {3'600'000, "h", 60'000, "m"}, {60'000, "m", 1'000, "s"}};
  for (const Pair& pair : kPairs) {
    if (ms < pair.big) continue;
    const int64_t small = ms % pair.big / pair.small;
    if (small == 0) return fmt::format("{}{}", ms / pair.big, pair.big_name);
    return fmt::format("{}{} {}{}", ms / pair.big, pair.big_name, small, pair.small_name);
  }
  return fmt::format("{}ms", ms);
}

}  // namespace sluice
