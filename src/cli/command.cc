#include "cli/command.h"

#include <array>
#include <cstdio>
#include <exception>

#include "cli/session.h"

namespace sluice {
namespace {

std::string flag_name(std::string_view option) {
  std::string flag = "--";
  for (char c : option) flag += c == '_' ? '-' : c;
  return flag;
}

// The short spellings that people's fingers know.
std::string_view long_name(std::string_view flag) {
  if (flag == "-e") return "--execute";
  if (flag == "-h") return "--help";
  if (flag == "-v") return "--verbose";
  return flag;
}

struct Parsed {
  RawOptions options;
  Invocation invocation;
  bool help = false;
};

const OptionSpec* find_flag(std::string_view flag, std::span<const OptionSpec> specs) {
  for (const auto& spec : specs) {
    if (flag == flag_name(spec.name)) return &spec;
  }
  return nullptr;
}

Error unknown_flag(std::string_view flag, std::span<const OptionSpec> specs) {
  std::vector<std::string> names;
  for (const auto& spec : specs) names.push_back(flag_name(spec.name));
  std::vector<std::string_view> views(names.begin(), names.end());
  auto near = nearest(flag, views);
  if (near.empty()) return user_error("unknown flag '{}'", flag);
  return user_error("unknown flag '{}'; did you mean '{}'?", flag, near);
}

Result<Parsed> parse(const Command& command, std::span<const OptionSpec> specs, std::span<const std::string> argv) {
  Parsed parsed;
  bool only_arguments = false;
  for (size_t i = 0; i < argv.size(); ++i) {
    std::string_view word = argv[i];
    if (only_arguments || word == "-" || !word.starts_with('-')) {
      parsed.invocation.arguments.emplace_back(word);
      continue;
    }
    if (word == "--") {
      only_arguments = true;
      continue;
    }
    auto equals = word.find('=');
    std::string flag(long_name(word.substr(0, equals)));
    if (flag == "--help") {
      parsed.help = true;
      continue;
    }
    const bool variable = command.takes_variables && flag == "--var";
    const OptionSpec* spec = variable ? nullptr : find_flag(flag, specs);
    if (!variable && spec == nullptr) return unknown_flag(flag, specs);
    std::string value = "true";
    if (equals != std::string_view::npos) {
      value = word.substr(equals + 1);
    } else if (variable || spec->kind != OptionKind::boolean) {
      if (i + 1 == argv.size()) return user_error("{} needs a value", flag);
      value = argv[++i];
    }
    if (variable) {
      parsed.invocation.variables.push_back(std::move(value));
    } else {
      parsed.options[std::string(spec->name)] = RawOption{std::move(value), flag};
    }
  }
  return parsed;
}

int complain(const Error& error, bool usage) {
  std::fprintf(stderr, "error: %s\n", error.message().c_str());
  return usage ? kExitUsage : kExitFailed;
}

// A library's exception that nobody caught at its edge is our mistake, and no reason to dump core.
Result<int> run_caught(const Command& command, Session& session, const Invocation& invocation) {
  try {
    return command.run(session, invocation);
  } catch (const std::exception& exception) {
    return bug("sluice {} came to an end it should not have, which is a bug: {}", command.name, exception.what());
  }
}

void append_flags(std::string& out, std::span<const OptionSpec> specs) {
  for (const auto& spec : specs) {
    std::string left = "  " + flag_name(spec.name);
    if (spec.kind != OptionKind::boolean) left += " VALUE";
    out += fmt::format("{:<30} {}", left, spec.doc);
    if (!spec.choices.empty()) out += fmt::format(" One of: {}.", fmt::join(spec.choices, ", "));
    if (!spec.default_value.empty() && spec.kind != OptionKind::boolean) {
      out += fmt::format(" Default: {}.", spec.default_value);
    }
    out += '\n';
  }
}

}  // namespace

int complain_of_usage(const Error& error) { return complain(error, true); }

std::span<const OptionSpec> global_option_specs() {
  static const std::array specs = {
      OptionSpec{.name = "state",
                 .doc = "Where positions are kept: sqlite:PATH, or postgresql://HOST/DATABASE for several machines. "
                        "Environment: SLUICE_STATE. Unset: sqlite:.sluice/state.db."},
      OptionSpec{.name = "memory",
                 .kind = OptionKind::bytes,
                 .default_value = "1GB",
                 .doc = "The process keeps its buffers below this.",
                 .min = 32 << 20},
      OptionSpec{.name = "log_level",
                 .kind = OptionKind::choice,
                 .default_value = "warn",
                 .doc = "How much is logged to stderr.",
                 .choices = {"debug", "info", "warn", "error", "off"}},
      OptionSpec{.name = "log_format",
                 .kind = OptionKind::choice,
                 .default_value = "text",
                 .doc = "Log lines as text or as JSON.",
                 .choices = {"text", "json"}},
      OptionSpec{.name = "quiet",
                 .kind = OptionKind::boolean,
                 .default_value = "false",
                 .doc = "No progress and no closing summary."},
  };
  return specs;
}

std::string render_help(std::span<const Command> commands) {
  std::string out =
      "sluice moves data between files, S3, PostgreSQL and Kafka, with SQL in the middle, exactly once.\n\n"
      "usage: sluice COMMAND [ARGUMENT …] [--flag VALUE …]\n\ncommands:\n";
  for (const auto& command : commands) out += fmt::format("  {:<14} {}\n", command.name, command.summary);
  out += "\nflags of every command:\n";
  append_flags(out, global_option_specs());
  return out + "\n'sluice COMMAND --help' tells more; 'sluice connectors' lists what can be read and written.\n";
}

std::string render_help(const Command& command) {
  std::string out = fmt::format("usage: sluice {} {}\n\n{}\n", command.name, command.arguments, command.summary);
  if (!command.details.empty()) out += fmt::format("\n{}\n", command.details);
  if (!command.options.empty() || command.takes_variables) out += "\nflags:\n";
  append_flags(out, command.options);
  if (command.takes_variables) {
    out += fmt::format("{:<30} {}\n", "  --var NAME=VALUE", kVariablesDoc);
  }
  out += "\nflags of every command:\n";
  append_flags(out, global_option_specs());
  return out;
}

int run_command_line(Session& session, const std::vector<Command>& commands, const std::vector<std::string>& argv) {
  session.set_commands(commands);
  if (argv.empty() || argv[0] == "--help" || argv[0] == "-h" || argv[0] == "help") {
    std::fputs(render_help(commands).c_str(), argv.empty() ? stderr : stdout);
    return argv.empty() ? kExitUsage : kExitDone;
  }
  if (argv[0] == "--version") {
    std::printf("sluice %s\n", kVersion);
    return kExitDone;
  }
  std::vector<std::string_view> names;
  const Command* command = nullptr;
  for (const auto& candidate : commands) {
    names.push_back(candidate.name);
    if (candidate.name == argv[0]) command = &candidate;
  }
  if (command == nullptr) {
    auto near = nearest(argv[0], names);
    return complain(near.empty() ? user_error("unknown command '{}'; 'sluice --help' lists them", argv[0])
                                 : user_error("unknown command '{}'; did you mean '{}'?", argv[0], near),
                    true);
  }
  std::vector<OptionSpec> specs = command->options;
  for (const auto& spec : global_option_specs()) specs.push_back(spec);
  auto parsed = parse(*command, specs, std::span(argv).subspan(1));
  if (!parsed.ok()) return complain(parsed.error(), true);
  if (parsed->help) {
    std::fputs(render_help(*command).c_str(), stdout);
    return kExitDone;
  }
  Invocation& invocation = parsed->invocation;
  const int count = static_cast<int>(invocation.arguments.size());
  if (count < command->arguments_min || count > command->arguments_max) {
    return complain(user_error("usage: sluice {} {}", command->name, command->arguments), true);
  }
  auto options =
      OptionValues::parse(fmt::format("sluice {}", command->name), specs, OptionScope::both, parsed->options);
  if (!options.ok()) return complain(options.error(), true);
  invocation.options = std::move(options).value();
  const bool takes_sql = find_flag("--execute", specs) != nullptr;
  if (takes_sql && invocation.options.is_given("execute") == (count > 0)) {
    return complain(user_error("give SQL files or -e SQL, one of the two"), true);
  }
  if (auto variables = parse_variables(invocation.variables); !variables.ok()) return complain(variables.error(), true);
  if (auto configured = session.configure(invocation.options); !configured.ok()) {
    return complain(configured.error(), true);
  }
  auto code = run_caught(*command, session, invocation);
  if (!code.ok()) return complain(code.error(), false);
  return code.value();
}

}  // namespace sluice
