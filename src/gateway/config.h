// sluice.yaml: what `sluice serve` is told. Every key is declared once, as an option; the same names are flags of the
// command (--port) and environment variables (SLUICE_PORT, SLUICE_LOG_LEVEL). A flag wins over the environment, the
// environment over the file, the file over the default.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gateway/cron.h"
#include "options/option.h"

namespace sluice {

// schedules: {nightly: {pipeline: copy_orders, cron: "0 3 * * *"}}
struct Schedule {
  std::string name;
  std::string pipeline;
  Cron cron;
  std::string where;  // "sluice.yaml:12:3"
};

struct ServeConfig {
  OptionValues options;  // of serve_option_specs()
  std::vector<Schedule> schedules;
};

using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment process_environment();

// Keys inside a mapping are written with a dot: log.level.
std::span<const OptionSpec> serve_option_specs();

// `text` is the file's content, `file` its name for errors ("sluice.yaml:7:3: …"); both may be empty. ${NAME} in a
// value is replaced from the environment ($${ is a literal ${).
Result<ServeConfig> parse_config(const std::string& text, const std::string& file, const RawOptions& flags,
                                 const Environment& environment);

}  // namespace sluice
