#include "cli/job.h"

#include <cstdio>
#include <mutex>
#include <optional>
#include <thread>

#include "cli/progress.h"
#include "cli/terminal_sink.h"
#include "flow/first_rows.h"

namespace sluice {
namespace {

std::string grouped(int64_t number) {
  std::string digits = std::to_string(number);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

ProgressDisplay::Style style_of(const Session& session) {
  return session.quiet() ? ProgressDisplay::Style::none : ProgressDisplay::style_of(stderr);
}

Result<RunSummary> run_shown(Session& session, PipelinePlan plan, const std::string& output, ProgressDisplay& display) {
  Context context = session.context(plan.name);
  if (!TRY(await_first_rows(context, plan, session.draining()))) {
    RunSummary nothing;
    nothing.name = plan.name;
    nothing.drained = true;
    return nothing;
  }
  std::unique_ptr<Sink> terminal;
  if (!plan.sink.has_value()) terminal = TRY(terminal_sink(context, output, stdout));
  const bool prints = terminal != nullptr;
  auto pipeline = TRY(Pipeline::open(context, std::move(plan), std::move(terminal)));
  Coordinator* coordinator = nullptr;
  if (pipeline->sink().traits().decision != Decision::none) coordinator = TRY(session.coordinator());
  RunCounters counters;
  std::optional<RunProgress> progress;
  if (!prints) progress.emplace(display, context.pipeline, counters);
  return pipeline->run(context, coordinator, session.draining(), counters);
}

}  // namespace

Result<RunSummary> run_job(Session& session, PipelinePlan plan, const std::string& output) {
  ProgressDisplay display(style_of(session));
  return run_shown(session, std::move(plan), output, display);
}

Result<std::vector<RunSummary>> run_jobs(Session& session, std::vector<PipelinePlan> plans, const std::string& output) {
  ProgressDisplay display(style_of(session));
  std::vector<RunSummary> summaries;
  std::vector<PipelinePlan> streams;
  for (auto& plan : plans) {
    if (plan.kind == PipelineKind::stream) {
      streams.push_back(std::move(plan));
    } else if (!session.draining()) {
      summaries.push_back(TRY(run_shown(session, std::move(plan), output, display)));
    }
  }
  std::mutex mutex;
  std::optional<Error> first_error;
  std::vector<std::jthread> threads;
  for (auto& stream : streams) {
    threads.emplace_back([&, plan = std::move(stream)]() mutable {
      auto summary = run_shown(session, std::move(plan), output, display);
      std::lock_guard lock(mutex);
      if (summary.ok()) {
        summaries.push_back(std::move(summary).value());
      } else if (!first_error.has_value()) {
        first_error = std::move(summary).error();
        session.drain();  // the others commit what they have
      }
    });
  }
  threads.clear();
  if (first_error.has_value()) return std::move(*first_error);
  return summaries;
}

void print_summaries(const std::vector<RunSummary>& summaries) {
  for (const auto& summary : summaries) {
    if (summary.guarantee.level == Guarantee::Level::none) continue;
    if (summary.nothing_new) {
      std::fprintf(stderr, "%s: nothing new; everything was delivered before\n", summary.name.c_str());
      continue;
    }
    std::string text = fmt::format("{}: {} rows", summary.name, grouped(summary.rows));
    if (summary.objects > 0) text += fmt::format(" in {} files", grouped(summary.objects));
    if (summary.bytes > 0) text += fmt::format(", {}", format_bytes(summary.bytes));
    if (summary.dead_rows > 0) text += fmt::format(", {} to the dead letters", grouped(summary.dead_rows));
    text += fmt::format(", {}", summary.guarantee.to_string());
    if (summary.drained) text += ", stopped on request";
    std::fprintf(stderr, "%s\n", text.c_str());
  }
}

}  // namespace sluice
