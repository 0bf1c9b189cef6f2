// One pipeline, from plan to summary. open() connects and resolves schemas (all that check, explain and preview need);
// run() moves the data. A Pipeline runs once.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "flow/guarantee.h"
#include "flow/lane.h"
#include "flow/options.h"
#include "flow/table_plans.h"
#include "port/coordinator.h"
#include "port/plan.h"

namespace sluice {

struct RunSummary {
  std::string name;
  int64_t rows = 0;  // delivered by this run
  int64_t bytes = 0;
  int64_t objects = 0;
  int64_t dead_rows = 0;
  int64_t epochs = 0;
  bool drained = false;      // stopped on request before the end
  bool nothing_new = false;  // everything had been delivered before
  Guarantee guarantee;
};

class Pipeline {
 public:
  // `sink` replaces the plan's (a terminal, a preview). Connects to both ends, resolves the schema through the SQL and
  // asks the sink whether it can take it. Changes nothing.
  static Result<std::unique_ptr<Pipeline>> open(Context& context, PipelinePlan plan, std::unique_ptr<Sink> sink);

  [[nodiscard]] const PipelinePlan& plan() const { return plan_; }
  [[nodiscard]] const SchemaPtr& source_schema() const { return inputs_[0].schema; }
  [[nodiscard]] const SchemaPtr& output_schema() const { return output_; }
  [[nodiscard]] const Pushed& pushed(size_t input = 0) const { return inputs_[input].planned.pushed; }
  [[nodiscard]] Guarantee guarantee() const;
  [[nodiscard]] Sink& sink() { return *sink_; }
  [[nodiscard]] size_t inputs() const { return inputs_.size(); }  // the driving one first, then lookups or the query's
  [[nodiscard]] Source& source(size_t input = 0) { return *inputs_[input].source; }

  // Runs to the end of bounded inputs, or until `draining` is set (stop reading, commit what was read) or
  // context.stop (abort: nothing undecided becomes visible). `coordinator` may be null only for Decision::none.
  Result<RunSummary> run(Context& context, Coordinator* coordinator, const std::atomic<bool>& draining,
                         RunCounters& counters);

 private:
  struct Input {
    std::unique_ptr<Source> source;
    SchemaPtr schema;
    Source::Planned planned;
  };

  Pipeline() = default;
  Result<void> create_sink(Context& context, std::unique_ptr<Sink> sink);
  Result<void> resolve_inputs(Context& context);
  Result<void> resolve_input(Context& context, const Endpoint& endpoint, ReadRequest& request);
  Result<void> resolve_driving_tables(Context& context);
  Result<void> resolve_query(Context& context);
  Result<void> resolve_sinks(Context& context);
  Result<void> resolve_dead_letters(Context& context);
  // Plans with another schema of the driving source, and asks the sink about it; what evolve() has to be told. Nothing
  // when rows come out as before.
  Result<std::optional<SchemaChange>> plan_again(Context& context, const SchemaChange& change);
  // Back from a change that plan_again(), or the sink, could not take.
  Result<void> plan_as_before(Context& context, const SchemaChange& change);
  // Returns the output schema that the table had; null: it is new.
  Result<SchemaPtr> plan_table_again(Context& context, const TableId& table, SchemaPtr full);

  friend class PipelineRun;
  friend class Stretch;
  friend class Tenure;

  PipelinePlan plan_;
  PipelineOptions options_;
  std::optional<int64_t> row_limit_;    // no more than this many rows reach the sink
  std::vector<Input> inputs_;           // the driving one first
  std::unique_ptr<TablePlans> tables_;  // of the driving one; null for a query
  std::unique_ptr<Sink> sink_;
  std::unique_ptr<Sink> dead_letters_;
  SchemaPtr output_;
};

}  // namespace sluice
