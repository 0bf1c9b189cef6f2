#include "gateway/pipeline_host.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>

#include "flow/first_rows.h"
#include "sql/planner.h"

namespace sluice {
namespace {

constexpr Millis kAttention{100};              // how long a sleeping thread may overlook that it is to end
constexpr std::chrono::minutes kSteadyRun{1};  // a run that lasted this long makes the next backoff short again

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in.is_open() || in.bad()) return user_error("cannot read '{}': no such file, or not permitted", path);
  return std::move(text).str();
}

Result<std::vector<std::string>> sql_files(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> found;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const auto& path = entry->path();
    if (path.extension() == ".sql" && !path.filename().string().starts_with('.')) found.push_back(path.string());
  }
  if (error) return errno_error(error.value(), fmt::format("read the folder of pipelines '{}'", folder));
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

std::string_view to_string(HostedState state) {
  switch (state) {
    case HostedState::waiting:
      return "waiting";
    case HostedState::scheduled:
      return "scheduled";
    case HostedState::running:
      return "running";
    case HostedState::retrying:
      return "retrying";
    case HostedState::finished:
      return "finished";
    case HostedState::failed:
      return "failed";
    case HostedState::stopped:
      return "stopped";
  }
  return "stopped";
}

struct PipelineHost::File {
  std::string path;
  std::string text;
  std::vector<Runner*> pipelines;  // in the order of the text
};

struct PipelineHost::Runner {
  // What RunCounters counted in all runs of this process.
  struct Totals {
    int64_t rows_read = 0;
    int64_t bytes_read = 0;
    int64_t rows_written = 0;
    int64_t bytes_written = 0;
    int64_t objects_written = 0;
    int64_t dead_rows = 0;
    int64_t epochs = 0;
    int64_t retries = 0;

    void add(const RunCounters& counters) {
      rows_read += counters.rows_read;
      bytes_read += counters.bytes_read;
      rows_written += counters.rows_written;
      bytes_written += counters.bytes_written;
      objects_written += counters.objects_written;
      dead_rows += counters.dead_rows;
      epochs += counters.epochs;
      retries += counters.retries;
    }
  };

  // A pipeline's time series, looked up once.
  struct Series {
    Metric& rows_read;
    Metric& bytes_read;
    Metric& rows_written;
    Metric& bytes_written;
    Metric& objects_written;
    Metric& dead_rows;
    Metric& epochs;
    Metric& retries;
    Metric& running;
    Metric& retrying;
    Metric& failed;
    Metric& failures;
    Metric& last_commit;

    static Series of(Metrics& metrics, const Labels& labels) {
      return Series{
          metrics.counter("sluice_rows_read_total", "Rows read from sources.", labels),
          metrics.counter("sluice_bytes_read_total", "Bytes read from sources, as stored.", labels),
          metrics.counter("sluice_rows_written_total", "Rows committed to sinks.", labels),
          metrics.counter("sluice_bytes_written_total", "Bytes committed to sinks.", labels),
          metrics.counter("sluice_objects_written_total", "Files or blocks committed to sinks.", labels),
          metrics.counter("sluice_dead_rows_total", "Rows sent to dead letters.", labels),
          metrics.counter("sluice_epochs_total", "Committed epochs.", labels),
          metrics.counter("sluice_pipeline_retries_total", "How often a run began anew by itself.", labels),
          metrics.gauge("sluice_pipeline_running", "1 while the pipeline runs.", labels),
          metrics.gauge("sluice_pipeline_retrying", "1 from a failure that may pass until something is committed.",
                        labels),
          metrics.gauge("sluice_pipeline_failed", "1 when the pipeline failed and is not tried again.", labels),
          metrics.counter("sluice_pipeline_failures_total", "Runs that ended with an error.", labels),
          metrics.gauge("sluice_pipeline_last_commit_timestamp_seconds",
                        "When an epoch was last committed (or seen to be); 0 if never by this process.", labels),
      };
    }
  };

  Runner(const File& from, size_t statement, PipelineKind plan_kind, Series own)
      : file(from), index(statement), kind(plan_kind), series(own) {}

