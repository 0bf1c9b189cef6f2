#include "options/option.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>

#include "options/redact.h"

namespace sluice {
namespace {

bool serves(OptionScope scope, OptionScope side) {
  return scope == OptionScope::both || side == OptionScope::both || scope == side;
}

std::string at(const std::string& where) { return where.empty() ? "" : where + ": "; }

template <typename Range>
std::string join(const Range& words) {
  std::string out;
  for (const auto& word : words) {
    if (!out.empty()) out += ", ";
    out += word;
  }
  return out;
}

// The declaration that `name` falls under on this side. The first one wins when a name is declared twice.
const OptionSpec* find_spec(std::span<const OptionSpec> specs, OptionScope side, std::string_view name) {
  const OptionSpec* prefix = nullptr;
  for (const OptionSpec& spec : specs) {
    if (!serves(spec.scope, side)) continue;
    if (!spec.open_prefix && spec.name == name) return &spec;
    const bool fits = spec.open_prefix && name.size() > spec.name.size() && name.starts_with(spec.name);
    if (fits && (prefix == nullptr || prefix->name.size() < spec.name.size())) prefix = &spec;
  }
  return prefix;
}

Error unknown_option(std::string_view component, std::span<const OptionSpec> specs, OptionScope side,
                     std::string_view name, const std::string& where) {
  const OptionScope other = side == OptionScope::source ? OptionScope::sink : OptionScope::source;
  if (side != OptionScope::both && find_spec(specs, other, name) != nullptr) {
    return user_error("{}'{}' is an option of the {} {}, not of the {}", at(where), name, component,
                      other == OptionScope::sink ? "sink" : "source", side == OptionScope::sink ? "sink" : "source");
  }
  std::vector<std::string_view> names;
  for (const OptionSpec& spec : specs) {
    const bool known = std::find(names.begin(), names.end(), spec.name) != names.end();
    if (serves(spec.scope, side) && !known) names.push_back(spec.name);
  }
  const std::string_view near = nearest(name, names);
  if (!near.empty()) {
    return user_error("{}unknown option '{}' for {}; did you mean '{}'?", at(where), name, component, near);
  }
  if (names.empty()) return user_error("{}unknown option '{}' for {}, which has none", at(where), name, component);
  std::sort(names.begin(), names.end());
  return user_error("{}unknown option '{}' for {}; it has {}", at(where), name, component, join(names));
}

// "a, b" or ['a', 'b']; an element may be quoted with ' or ", the quote inside it doubled.
Result<std::vector<std::string>> parse_list(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto skip_space = [&] { text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size())); };
  skip_space();
  text = text.substr(0, text.find_last_not_of(kSpace) + 1);
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  skip_space();
  std::vector<std::string> elements;
  if (text.empty()) return elements;
  while (true) {
    skip_space();
    std::string element;
    const bool quoted = !text.empty() && (text[0] == '\'' || text[0] == '"');
    if (quoted) {
      const char quote = text[0];
      text.remove_prefix(1);
      while (true) {
        const size_t end = text.find(quote);
        if (end == std::string_view::npos) return user_error("a quoted element has no end");
        element += text.substr(0, end);
        text.remove_prefix(end + 1);
        if (!text.starts_with(quote)) break;
        element += quote;
        text.remove_prefix(1);
      }
      skip_space();
      if (!text.empty() && text[0] != ',') return user_error("a comma is missing after a quoted element");
    } else {
      const std::string_view word = text.substr(0, text.find(','));
      text.remove_prefix(word.size());
      element = word.substr(0, word.find_last_not_of(kSpace) + 1);
      if (element.empty()) return user_error("an element is empty");
    }
    elements.push_back(std::move(element));
    if (text.empty()) return elements;
    text.remove_prefix(1);
  }
}

