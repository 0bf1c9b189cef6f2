#include "cli/session.h"

#include <csignal>
#include <cstdlib>
#include <thread>

#include <pthread.h>

#include "cli/state_store.h"

namespace sluice {
namespace {

// timeout(1) and some supervisors signal a process and then its group, so that one wish arrives twice.
constexpr Millis kOneWish{200};

}  // namespace

Result<void> Session::configure(const OptionValues& options) {
  static const std::map<std::string, LogLevel, std::less<>> levels = {{"debug", LogLevel::debug},
                                                                      {"info", LogLevel::info},
                                                                      {"warn", LogLevel::warn},
                                                                      {"error", LogLevel::error},
                                                                      {"off", LogLevel::off}};
  log_ = Log::to_stderr(levels.at(options.text("log_level")),
                        options.text("log_format") == "json" ? LogFormat::json : LogFormat::text);
  memory_ = std::make_unique<Budget>(options.bytes("memory"));
  quiet_ = options.boolean("quiet");
  const char* environment = std::getenv("SLUICE_STATE");
  state_ = options.has("state")
               ? options.text("state")
               : (environment != nullptr && *environment != 0 ? environment : "sqlite:.sluice/state.db");
  return {};
}

Context Session::context(std::string pipeline) {
  Log log = pipeline.empty() ? log_ : log_.with({{"pipeline", pipeline}});
  return Context{stop_.get_token(), system_clock(), std::move(log), metrics_, *memory_, registry_, std::move(pipeline)};
}

Result<Coordinator*> Session::coordinator() {
  std::lock_guard lock(coordinator_mutex_);
  if (coordinator_ != nullptr) return coordinator_.get();
  coordinator_ = TRY(open_state_store(state_, system_clock(), stop_.get_token()));
  return coordinator_.get();
}

void Session::watch_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  // Blocked before any other thread starts, so that only the watcher below receives them.
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([this, signals] {
    int signal = 0;
    SteadyTime first{};
    while (sigwait(&signals, &signal) == 0) {
      const SteadyTime now = system_clock().steady();
      if (!draining_.exchange(true)) {
        first = now;
      } else if (now - first >= kOneWish) {
        stop_.request_stop();
      }
    }
  }).detach();
}

Result<std::map<std::string, std::string>> parse_variables(const std::vector<std::string>& variables) {
  std::map<std::string, std::string> parsed;
  for (const auto& variable : variables) {
    auto equals = variable.find('=');
    if (equals == std::string::npos || equals == 0) return user_error("--var is NAME=VALUE, not '{}'", variable);
    parsed[variable.substr(0, equals)] = variable.substr(equals + 1);
  }
  return parsed;
}

}  // namespace sluice
