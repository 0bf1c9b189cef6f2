// One invocation of the program: what all commands share. Lives on main's stack.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "cli/command.h"
#include "cli/state_store.h"
#include "port/coordinator.h"
#include "port/registry.h"

namespace sluice {

inline constexpr const char* kVersion = SLUICE_VERSION;

class Session {
 public:
  explicit Session(const Registry& registry) : registry_(registry) {}

  // Reads the global flags, falling back to the environment.
  Result<void> configure(const OptionValues& options);

  // A context for the pipeline of that name (empty: none).
  Context context(std::string pipeline = {});
  // The state store, opened on first use; from any thread, since streams start side by side.
  Result<Coordinator*> coordinator();

  // SIGINT or SIGTERM: the first drains (finish and commit what was read), the second aborts.
  void watch_signals();
  void drain() { draining_ = true; }
  [[nodiscard]] const std::atomic<bool>& draining() const { return draining_; }

  [[nodiscard]] const Registry& registry() const { return registry_; }
  [[nodiscard]] Metrics& metrics() { return metrics_; }
  [[nodiscard]] bool quiet() const { return quiet_; }
  [[nodiscard]] std::stop_source& stop() { return stop_; }
  // The program's commands, for completion and the reference.
  [[nodiscard]] const std::vector<Command>& commands() const { return commands_; }
  void set_commands(std::vector<Command> commands) { commands_ = std::move(commands); }
  [[nodiscard]] std::string state_location() const { return shown_state_store(state_); }

 private:
  const Registry& registry_;
  std::vector<Command> commands_;
  Metrics metrics_;
  Log log_;
  std::unique_ptr<Budget> memory_;
  std::string state_;
  std::mutex coordinator_mutex_;
  std::unique_ptr<Coordinator> coordinator_;
  std::stop_source stop_;
  std::atomic<bool> draining_{false};
  bool quiet_ = false;
};

// `--var NAME=VALUE` pairs; a bad one is a usage error.
Result<std::map<std::string, std::string>> parse_variables(const std::vector<std::string>& variables);

}  // namespace sluice
