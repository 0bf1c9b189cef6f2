// Runs planned statements over testing_source.h as flow would, in one lane.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "batch/arrow_result.h"
#include "sql/planner.h"
#include "sql/testing_source.h"

namespace sluice::sql::testing {

struct Outcome {
  SchemaPtr schema;
  std::vector<BatchPtr> batches;
  std::vector<Reject> rejects;
  std::string description;
  ReadRequest request;

  [[nodiscard]] BatchPtr all() const {
    if (batches.empty()) return arrow::RecordBatch::MakeEmpty(schema).ValueOrDie();
    return arrow::ConcatenateRecordBatches(batches).ValueOrDie();
  }
  // One line per row: "1|a|NULL".
  [[nodiscard]] std::string text() const {
    std::string out;
    auto batch = all();
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      for (int i = 0; i < batch->num_columns(); ++i) {
        auto scalar = batch->column(i)->GetScalar(row).ValueOrDie();
        out += (i > 0 ? "|" : "") + (scalar->is_valid ? scalar->ToString() : std::string("NULL"));
      }
      out += '\n';
    }
    return out;
  }
};

class Feed : public BatchStream {
 public:
  Feed(Context& context, Source& source, SchemaPtr schema)
      : context_(context), source_(source), schema_(std::move(schema)) {}
  [[nodiscard]] SchemaPtr schema() const override { return schema_; }
  Result<BatchPtr> next() override {
    if (!reader_) {
      std::vector<Split> splits{{"all", 0, ""}};
      reader_ = TRY(source_.create_reader(context_, splits));
    }
    auto event = TRY(reader_->next(context_, context_.clock.steady()));
    if (std::holds_alternative<End>(event)) return BatchPtr();
    return std::get<Rows>(event).batch;
  }

 private:
  Context& context_;
  Source& source_;
  SchemaPtr schema_;
  std::unique_ptr<Reader> reader_;
};

inline Result<Outcome> run_rows(World& world, PipelinePlan& plan, bool collect_rejects) {
  Outcome out;
  auto source = TRY(world.registry.create_source(plan.source.request));
  auto full = TRY(source->fetch_schema(world.context));
  out.request = TRY(plan.rows->request(world.context, full, plan.request));
  auto planned = TRY(source->plan(world.context, out.request));
  plan.rows->set_pushed(planned.pushed);
  out.schema = TRY(plan.rows->bind(world.context, planned.schema));
  auto lane = TRY(plan.rows->create(world.context, collect_rejects));
  Feed feed(world.context, *source, planned.schema);
  while (auto batch = TRY(feed.next())) {
    auto result = TRY(lane->apply(world.context, batch, collect_rejects ? &out.rejects : nullptr));
    if (!result->schema()->Equals(*out.schema)) {
      return user_error("schema {} instead of {}", result->schema()->ToString(), out.schema->ToString());
    }
    TRY(to_result(result->ValidateFull()));
    out.batches.push_back(std::move(result));
  }
  out.description = plan.rows->describe();
  return out;
}

inline Result<Outcome> run_query(World& world, PipelinePlan& plan) {
  Outcome out;
  std::vector<Endpoint> endpoints;
  if (!plan.source.connector.empty()) endpoints.push_back(plan.source);
  for (const auto& more : plan.more_sources) endpoints.push_back(more);
  std::vector<std::unique_ptr<Source>> sources;
  std::vector<std::unique_ptr<Feed>> feeds;
  std::vector<BatchStream*> streams;
  std::vector<SchemaPtr> schemas;
  for (size_t i = 0; i < endpoints.size(); ++i) {
    sources.push_back(TRY(world.registry.create_source(endpoints[i].request)));
    auto full = TRY(sources[i]->fetch_schema(world.context));
    out.request = TRY(plan.query->request(world.context, i, full, {}));
    schemas.push_back(TRY(sources[i]->plan(world.context, out.request)).schema);
    feeds.push_back(std::make_unique<Feed>(world.context, *sources[i], schemas[i]));
    streams.push_back(feeds[i].get());
  }
  out.schema = TRY(plan.query->bind(world.context, schemas));
  TRY(plan.query->run(world.context, streams, [&](BatchPtr batch) -> Result<void> {
    TRY(to_result(batch->ValidateFull()));
    out.batches.push_back(std::move(batch));
    return {};
  }));
  out.description = plan.query->describe();
  return out;
}

// The last statement of `text`.
inline Result<Outcome> run(std::string_view text, bool collect_rejects = false) {
  World world;
  auto plans = TRY(plan_sql(world.context, text, "a.sql", {}));
  auto& plan = plans.back();
  return plan.rows != nullptr ? run_rows(world, plan, collect_rejects) : run_query(world, plan);
}

inline std::string text_of(std::string_view text) {
  auto outcome = run(text);
  return outcome.ok() ? outcome->text() : outcome.error().message();
}

}  // namespace sluice::sql::testing
