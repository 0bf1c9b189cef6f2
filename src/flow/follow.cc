// What a run does between two stretches: schema changes, TRUNCATE, splits that were taken back. Everything that was
// read before is committed by now (or dropped), and no reader, transform or writer exists.
#include <arrow/type.h>

#include "flow/run.h"
#include "port/new_columns.h"

namespace sluice {

Result<void> PipelineRun::follow(Context& context, const Break& happened) {
  if (happened.lost.empty()) {
    if (happened.schema_change.has_value()) TRY(follow(context, *happened.schema_change));
    if (happened.truncate.has_value()) TRY(order_->truncate(context, next_epoch_++, *happened.truncate));
  }
  for (const auto& split : happened.revoked) {
    TRY(pipeline_.inputs_[0].source->released(context, split).while_doing("letting go of a split"));
  }
  crash_point("break.released");
  if (happened.lost.empty() && !happened.handed_over) return {};
  if (happened.lost.empty()) {
    TRY(recover_again(context));
    return {};
  }
  // A schema change or TRUNCATE that was met beside it is met again: what lies before it may not be committed.
  context.log.warn("splits were taken away: what was not committed is dropped, and read again where it still is ours",
                   {{"splits", fmt::format("{}", fmt::join(happened.lost, ", "))}});
  TRY(recover_again(context));
  return {};
}

// Each step can be repeated after a crash: nothing of the new schema is written before the last one, so that the next
// start meets the change again, at the same position, and evolve() finds its work done.
Result<void> PipelineRun::follow(Context& context, const SchemaChange& change) {
  crash_point("change.committed");
  if (auto taken = take_along(context, change); !taken.ok()) {
    return do_without(context, change, std::move(taken).error());
  }
  crash_point("change.evolved");
  TRY(save_schema(pipeline_.tables_->of(change.table)));
  crash_point("change.saved");
  return {};
}

Result<void> PipelineRun::take_along(Context& context, const SchemaChange& change) {
  auto evolution = TRY(pipeline_.plan_again(context, change).while_doing("following a schema change"));
  const TablePlan& plan = pipeline_.tables_->of(change.table);
  context.log.info(
      "the source's schema changed",
      {{"table", change.table.name}, {"columns", fmt::format("{}", fmt::join(plan.source->field_names(), ", "))}});
  if (!evolution.has_value()) return {};
  return pipeline_.sink_->evolve(context, *evolution).while_doing("following a schema change");
}

// Rows with columns that the SQL or the sink cannot take are bad rows, where there is a place for those.
Result<void> PipelineRun::do_without(Context& context, const SchemaChange& change, Error error) {
  auto* source = dynamic_cast<DoesWithoutColumns*>(&pipeline_.source());
  const bool lasts = error.fault == Fault::user || error.fault == Fault::refused;
  if (source == nullptr || !lasts || pipeline_.dead_letters_ == nullptr || change.before == nullptr) return error;
  context.log.warn("new columns cannot be followed: rows that have them go to the dead letters",
                   {{"error", error.message()}});
  source->do_without_columns();
  return pipeline_.plan_as_before(context, change);
}

Result<void> PipelineRun::save_schema(const TablePlan& plan) {
  FollowedSchema& followed = followed_[plan.table];
  const bool known = followed.source != nullptr;
  if (known && followed.source->Equals(*plan.source) && followed.output->Equals(*plan.output)) return {};
  followed = {plan.table, known ? followed.version + 1 : 1, plan.source, plan.output};
  return tenure_.save_schema(followed);
}

// At the start of a stream: goes on with the schema it had come to, and takes the sink along where the source has moved
// on while nobody was looking (or a crash came between the two). A bounded statement reads what is there now.
Result<void> PipelineRun::follow_saved(Context& context) {
  if (pipeline_.plan_.kind != PipelineKind::stream || pipeline_.tables_ == nullptr) return {};
  const PipelineRecord& record = tenure_.record();
  const bool same_statement = tenure_.resumed() && record.definition == pipeline_.plan_.definition;
  for (const auto& saved : record.schemas) {
    const TablePlan* known = pipeline_.tables_->find(saved.table);
    if (known == nullptr) continue;  // dropped at the source
    followed_[saved.table] = saved;
    (void)TRY(pipeline_.plan_again(context, {saved.table, nullptr, saved.source}));
    const TablePlan& plan = pipeline_.tables_->of(saved.table);
    if (!same_statement || plan.output->Equals(*saved.output)) continue;
    TRY(pipeline_.sink_->evolve(context, {saved.table, saved.output, plan.output})
            .while_doing("following a schema change"));
    crash_point("change.evolved");
  }
  for (const auto& [table, plan] : pipeline_.tables_->all()) TRY(save_schema(plan));
  return {};
}

}  // namespace sluice