  const File& file;
  const size_t index;  // of its statement in the file
  const PipelineKind kind;
  Series series;
  std::atomic<bool> busy{false};

  mutable std::mutex mutex;  // guards what follows
  HostedPipeline shown;
  Totals before;                          // of the runs that ended
  std::shared_ptr<RunCounters> counters;  // of the run that goes on

  // A run goes on by itself after a failure. Asked under the mutex.
  [[nodiscard]] bool goes_on() const {
    return shown.state == HostedState::running && counters != nullptr && counters->retrying;
  }

  void show(HostedState state, std::string error = {}, std::optional<WallTime> next_run = {}, bool elsewhere = false) {
    std::lock_guard lock(mutex);
    shown.state = state;
    shown.error = std::move(error);
    shown.elsewhere = elsewhere;
    shown.next_run = next_run;
  }
};

PipelineHost::PipelineHost(Context context, Coordinator& coordinator, const std::atomic<bool>& draining,
                           Settings settings)
    : context_(std::move(context)), coordinator_(coordinator), draining_(draining), settings_(std::move(settings)) {}

PipelineHost::~PipelineHost() { join(); }

Result<std::unique_ptr<PipelineHost>> PipelineHost::load(Context context, Coordinator& coordinator,
                                                         const std::atomic<bool>& draining, Settings settings) {
  std::unique_ptr<PipelineHost> host(new PipelineHost(std::move(context), coordinator, draining, std::move(settings)));
  if (!host->settings_.folder.empty()) {
    for (const auto& path : TRY(sql_files(host->settings_.folder))) TRY(host->add_file(path));
  }
  TRY(host->check_schedules());
  for (auto& runner : host->pipelines_) {
    if (host->scheduled(runner->shown.name)) runner->shown.state = HostedState::scheduled;
  }
  return host;
}

Result<void> PipelineHost::add_file(const std::string& path) {
  auto file = std::make_unique<File>();
  file->path = path;
  file->text = TRY(read_file(path));
  auto plans = TRY(plan_sql(context_, file->text, path, {}));
  for (size_t i = 0; i < plans.size(); ++i) {
    const auto& plan = plans[i];
    if (!plan.named || !plan.sink.has_value()) {
      return user_error(
          "{}: a server runs CREATE STREAM and CREATE TABLE only: what has no name would deliver its rows "
          "again at every start",
          plan.where);
    }
    if (const Runner* other = find(plan.name)) {
      return user_error("{}: '{}' is already defined at {}", plan.where, plan.name, other->shown.where);
    }
    auto series = Runner::Series::of(context_.metrics, {{"pipeline", plan.name}});
    auto& runner = pipelines_.emplace_back(std::make_unique<Runner>(*file, i, plan.kind, series));
    runner->shown.name = plan.name;
    runner->shown.kind = plan.kind == PipelineKind::stream ? "stream" : "table";
    runner->shown.where = plan.where;
    file->pipelines.push_back(runner.get());
  }
  files_.push_back(std::move(file));
  return {};
}

