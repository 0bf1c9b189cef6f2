#include "flow/pipeline.h"

#include <filesystem>

#include <arrow/type.h>

#include "flow/nothing_source.h"
#include "flow/placed.h"
#include "flow/run.h"
#include "port/change_details.h"

namespace sluice {
namespace {

// A stream that follows a whole folder and writes into it would feed itself for ever.
bool feeds_itself(const Location& source, const Location& sink) {
  if (source.scheme != sink.scheme || source.hosts != sink.hosts || !source.path.ends_with('/')) return false;
  auto normal = [](const std::string& path) {
    auto absolute = std::filesystem::absolute(path).lexically_normal().string();
    return absolute.ends_with('/') ? absolute : absolute + "/";
  };
  return normal(sink.path).starts_with(normal(source.path));
}

}  // namespace

Result<std::unique_ptr<Pipeline>> Pipeline::open(Context& context, PipelinePlan plan, std::unique_ptr<Sink> sink) {
  std::unique_ptr<Pipeline> pipeline(new Pipeline());
  pipeline->plan_ = std::move(plan);
  pipeline->options_ = TRY(PipelineOptions::parse(pipeline->plan_.with));
  TRY(pipeline->create_sink(context, std::move(sink)));
  TRY(pipeline->resolve_inputs(context));
  if (pipeline->plan_.query != nullptr) TRY(pipeline->resolve_query(context));
  TRY(pipeline->resolve_sinks(context));
  return pipeline;
}

// First of all: what it takes decides what the source is asked for.
Result<void> Pipeline::create_sink(Context& context, std::unique_ptr<Sink> sink) {
  sink_ = std::move(sink);
  if (sink_ == nullptr) {
    CHECK(plan_.sink.has_value());
    sink_ = TRY(placed(context.registry.create_sink(plan_.sink->request), *plan_.sink));
  }
  const auto* teller = dynamic_cast<const TellsOfChanges*>(sink_.get());
  plan_.request.before_images = teller != nullptr && teller->takes_before_images();
  return {};
}

Result<void> Pipeline::resolve_inputs(Context& context) {
  const bool streaming = plan_.kind == PipelineKind::stream;
  row_limit_ = plan_.request.limit;
  TRY(resolve_input(context, plan_.source, plan_.request));
  for (size_t i = 0; i < plan_.more_sources.size(); ++i) {
    TRY(resolve_input(context, plan_.more_sources[i], plan_.more_requests[i]));
  }
  if (streaming && !inputs_[0].source->traits().streaming) {
    return user_error(
        "{}: {} ends, and a stream runs until it is stopped: use CREATE TABLE, or watch := true for files", plan_.where,
        plan_.source.text);
  }
  if (!streaming && !inputs_[0].source->traits().batch) {
    return user_error("{}: {} never ends: use CREATE STREAM, or leave out watch := true to read what is there now",
                      plan_.where, plan_.source.text);
  }
  return {};
}

Result<void> Pipeline::resolve_input(Context& context, const Endpoint& endpoint, ReadRequest& request) {
  const size_t index = inputs_.size();
  Input input;
  input.source = endpoint.connector.empty() ? nothing_source()
                                            : TRY(placed(context.registry.create_source(endpoint.request), endpoint));
  if (plan_.query == nullptr) {
    inputs_.push_back(std::move(input));
    return resolve_driving_tables(context);
  }
  input.schema = TRY(placed(input.source->fetch_schema(context), endpoint));
  request.limit.reset();  // of the result, which tells nothing of the input
  if (!endpoint.connector.empty()) request = TRY(plan_.query->request(context, index, input.schema, request));
  request.collect_rejects = plan_.dead_letters.has_value() || !options_.dead_letters.empty();
  if (input.source->rate_limit() != nullptr) input.source->rate_limit()->shape(&request);
  input.planned = TRY(placed(input.source->plan(context, request), endpoint));
  inputs_.push_back(std::move(input));
  return {};
}

Result<void> Pipeline::resolve_driving_tables(Context& context) {
  Input& input = inputs_[0];
  const bool collect_rejects = plan_.dead_letters.has_value() || !options_.dead_letters.empty();
  tables_ = std::make_unique<TablePlans>(plan_.source, plan_.request, plan_.rows.get(), collect_rejects);
  auto several = TRY(placed(input.source->fetch_tables(context), plan_.source));
  if (several.empty()) {
    auto full = TRY(placed(input.source->fetch_schema(context), plan_.source));
    TRY(tables_->plan_one(context, *input.source, std::move(full)));
  } else {
    TRY(tables_->plan_many(context, *input.source, several));
  }
  const TablePlan& first = tables_->only();
  input.schema = first.source;
  input.planned = first.planned;
  plan_.request = first.request;
  output_ = first.output;
  return {};
}

Result<void> Pipeline::resolve_query(Context& context) {
  std::vector<SchemaPtr> schemas;
  for (const auto& input : inputs_) schemas.push_back(input.planned.schema);
  if (plan_.source.connector.empty()) schemas.clear();  // SELECT 1
  output_ = TRY(plan_.query->bind(context, schemas));
  return {};
}

Result<SchemaPtr> Pipeline::plan_table_again(Context& context, const TableId& table, SchemaPtr full) {
  auto before = TRY(tables_->plan_again(context, source(), table, std::move(full)));
  const TablePlan& now = tables_->of(table);
  if (&now == &tables_->only()) {
    inputs_[0].schema = now.source;
    inputs_[0].planned = now.planned;
    output_ = now.output;
  }
  return before;
}

Result<std::optional<SchemaChange>> Pipeline::plan_again(Context& context, const SchemaChange& change) {
  auto full = TRY(placed(source().adopt_schema(context, change), plan_.source));
  const TablePlan* known = tables_->find(change.table);
  if (known != nullptr && known->source->Equals(*full)) return std::optional<SchemaChange>();
  auto before = TRY(plan_table_again(context, change.table, std::move(full)));
  const TablePlan& now = tables_->of(change.table);
  if (before != nullptr && before->Equals(*now.output)) return std::optional<SchemaChange>();
  TRY(sink_->validate_schema(context, *now.output));
  return std::optional(SchemaChange{change.table, std::move(before), now.output});
}

Result<void> Pipeline::plan_as_before(Context& context, const SchemaChange& change) {
  auto full = TRY(placed(source().adopt_schema(context, {change.table, nullptr, change.before}), plan_.source));
  (void)TRY(plan_table_again(context, change.table, std::move(full)));
  return {};
}

Result<void> Pipeline::resolve_sinks(Context& context) {
  const auto* knows = dynamic_cast<const KnowsOrigin*>(&source());
  auto* teller = dynamic_cast<TellsOfChanges*>(sink_.get());
  if (knows != nullptr && teller != nullptr) teller->set_origin(knows->origin());
  if (tables_ != nullptr && tables_->many() && !sink_->traits().many_tables) {
    return user_error(
        "{}: {} has several tables and {} takes one: name one table, or let the location say which goes where, as in "
        "'…{{table}}…'",
        plan_.where, plan_.source.text, plan_.sink.has_value() ? plan_.sink->text : "the terminal");
  }
  if (tables_ == nullptr) TRY(sink_->validate_schema(context, *output_));
  if (tables_ != nullptr) {
    for (const auto& [table, plan] : tables_->all()) TRY(sink_->validate_schema(context, *plan.output));
  }
  if (plan_.kind == PipelineKind::stream && sink_->traits().single_writer &&
      sink_->traits().decision == Decision::journal) {
    return user_error("{}: a stream writes one file per epoch and needs a folder: end the location with '/'",
                      plan_.where);
  }
  if (plan_.kind == PipelineKind::stream && plan_.sink.has_value() &&
      feeds_itself(plan_.source.request.location, plan_.sink->request.location)) {
    return user_error("{}: {} lies in {}, so that the stream would read what it writes; write elsewhere", plan_.where,
                      plan_.sink->text, plan_.source.text);
  }
  return resolve_dead_letters(context);
}

Result<void> Pipeline::resolve_dead_letters(Context& context) {
  if (!plan_.dead_letters.has_value() && !options_.dead_letters.empty()) {
    Endpoint endpoint;
    endpoint.request.location = TRY(parse_location(options_.dead_letters));
    endpoint.request.options = endpoint.request.location.params;
    endpoint.request.pipeline = context.pipeline;
    endpoint.request.streaming = plan_.kind == PipelineKind::stream;
    endpoint.text = endpoint.request.location.redacted();
    plan_.dead_letters = std::move(endpoint);
  }
  if (!plan_.dead_letters.has_value()) return {};
  dead_letters_ = TRY(placed(context.registry.create_sink(plan_.dead_letters->request), *plan_.dead_letters));
  if (dead_letters_->traits().decision != Decision::journal || dead_letters_->traits().single_writer) {
    return user_error("{}: dead letters go into a folder of files: end the location with '/'", plan_.where);
  }
  return dead_letters_->validate_schema(context, *dead_letter_schema());
}

Guarantee Pipeline::guarantee() const {
  return derive_guarantee(inputs_[0].source->traits(), sink_->traits(), dead_letters_ != nullptr);
}

Result<RunSummary> Pipeline::run(Context& context, Coordinator* coordinator, const std::atomic<bool>& draining,
                                 RunCounters& counters) {
  return PipelineRun(*this, coordinator, draining, counters).run(context);
}

}  // namespace sluice
