#include "sluice/sql.h"

#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include "api/runtime.h"
#include "flow/first_rows.h"
#include "flow/pipeline.h"
#include "sql/planner.h"

namespace sluice {
namespace {

Result<Delivered> run_one(api::Runtime& runtime, Coordinator& coordinator, PipelinePlan plan,
                          const std::atomic<bool>& draining) {
  if (!plan.sink.has_value()) return user_error("{}: a SELECT needs INSERT INTO here", plan.where);
  auto context = runtime.context(plan.name);
  if (!TRY(await_first_rows(context, plan, draining))) return Delivered{plan.name, 0, 0, 0, true, ""};
  auto pipeline = TRY(Pipeline::open(context, std::move(plan), nullptr));
  RunCounters counters;
  auto summary = TRY(pipeline->run(context, &coordinator, draining, counters));
  return Delivered{summary.name,    summary.rows,        summary.bytes,
                   summary.objects, summary.nothing_new, summary.guarantee.to_string()};
}

}  // namespace

Result<std::vector<Delivered>> run_sql(std::string_view sql, const SqlOptions& options) {
  api::Runtime runtime(options.memory_bytes);
  auto planning = runtime.context();
  auto plans = TRY(plan_sql(planning, sql, "sql", options.variables));
  auto coordinator = TRY(api::open_state(options.state));
  std::atomic<bool> draining{false};
  std::stop_callback drain(options.stop, [&] { draining = true; });

  std::vector<Delivered> delivered;
  std::vector<PipelinePlan> streams;
  for (auto& plan : plans) {
    if (plan.kind == PipelineKind::stream) {
      streams.push_back(std::move(plan));
    } else if (!draining) {
      delivered.push_back(TRY(run_one(runtime, *coordinator, std::move(plan), draining)));
    }
  }
  std::mutex mutex;
  std::optional<Error> first_error;
  std::vector<std::jthread> threads;
  for (auto& stream : streams) {
    threads.emplace_back([&, plan = std::move(stream)]() mutable {
      auto one = run_one(runtime, *coordinator, std::move(plan), draining);
      std::lock_guard lock(mutex);
      if (one.ok()) {
        delivered.push_back(std::move(one).value());
      } else if (!first_error.has_value()) {
        first_error = std::move(one).error();
        draining = true;  // the others commit what they have
      }
    });
  }
  threads.clear();
  if (first_error.has_value()) return std::move(*first_error);
  return delivered;
}

}  // namespace sluice