Result<void> PipelineHost::check_schedules() const {
  std::vector<std::string_view> names;
  for (const auto& runner : pipelines_) names.push_back(runner->shown.name);
  for (const auto& schedule : settings_.schedules) {
    const Runner* runner = find(schedule.pipeline);
    if (runner == nullptr) {
      auto near = nearest(schedule.pipeline, names);
      return user_error("{}: there is no pipeline '{}' for the schedule '{}'{}", schedule.where, schedule.pipeline,
                        schedule.name, near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
    }
    if (runner->kind == PipelineKind::stream) {
      return user_error("{}: '{}' is a stream and runs all the time; a schedule is for CREATE TABLE", schedule.where,
                        schedule.pipeline);
    }
  }
  return {};
}

PipelineHost::Runner* PipelineHost::find(const std::string& name) const {
  for (const auto& runner : pipelines_) {
    if (runner->shown.name == name) return runner.get();
  }
  return nullptr;
}

bool PipelineHost::scheduled(const std::string& name) const {
  return std::any_of(settings_.schedules.begin(), settings_.schedules.end(),
                     [&](const Schedule& schedule) { return schedule.pipeline == name; });
}

void PipelineHost::start() {
  for (const auto& file : files_) {
    threads_.emplace_back([this, &file] { run_file(*file); });
  }
  for (const auto& schedule : settings_.schedules) {
    threads_.emplace_back([this, &schedule] { follow_schedule(schedule, *find(schedule.pipeline)); });
  }
}

void PipelineHost::join() { threads_.clear(); }

// As `sluice run` does: bounded statements in their order, because one may read what an earlier one wrote, then all
// streams together. Unlike there a failure does not keep the rest from running, nor does one that is tried again: named
// pipelines deliver what is new, so nothing is lost by coming too early.
void PipelineHost::run_file(const File& file) {
  std::vector<std::jthread> threads;
  for (Runner* runner : file.pipelines) {
    if (runner->kind == PipelineKind::stream || scheduled(runner->shown.name) || ending()) continue;
    runner->busy = true;
    auto again = attempt(*runner);
    runner->busy = again.has_value();
    if (!again.has_value()) continue;
    threads.emplace_back([this, runner, why = *std::move(again)]() mutable {
      try_again(*runner, std::move(why));
      runner->busy = false;
    });
  }
  for (Runner* runner : file.pipelines) {
    if (runner->kind != PipelineKind::stream || ending()) continue;
    threads.emplace_back([this, runner] { run_until_settled(*runner); });
  }
}

void PipelineHost::follow_schedule(const Schedule& schedule, Runner& runner) {
  while (!ending()) {
    const WallTime due = schedule.cron.next(context_.clock.wall());
    if (!runner.busy) {
      std::lock_guard lock(runner.mutex);
      if (!runner.shown.next_run.has_value() || *runner.shown.next_run > due ||
          *runner.shown.next_run <= context_.clock.wall()) {
        runner.shown.next_run = due;
      }
    }
    if (!sleep_until(due)) return;
    if (runner.busy.exchange(true)) {
      context_of(runner).log.warn("the schedule is due while the pipeline still runs: this time is left out",
                                  {{"schedule", schedule.name}});
      continue;
    }
    run_until_settled(runner);
  }
}

bool PipelineHost::sleep_until(WallTime time) const {
  while (!ending()) {
    const auto left = std::chrono::ceil<Millis>(time - context_.clock.wall());
    if (left.count() <= 0) return true;
    context_.clock.sleep(std::min(left, kAttention), context_.stop);
  }
  return false;
}

Context PipelineHost::context_of(const Runner& runner) const {
  Context context = context_;
  context.pipeline = runner.shown.name;
  context.log = context_.log.with({{"pipeline", context.pipeline}});
  return context;
}

Result<RunSummary> PipelineHost::run_once(Runner& runner) {
  Context context = context_of(runner);
  auto plans = TRY(plan_sql(context, runner.file.text, runner.file.path, {}));
  PipelinePlan& plan = plans.at(runner.index);
  if (!TRY(await_first_rows(context, plan, draining_))) return cancelled();
  auto pipeline = TRY(Pipeline::open(context, std::move(plan), nullptr));
  auto counters = std::make_shared<RunCounters>();
  {
    std::lock_guard lock(runner.mutex);
    runner.counters = counters;
  }
  auto summary = pipeline->run(context, &coordinator_, draining_, *counters);
  std::lock_guard lock(runner.mutex);
  runner.before.add(*counters);
  runner.counters.reset();
  return summary;
}

// One run, and further ones for as long as what went wrong may be gone later.
void PipelineHost::run_until_settled(Runner& runner) {
  runner.busy = true;
  auto again = attempt(runner);
  if (again.has_value()) try_again(runner, *std::move(again));
  runner.busy = false;
}

// Asked after a failure, when the lease is not ours any more.
bool PipelineHost::runs_elsewhere(const Runner& runner) const {
  auto record = coordinator_.load(runner.shown.name);
  return record.ok() && record->has_value() && ((*record)->lease.has_value() || !(*record)->members.empty());
}

// One run. The error, when what went wrong may be gone later: a run that begins anew looks at what happened first, so
// that an unknown outcome is one of these.
std::optional<PipelineHost::Again> PipelineHost::attempt(Runner& runner) {
  const Log log = context_of(runner).log;
  runner.show(HostedState::running);
  log.info("the pipeline starts");
  auto summary = run_once(runner);
  if (summary.ok()) {
    log.info("the pipeline ended", {{"rows", summary->rows}, {"dead_rows", summary->dead_rows}});
    const bool through = runner.kind != PipelineKind::stream && !summary->drained;
    runner.show(through ? HostedState::finished : HostedState::stopped);
    return std::nullopt;
  }
  const Error& error = summary.error();
  if (error.fault == Fault::cancelled) {
    runner.show(HostedState::stopped);
    return std::nullopt;
  }
  const bool may_pass = error.fault == Fault::transient || error.fault == Fault::outcome_unknown;
  const bool elsewhere = may_pass && runs_elsewhere(runner);
  {
    std::lock_guard lock(runner.mutex);
    runner.shown.failures += elsewhere ? 0 : 1;
  }
  if (may_pass) return Again{error.message(), elsewhere};
  log.error("the pipeline failed", {{"error", error.message()}});
  runner.show(HostedState::failed, error.message());
  return std::nullopt;
}

void PipelineHost::try_again(Runner& runner, Again why) {
  Millis backoff = settings_.backoff_first;
  while (true) {
    const Log log = context_of(runner).log;
    if (why.elsewhere) {
      log.info("another process has the pipeline", {{"error", why.error}, {"tried_again_in_ms", backoff.count()}});
    } else {
      log.warn("the pipeline failed and is tried again", {{"error", why.error}, {"in_ms", backoff.count()}});
    }
    const WallTime next = context_.clock.wall() + backoff;
    runner.show(HostedState::retrying, why.error, next, why.elsewhere);
    if (!sleep_until(next)) return runner.show(HostedState::stopped, why.elsewhere ? "" : why.error);
    const SteadyTime began = context_.clock.steady();
    auto again = attempt(runner);
    if (!again.has_value()) return;
    why = *std::move(again);
    const bool ran_well = context_.clock.steady() - began >= kSteadyRun;
    backoff = ran_well ? settings_.backoff_first : std::min(backoff * 2, settings_.backoff_max);
  }
}

std::vector<HostedPipeline> PipelineHost::list() const {
  std::vector<HostedPipeline> all;
  for (const auto& runner : pipelines_) {
    std::lock_guard lock(runner->mutex);
    all.push_back(runner->shown);
    if (runner->goes_on()) all.back().state = HostedState::retrying;
  }
  return all;
}

Result<void> PipelineHost::refresh_lookups(const std::string& name) {
  Runner* runner = find(name);
  if (runner == nullptr) return user_error("this server runs no pipeline '{}'", name);
  std::lock_guard lock(runner->mutex);
  if (runner->counters == nullptr) return refused("'{}' does not run now: it loads its lookups when it starts", name);
  runner->counters->refresh = true;
  return {};
}

void PipelineHost::publish_metrics() {
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(context_.clock.wall().time_since_epoch()).count();
  for (const auto& runner : pipelines_) {
    std::lock_guard lock(runner->mutex);
    Runner::Totals totals = runner->before;
    if (runner->counters != nullptr) totals.add(*runner->counters);
    Runner::Series& series = runner->series;
    if (totals.epochs > series.epochs.value()) series.last_commit.set(now);
    series.rows_read.set(totals.rows_read);
    series.bytes_read.set(totals.bytes_read);
    series.rows_written.set(totals.rows_written);
    series.bytes_written.set(totals.bytes_written);
    series.objects_written.set(totals.objects_written);
    series.dead_rows.set(totals.dead_rows);
    series.epochs.set(totals.epochs);
    series.retries.set(totals.retries);
    series.failures.set(runner->shown.failures);
    series.running.set(runner->shown.state == HostedState::running ? 1 : 0);
    const bool retrying = runner->goes_on() || runner->shown.state == HostedState::retrying;
    series.retrying.set(retrying && !runner->shown.elsewhere ? 1 : 0);  // standing by is no trouble
    series.failed.set(runner->shown.state == HostedState::failed ? 1 : 0);
  }
}

}  // namespace sluice
