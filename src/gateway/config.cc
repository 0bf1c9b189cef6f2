#include "gateway/config.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>

#include <yaml-cpp/yaml.h>

namespace sluice {
namespace {

// Keys of surface.md that a later version honours: a configuration that relies on them must not seem to work.
constexpr std::array<std::string_view, 5> kNotYet = {"clickhouse", "gateway", "lake", "tables", "views"};
constexpr std::string_view kSchedules = "schedules";

struct ConfigReader {
  const std::string& file;
  const Environment& environment;

  [[nodiscard]] std::string at(const YAML::Mark& mark) const {
    if (mark.is_null()) return file;
    return fmt::format("{}:{}:{}", file, mark.line + 1, mark.column + 1);
  }

  Result<std::string> expand(const YAML::Node& node) const {
    const std::string& text = node.Scalar();
    std::string out;
    for (size_t i = 0; i < text.size();) {
      if (text.compare(i, 3, "$${") == 0) {
        out += "${";
        i += 3;
      } else if (text.compare(i, 2, "${") == 0) {
        const size_t end = text.find('}', i);
        if (end == std::string::npos || end == i + 2) {
          return user_error("{}: '${{' begins a variable and needs a name and '}}'; write $${{ for the two characters",
                            at(node.Mark()));
        }
        const std::string name = text.substr(i + 2, end - i - 2);
        auto value = environment(name);
        if (!value) return user_error("{}: the environment variable '{}' is not set", at(node.Mark()), name);
        out += *value;
        i = end + 1;
      } else {
        out += text[i++];
      }
    }
    return out;
  }