// The content of env:NAME and file:PATH, any other text as it is. Errors say neither name nor path: somebody's password
// may begin like that.
Result<Secret> resolve_secret(const std::string& text) {
  if (text.starts_with("env:")) {
    const char* value = std::getenv(text.c_str() + 4);
    if (value == nullptr) return user_error("names an environment variable that is not set");
    return Secret(value);
  }
  if (!text.starts_with("file:")) return Secret(text);
  errno = 0;
  std::ifstream file(text.substr(5), std::ios::binary);
  constexpr std::streamsize kLongest = 1 << 20;
  std::string content(kLongest + 1, '\0');
  if (file) file.read(content.data(), kLongest + 1);
  if (!file.is_open() || file.bad()) {
    return user_error("names a file that cannot be read: {}", std::strerror(errno == 0 ? EIO : errno));
  }
  if (file.gcount() > kLongest) return user_error("names a file of more than 1 MB");
  content.resize(static_cast<size_t>(file.gcount()));
  if (content.ends_with('\n')) content.pop_back();
  if (content.ends_with('\r')) content.pop_back();
  return Secret(std::move(content));
}

std::string in_unit(OptionKind kind, int64_t number) {
  if (kind == OptionKind::bytes) return format_bytes(number);
  if (kind == OptionKind::duration) return format_duration(Millis(number));
  return fmt::format("{}", number);
}

// Empty when `number` is within the declared range, else "is at least 1 s".
std::string out_of_range(const OptionSpec& spec, int64_t number) {
  if (number >= spec.min && number <= spec.max) return {};
  if (spec.min == INT64_MIN) return "is at most " + in_unit(spec.kind, spec.max);
  if (spec.max == INT64_MAX) return "is at least " + in_unit(spec.kind, spec.min);
  return fmt::format("is between {} and {}", in_unit(spec.kind, spec.min), in_unit(spec.kind, spec.max));
}

std::string_view expectation(OptionKind kind) {
  switch (kind) {
    case OptionKind::boolean:
      return "is true or false";
    case OptionKind::integer:
      return "is a whole number";
    case OptionKind::bytes:
      return "is a size such as 64MB";
    case OptionKind::duration:
      return "is a time such as 500ms, 10s or 5m";
    default:
      return "is a list such as a, b";
  }
}

// The number that a boolean, integer, size or time means; empty when the text is none.
std::optional<int64_t> parse_number(OptionKind kind, const std::string& text) {
  if (kind == OptionKind::duration) {
    auto time = parse_duration(text);
    if (!time.ok()) return std::nullopt;
    return time.value().count();
  }
  if (kind == OptionKind::boolean) {
    auto flag = parse_boolean(text);
    if (!flag.ok()) return std::nullopt;
    return flag.value() ? 1 : 0;
  }
  auto number = kind == OptionKind::bytes ? parse_bytes(text) : parse_integer(text);
  if (!number.ok()) return std::nullopt;
  return number.value();
}

std::string quote_if_needed(const std::string& value) {
  if (!value.empty() && value.find_first_of(" ,='\"\n\t") == std::string::npos) return value;
  std::string out = "'";
  for (char c : value) {
    out += c;
    if (c == '\'') out += c;
  }
  return out + "'";
}

}  // namespace

Result<void> OptionValues::read_value(std::string_view component, const OptionSpec& spec, const std::string& text,
                                      Value* value) {
  const auto wrong = [&](std::string_view should_be) {
    return user_error("{}option '{}' of {} {}, not '{}'", at(value->where), spec.name, component, should_be,
                      printable_value(spec.name, text));
  };
  value->set = true;
  value->text = text;
  switch (spec.kind) {
    case OptionKind::text:
      return {};
    case OptionKind::secret: {
      auto secret = resolve_secret(text);
      value->text = text.empty() ? "" : "***";
      if (!secret.ok()) {
        return user_error("{}option '{}' of {} {}", at(value->where), spec.name, component, secret.error().what);
      }
      value->secret = std::move(secret).value();
      return {};
    }
    case OptionKind::choice: {
      if (std::find(spec.choices.begin(), spec.choices.end(), text) != spec.choices.end()) return {};
      const std::string_view near = nearest(text, spec.choices);
      Error error = wrong("is one of " + join(spec.choices));
      if (!near.empty()) error.what += fmt::format("; did you mean '{}'?", near);
      return error;
    }
    case OptionKind::list: {
      auto elements = parse_list(text);
      if (!elements.ok()) return wrong(fmt::format("is a list such as a, b ({})", elements.error().what));
      value->list = std::move(elements).value();
      return {};
    }
    default:
      break;
  }
  const std::optional<int64_t> number = parse_number(spec.kind, text);
  if (!number) return wrong(expectation(spec.kind));
  const std::string range = out_of_range(spec, *number);
  if (!range.empty()) return wrong(range);
  value->number = *number;
  return {};
}

