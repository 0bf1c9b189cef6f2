// Runs the statements of a folder of .sql files inside a server: streams until it drains, bounded ones once at the
// start or when their schedule says. The failure of one is logged, shown and counted, and the others go on.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "flow/pipeline.h"
#include "gateway/config.h"
#include "port/context.h"
#include "port/coordinator.h"

namespace sluice {

enum class HostedState { waiting, scheduled, running, retrying, finished, failed, stopped };
std::string_view to_string(HostedState state);

// A pipeline as this server sees it; how far it has come is in the state store.
struct HostedPipeline {
  std::string name;
  std::string kind;   // stream | table
  std::string where;  // "pipelines/orders.sql:3"
  HostedState state = HostedState::waiting;
  std::string error;       // of the last attempt, while failed or retrying
  bool elsewhere = false;  // … which was that another process runs it
  int64_t failures = 0;
  std::optional<WallTime> next_run;  // of a schedule, or of the next attempt
};

class PipelineHost {
 public:
  struct Settings {
    std::string folder;  // empty: no pipelines
    std::vector<Schedule> schedules;
    Millis backoff_first{1'000};  // doubled with every transient failure in a row
    Millis backoff_max{60'000};
  };

  // Reads and plans everything, so that a mistake in a file is an error with its position and not a dead pipeline.
  // `context`, `coordinator` and `draining` outlive the host; `draining` makes all pipelines commit what they read and
  // end, Context::stop aborts them.
  static Result<std::unique_ptr<PipelineHost>> load(Context context, Coordinator& coordinator,
                                                    const std::atomic<bool>& draining, Settings settings);
  ~PipelineHost();

  void start();
  // Returns when every pipeline has ended, which they do once `draining` is set.
  void join();

  [[nodiscard]] size_t size() const { return pipelines_.size(); }
  [[nodiscard]] std::vector<HostedPipeline> list() const;
  // Asks a running pipeline to load its lookup tables again. A user's mistake where there is no such pipeline here,
  // refused where it does not run.
  Result<void> refresh_lookups(const std::string& name);
  // Brings the pipelines' metrics up to date; called before they are rendered.
  void publish_metrics();

 private:
  struct File;
  struct Runner;

  PipelineHost(Context context, Coordinator& coordinator, const std::atomic<bool>& draining, Settings settings);
  Result<void> add_file(const std::string& path);
  Result<void> check_schedules() const;
  Runner* find(const std::string& name) const;
  [[nodiscard]] bool scheduled(const std::string& name) const;

  Context context_of(const Runner& runner) const;
  void run_file(const File& file);
  void follow_schedule(const Schedule& schedule, Runner& runner);
  void run_until_settled(Runner& runner);
  struct Again {
    std::string error;
    bool elsewhere = false;  // another process runs it: no failure of ours
  };
  std::optional<Again> attempt(Runner& runner);
  void try_again(Runner& runner, Again why);
  [[nodiscard]] bool runs_elsewhere(const Runner& runner) const;
  Result<RunSummary> run_once(Runner& runner);
  bool sleep_until(WallTime time) const;  // false: draining
  [[nodiscard]] bool ending() const { return draining_ || context_.stop.stop_requested(); }

  Context context_;
  Coordinator& coordinator_;
  const std::atomic<bool>& draining_;
  Settings settings_;
  std::vector<std::unique_ptr<File>> files_;
  std::vector<std::unique_ptr<Runner>> pipelines_;
  std::vector<std::jthread> threads_;
};

}  // namespace sluice
