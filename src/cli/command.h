// A command is declared once, as data: parsing, --help, completion, the man page and the reference read it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "options/option.h"

namespace sluice {

class Session;

// What the user typed after the command's name, validated against its declaration.
struct Invocation {
  std::vector<std::string> arguments;  // positional
  OptionValues options;
  std::vector<std::string> variables;  // --var NAME=VALUE, in order
};

inline constexpr std::string_view kVariablesDoc = "Sets ${NAME} in the SQL; may be given several times.";

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

struct Command {
  std::string_view name;       // "run", "dead-letters"
  std::string_view arguments;  // "FILE… | -e SQL": for the usage line
  std::string_view summary;    // one line
  std::string_view details = {};
  std::vector<OptionSpec> options = {};
  int arguments_min = 0;
  int arguments_max = 0;
  bool takes_variables = false;           // --var NAME=VALUE, repeatable: kVariablesDoc
  std::span<const OptionSpec> keys = {};  // of the configuration file it reads, for the reference
  // Returns the exit code; an Error is printed as "error: …" and exits 1 (user mistakes in the command line: 2).
  Result<int> (*run)(Session& session, const Invocation& invocation) = nullptr;
};

// Options of every command: --state, --memory, --log-level, …
std::span<const OptionSpec> global_option_specs();

// For what a command itself finds wrong in its arguments: says it and returns the exit code.
int complain_of_usage(const Error& error);

// Runs the program. `argv` without the program's name.
int run_command_line(Session& session, const std::vector<Command>& commands, const std::vector<std::string>& argv);

std::string render_help(std::span<const Command> commands);
std::string render_help(const Command& command);

}  // namespace sluice