Result<OptionValues> OptionValues::parse(std::string_view component, std::span<const OptionSpec> specs,
                                         OptionScope side, const RawOptions& raw) {
  OptionValues out;
  // An option of the other side has its default, so that one create() serves both; this side's of the same name counts.
  const auto counts = [&](const OptionSpec& spec) {
    return serves(spec.scope, side) || find_spec(specs, side, spec.name) == nullptr;
  };
  for (const OptionSpec& spec : specs) {
    if (!counts(spec) || out.values_.contains(spec.name)) continue;
    Value& value = out.values_[std::string(spec.name)];
    value.kind = spec.kind;
    value.open_prefix = spec.open_prefix;
  }
  for (const auto& [name, option] : raw) {
    const OptionSpec* spec = find_spec(specs, side, name);
    if (spec == nullptr) return unknown_option(component, specs, side, name, option.where);
    Value& value = out.values_.find(spec->name)->second;
    value.given = true;
    value.where = option.where;
    if (spec->open_prefix) {
      value.set = true;
      value.prefixed[name.substr(spec->name.size())] = option.value;
      continue;
    }
    TRY(read_value(component, *spec, option.value, &value));
  }
  for (const OptionSpec& spec : specs) {
    if (!counts(spec)) continue;
    Value& value = out.values_.find(spec.name)->second;
    if (value.set) continue;
    if (spec.required && serves(spec.scope, side)) {
      return user_error("{} needs the option '{}': {}", component, spec.name, spec.doc);
    }
    if (spec.default_value.empty()) continue;
    auto read = read_value(component, spec, std::string(spec.default_value), &value);
    // A default that does not parse is a mistake in the declaration; an env: or file: default may be absent.
    if (!read.ok() && spec.kind != OptionKind::secret) return bug("the default is wrong: {}", read.error().what);
    if (!read.ok()) return std::move(read).error();
  }
  return out;
}

const OptionValues::Value& OptionValues::find(std::string_view name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) {
    check_failed(fmt::format("option '{}' was declared", name), std::source_location::current());
  }
  return found->second;
}

const OptionValues::Value& OptionValues::find(std::string_view name, OptionKind kind) const {
  const Value& value = find(name);
  if (value.kind != kind) {
    check_failed(fmt::format("option '{}' is asked for as the kind it was declared with", name),
                 std::source_location::current());
  }
  return value;
}

bool OptionValues::has(std::string_view name) const { return find(name).set; }
bool OptionValues::is_given(std::string_view name) const { return find(name).given; }
const std::string& OptionValues::where(std::string_view name) const { return find(name).where; }

const std::string& OptionValues::text(std::string_view name) const {
  const Value& value = find(name);
  return value.kind == OptionKind::choice ? value.text : find(name, OptionKind::text).text;
}
bool OptionValues::boolean(std::string_view name) const { return find(name, OptionKind::boolean).number != 0; }
int64_t OptionValues::integer(std::string_view name) const { return find(name, OptionKind::integer).number; }
int64_t OptionValues::bytes(std::string_view name) const { return find(name, OptionKind::bytes).number; }
Millis OptionValues::duration(std::string_view name) const { return Millis(find(name, OptionKind::duration).number); }
const std::vector<std::string>& OptionValues::list(std::string_view name) const {
  return find(name, OptionKind::list).list;
}
const Secret& OptionValues::secret(std::string_view name) const { return find(name, OptionKind::secret).secret; }

const std::map<std::string, std::string>& OptionValues::prefixed(std::string_view prefix) const {
  const Value& value = find(prefix);
  CHECK(value.open_prefix);
  return value.prefixed;
}

std::string OptionValues::render_given() const {
  std::vector<std::string> pairs;
  for (const auto& [name, value] : values_) {
    if (!value.given) continue;
    if (!value.open_prefix) {
      pairs.push_back(name + "=" + quote_if_needed(printable_value(name, value.text)));
      continue;
    }
    for (const auto& [rest, text] : value.prefixed) {
      pairs.push_back(name + rest + "=" + quote_if_needed(printable_value(name + rest, text)));
    }
  }
  std::sort(pairs.begin(), pairs.end());
  return join(pairs);
}

}  // namespace sluice
