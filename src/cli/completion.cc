#include <cstdio>

#include "cli/commands.h"
#include "cli/session.h"

namespace sluice {
namespace {

std::string flags_of(std::span<const OptionSpec> specs) {
  std::string flags;
  for (const auto& spec : specs) {
    flags += " --";
    for (char c : spec.name) flags += c == '_' ? '-' : c;
  }
  return flags;
}

// One `case` per command, in the syntax bash and zsh (with bashcompinit) share.
std::string bash_script(std::span<const Command> commands) {
  std::string names;
  std::string cases;
  for (const auto& command : commands) {
    names += fmt::format("{}{}", names.empty() ? "" : " ", command.name);
    cases += fmt::format("    {}) words=\"{}{} --help\" ;;\n", command.name, flags_of(command.options),
                         flags_of(global_option_specs()));
  }
  return fmt::format(R"(_sluice() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" words
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{} --help --version" -- "$current"))
    return
  fi
  case "${{COMP_WORDS[1]}}" in
{}  esac
  if [[ "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}}
complete -o filenames -F _sluice sluice
)",
                     names, cases);
}

std::string fish_script(std::span<const Command> commands) {
  std::string out = "complete -c sluice -f\n";
  for (const auto& command : commands) {
    out += fmt::format("complete -c sluice -n __fish_use_subcommand -a {} -d '{}'\n", command.name, command.summary);
    for (const auto& spec : command.options) {
      std::string flag(spec.name);
      for (char& c : flag) c = c == '_' ? '-' : c;
      out += fmt::format("complete -c sluice -n '__fish_seen_subcommand_from {}' -l {}\n", command.name, flag);
    }
  }
  return out;
}

Result<int> completion(Session& session, const Invocation& invocation) {
  const auto& commands = session.commands();
  const std::string& shell = invocation.arguments[0];
  if (shell == "bash") {
    std::fputs(bash_script(commands).c_str(), stdout);
  } else if (shell == "zsh") {
    std::printf("autoload -U +X bashcompinit && bashcompinit\n%s", bash_script(commands).c_str());
  } else if (shell == "fish") {
    std::fputs(fish_script(commands).c_str(), stdout);
  } else {
    return complain_of_usage(user_error("there is completion for bash, zsh and fish, not for '{}'", shell));
  }
  return kExitDone;
}

}  // namespace

Command completion_command() {
  return Command{
      .name = "completion",
      .arguments = "bash|zsh|fish",
      .summary = "Prints a completion script for the shell.",
      .details = "source <(sluice completion bash)",
      .arguments_min = 1,
      .arguments_max = 1,
      .run = completion,
  };
}

}  // namespace sluice
