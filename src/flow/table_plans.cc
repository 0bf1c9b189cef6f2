#include "flow/table_plans.h"

#include <arrow/type.h>

#include "flow/placed.h"

namespace sluice {

Result<TablePlan> TablePlans::plan(Context& context, Source& source, TablePlan plan) const {
  if (plan.owned != nullptr) plan.rows = plan.owned.get();
  plan.request = asked_;
  if (plan.rows != nullptr) plan.request = TRY(plan.rows->request(context, plan.source, plan.request));
  plan.request.collect_rejects = collect_rejects_;
  if (source.rate_limit() != nullptr) source.rate_limit()->shape(&plan.request);
  plan.planned = TRY(placed(
      many_ ? source.plan_table(context, plan.table, plan.request) : source.plan(context, plan.request), endpoint_));
  plan.output = plan.planned.schema;
  if (plan.rows != nullptr) {
    plan.rows->set_pushed(plan.planned.pushed);
    plan.output = TRY(plan.rows->bind(context, plan.planned.schema));
  }
  return plan;
}

Result<std::unique_ptr<RowTransform>> TablePlans::fresh_rows(const TableId& table) const {
  if (select_ == nullptr) return std::unique_ptr<RowTransform>();
  auto rows = select_->another();
  if (rows != nullptr) return rows;
  return refused("the schema of '{}' changed, and this statement cannot be planned again; start the pipeline again",
                 table.name);
}

Result<void> TablePlans::plan_one(Context& context, Source& source, SchemaPtr full) {
  TablePlan one;
  one.source = std::move(full);
  one.rows = select_;
  plans_.emplace(TableId{}, TRY(plan(context, source, std::move(one))));
  return {};
}

Result<void> TablePlans::plan_many(Context& context, Source& source, const std::vector<Source::Table>& tables) {
  many_ = true;
  for (const auto& table : tables) {
    TablePlan one;
    one.table = table.id;
    one.source = table.schema;
    one.owned = TRY(fresh_rows(table.id));
    auto made = plan(context, source, std::move(one)).while_doing(fmt::format("planning table '{}'", table.id.name));
    plans_.emplace(table.id, TRY(std::move(made)));
  }
  return {};
}

Result<SchemaPtr> TablePlans::plan_again(Context& context, Source& source, const TableId& table, SchemaPtr full) {
  TablePlan again;
  again.table = known_as(table);
  again.source = std::move(full);
  again.owned = TRY(fresh_rows(table));
  auto made = TRY(plan(context, source, std::move(again)));
  const TableId known = known_as(table);
  auto found = plans_.find(known);
  SchemaPtr before = found == plans_.end() ? nullptr : found->second.output;
  plans_.insert_or_assign(known, std::move(made));
  return before;
}

const TablePlan* TablePlans::find(const TableId& table) const {
  auto found = plans_.find(known_as(table));
  return found == plans_.end() ? nullptr : &found->second;
}

Result<std::unique_ptr<Transform>> TablePlans::create_transform(Context& context, const TableId& table) {
  const TablePlan* found = find(table);
  if (found == nullptr) {
    return bug("the source delivers rows of table '{}' without having said that there is one", table.name);
  }
  if (found->rows == nullptr) return std::unique_ptr<Transform>();
  std::lock_guard lock(mutex_);
  return found->rows->create(context, collect_rejects_);
}

Result<void> TablePlans::refresh(Context& context) {
  for (auto& [table, plan] : plans_) {
    if (plan.rows != nullptr) TRY(plan.rows->refresh(context));
  }
  return {};
}

}  // namespace sluice
