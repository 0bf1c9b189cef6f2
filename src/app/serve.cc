#include "app/serve.h"

#include <fstream>
#include <sstream>

#include "cli/session.h"
#include "gateway/config.h"
#include "gateway/http_server.h"
#include "gateway/routes.h"

namespace sluice {
namespace {

constexpr const char* kDefaultFile = "sluice.yaml";

// Flags of this command, and those of every command that are keys as well, by the key's name.
constexpr std::pair<const char*, const char*> kFlags[] = {
    {"port", "port"},     {"listen", "listen"},       {"pipelines", "pipelines"},   {"state", "state"},
    {"memory", "memory"}, {"log_level", "log.level"}, {"log_format", "log.format"},
};

RawOptions flags_of(const OptionValues& given) {
  RawOptions flags;
  for (const auto& [flag, key] : kFlags) {
    if (!given.is_given(flag)) continue;
    std::string name = "--";
    for (const char* c = flag; *c != '\0'; ++c) name += *c == '_' ? '-' : *c;
    std::string value;
    if (std::string_view(flag) == "memory") {
      value = std::to_string(given.bytes(flag));
    } else if (std::string_view(flag) == "port") {
      value = std::to_string(given.integer(flag));
    } else {
      value = given.text(flag);
    }
    flags[key] = RawOption{std::move(value), std::move(name)};
  }
  return flags;
}

Result<ServeConfig> load_config(const OptionValues& given) {
  const std::string file = given.has("config") ? given.text("config") : kDefaultFile;
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (given.has("config") && (!in.is_open() || in.bad())) {
    return user_error("cannot read '{}': no such file, or not permitted", file);
  }
  return parse_config(text.str(), file, flags_of(given), process_environment());
}

// What is a key of sluice.yaml here is a flag of every command: the session learns it as such.
Result<void> configure(Session& session, const OptionValues& config) {
  RawOptions raw;
  auto set = [&](const char* name, std::string value) { raw[name] = RawOption{std::move(value), kDefaultFile}; };
  set("state", config.text("state"));
  set("memory", std::to_string(config.bytes("memory")));
  set("log_level", config.text("log.level"));
  set("log_format", config.text("log.format"));
  return session.configure(TRY(OptionValues::parse("sluice serve", global_option_specs(), OptionScope::both, raw)));
}

HttpOptions http_options(const OptionValues& config) {
  HttpOptions http;
  http.listen = config.text("listen");
  http.port = static_cast<uint16_t>(config.integer("port"));
  if (config.has("admin_token")) http.admin_token = config.secret("admin_token");
  if (config.has("tls.cert")) http.tls_certificate = config.text("tls.cert");
  if (config.has("tls.key")) http.tls_key = config.text("tls.key");
  return http;
}

Result<int> serve(Session& session, const Invocation& invocation) {
  auto config = TRY(load_config(invocation.options));
  TRY(configure(session, config.options));
  session.watch_signals();
  Context context = session.context();
  const WallTime started = context.clock.wall();
  Coordinator* coordinator = TRY(session.coordinator());
  PipelineHost::Settings settings;
  if (config.options.has("pipelines")) settings.folder = config.options.text("pipelines");
  settings.schedules = std::move(config.schedules);
  auto pipelines = TRY(PipelineHost::load(context, *coordinator, session.draining(), std::move(settings)));
  GatewayParts parts{context, *coordinator, *pipelines, kVersion, started};
  auto server = TRY(HttpServer::start(context, http_options(config.options), all_routes(parts)));
  pipelines->start();
  context.log.info("serving", {{"url", fmt::format("{}://{}:{}", server->tls() ? "https" : "http",
                                                   config.options.text("listen"), server->port())},
                               {"version", kVersion},
                               {"pipelines", pipelines->size()}});
  // Signals set `draining`; the first ends reading, a second one aborts, which context.stop tells everybody.
  while (!session.draining()) context.clock.sleep(Millis(50), context.stop);
  context.log.info("stopping: pipelines finish what they read");
  pipelines->join();
  server->stop();
  context.log.info("stopped");
  return kExitDone;
}

}  // namespace

Command serve_command() {
  return Command{
      .name = "serve",
      .arguments = "[--config sluice.yaml]",
      .summary =
          "Runs pipelines from a folder, continuously and on schedules, with /health, /metrics and /api over HTTP.",
      .details =
          "Without --config it reads sluice.yaml in the working directory if there is one. Every key is also an\n"
          "environment variable (SLUICE_PORT, SLUICE_LOG_LEVEL). SIGTERM and SIGINT finish and commit what was read;\n"
          "a second signal aborts.",
      .options = {OptionSpec{.name = "config", .doc = "The configuration file."},
                  OptionSpec{.name = "port",
                             .kind = OptionKind::integer,
                             .doc = "The port of the HTTP server; 0 takes any free one. Unset: 8001.",
                             .min = 0,
                             .max = 65535},
                  OptionSpec{.name = "listen", .doc = "The address to listen on. Unset: 127.0.0.1."},
                  OptionSpec{.name = "pipelines", .doc = "A folder of .sql files whose statements the server runs."}},
      .keys = serve_option_specs(),
      .run = serve,
  };
}

}  // namespace sluice