  Result<std::string> scalar(const YAML::Node& node, std::string_view key) const {
    if (node.IsScalar()) return expand(node);
    return user_error("{}: '{}' takes one value, not a {}", at(node.Mark()), key, node.IsMap() ? "mapping" : "list");
  }
};

Error unknown_key(const ConfigReader& reader, const YAML::Node& key, const std::string& name,
                  const std::vector<std::string_view>& known) {
  auto near = nearest(name, known);
  if (!near.empty()) return user_error("{}: unknown key '{}'; did you mean '{}'?", reader.at(key.Mark()), name, near);
  std::vector<std::string_view> sorted = known;
  std::sort(sorted.begin(), sorted.end());
  return user_error("{}: unknown key '{}'; there are {}", reader.at(key.Mark()), name, fmt::join(sorted, ", "));
}

// Calls `visit` for each entry; a key that stands twice is an error, because one of the two values would be lost.
template <typename Visit>
Result<void> each_entry(const ConfigReader& reader, const YAML::Node& map, Visit visit) {
  std::set<std::string> seen;
  for (const auto& entry : map) {
    if (!entry.first.IsScalar()) return user_error("{}: a key is a name", reader.at(entry.first.Mark()));
    const std::string& name = entry.first.Scalar();
    if (!seen.insert(name).second) return user_error("{}: '{}' is there twice", reader.at(entry.first.Mark()), name);
    TRY(visit(entry.first, name, entry.second));
  }
  return {};
}

Result<Schedule> read_schedule(const ConfigReader& reader, const YAML::Node& key, const std::string& name,
                               const YAML::Node& node) {
  const std::string where = reader.at(key.Mark());
  if (!node.IsMap()) return user_error("{}: a schedule is a mapping {{pipeline: …, cron: …}}", where);
  std::optional<std::string> pipeline;
  std::optional<Cron> cron;
  TRY(each_entry(reader, node,
                 [&](const YAML::Node& inner, const std::string& field, const YAML::Node& value) -> Result<void> {
                   if (field == "pipeline") {
                     pipeline = TRY(reader.scalar(value, field));
                   } else if (field == "cron") {
                     auto parsed = Cron::parse(TRY(reader.scalar(value, field)));
                     if (!parsed.ok()) return user_error("{}: {}", reader.at(value.Mark()), parsed.error().what);
                     cron = std::move(parsed).value();
                   } else {
                     return unknown_key(reader, inner, field, {"pipeline", "cron"});
                   }
                   return {};
                 }));
  if (!pipeline || !cron) {
    return user_error("{}: the schedule '{}' needs a {}", where, name, pipeline ? "cron" : "pipeline");
  }
  return Schedule{name, std::move(*pipeline), std::move(*cron), where};
}

// The names that may stand at `prefix`: "log" and "port" at the top, "level" below "log.".
std::vector<std::string_view> names_below(std::string_view prefix) {
  std::vector<std::string_view> names;
  for (const auto& spec : serve_option_specs()) {
    if (!spec.name.starts_with(prefix)) continue;
    auto rest = spec.name.substr(prefix.size());
    rest = rest.substr(0, rest.find('.'));
    if (std::find(names.begin(), names.end(), rest) == names.end()) names.push_back(rest);
  }
  return names;
}

Result<void> read_map(const ConfigReader& reader, const YAML::Node& map, const std::string& prefix, RawOptions& options,
                      std::vector<Schedule>& schedules) {
  return each_entry(
      reader, map, [&](const YAML::Node& key, const std::string& name, const YAML::Node& value) -> Result<void> {
        const std::string full = prefix + name;
        if (prefix.empty() && name == kSchedules) {
          if (!value.IsMap()) return user_error("{}: 'schedules' is a mapping of names", reader.at(value.Mark()));
          return each_entry(
              reader, value,
              [&](const YAML::Node& inner, const std::string& schedule, const YAML::Node& body) -> Result<void> {
                schedules.push_back(TRY(read_schedule(reader, inner, schedule, body)));
                return {};
              });
        }
        if (prefix.empty() && std::find(kNotYet.begin(), kNotYet.end(), name) != kNotYet.end()) {
          return user_error("{}: '{}' is not available yet; leave it out", reader.at(key.Mark()), name);
        }
        auto names = names_below(prefix);
        if (prefix.empty()) names.push_back(kSchedules);
        if (std::find(names.begin(), names.end(), name) == names.end()) return unknown_key(reader, key, name, names);
        const auto specs = serve_option_specs();
        const bool leaf = std::any_of(specs.begin(), specs.end(), [&](const auto& spec) { return spec.name == full; });
        if (value.IsNull()) return {};  // "key:" with nothing behind it
        if (leaf) {
          options[full] = RawOption{TRY(reader.scalar(value, full)), reader.at(key.Mark())};
          return {};
        }
        if (!value.IsMap())
          return user_error("{}: '{}' is a mapping of {}", reader.at(value.Mark()), full,
                            fmt::join(names_below(full + "."), ", "));
        return read_map(reader, value, full + ".", options, schedules);
      });
}

std::string variable_name(std::string_view key) {
  std::string name = "SLUICE_";
  for (char c : key) name += c == '.' ? '_' : (c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c);
  return name;
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

std::span<const OptionSpec> serve_option_specs() {
  static const std::array specs = {
      OptionSpec{.name = "port",
                 .kind = OptionKind::integer,
                 .default_value = "8001",
                 .doc = "The port of the HTTP server; 0 takes any free one.",
                 .min = 0,
                 .max = 65535},
      OptionSpec{.name = "listen",
                 .default_value = "127.0.0.1",
                 .doc = "The address to listen on; anything but this machine alone needs admin_token."},
      OptionSpec{.name = "admin_token",
                 .kind = OptionKind::secret,
                 .doc = "The bearer token that /api asks for; unset, whoever reaches the server may use it."},
      OptionSpec{.name = "state",
                 .default_value = "sqlite:.sluice/state.db",
                 .doc = "Where positions are kept: sqlite:PATH, or postgresql://HOST/DATABASE for several machines."},
      OptionSpec{.name = "memory",
                 .kind = OptionKind::bytes,
                 .default_value = "1GB",
                 .doc = "The process keeps its buffers below this.",
                 .min = 32 << 20},
      OptionSpec{.name = "log.level",
                 .kind = OptionKind::choice,
                 .default_value = "info",
                 .doc = "How much is logged to stderr.",
                 .choices = {"debug", "info", "warn", "error", "off"}},
      OptionSpec{.name = "log.format",
                 .kind = OptionKind::choice,
                 .default_value = "text",
                 .doc = "Log lines as text or as JSON.",
                 .choices = {"text", "json"}},
      OptionSpec{.name = "tls.cert", .doc = "A PEM file with the server's certificate and those above it: HTTPS."},
      OptionSpec{.name = "tls.key", .doc = "The PEM file with the certificate's private key."},
      OptionSpec{.name = "pipelines",
                 .doc = "A folder of .sql files, relative to the working directory, whose statements the server runs."},
  };
  return specs;
}

Result<ServeConfig> parse_config(const std::string& text, const std::string& file, const RawOptions& flags,
                                 const Environment& environment) {
  ServeConfig config;
  RawOptions options;
  ConfigReader reader{file, environment};
  try {
    YAML::Node root = YAML::Load(text);
    if (!root.IsMap() && !root.IsNull()) {
      return user_error("{}: the file is a mapping of keys such as 'port: 8001'", reader.at(root.Mark()));
    }
    if (root.IsMap()) TRY(read_map(reader, root, "", options, config.schedules));
  } catch (const YAML::Exception& exception) {
    return user_error("{}: this is not YAML: {}", reader.at(exception.mark), exception.msg);
  }
  for (const auto& spec : serve_option_specs()) {
    const std::string name = variable_name(spec.name);
    // Empty is unset: `SLUICE_PORT=${PORT}` in a unit file or a container is no port.
    if (auto value = environment(name); value && !value->empty())
      options[std::string(spec.name)] = RawOption{*value, name};
  }
  for (const auto& [name, option] : flags) options[name] = option;
  config.options = TRY(OptionValues::parse("sluice serve", serve_option_specs(), OptionScope::both, options));
  return config;
}

}  // namespace sluice
