// What happens to the rows of each table of the driving source: its schemas and its SELECT. One entry for most sources;
// one per table where a stream carries several (change capture of a whole schema).
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "port/plan.h"

namespace sluice {

struct TablePlan {
  TableId table;                        // empty where the source has one table only, whatever Rows::table says
  SchemaPtr source;                     // full, before projection
  ReadRequest request;                  // of its readers
  Source::Planned planned;              // what they deliver
  RowTransform* rows = nullptr;         // null: everything passes through
  std::unique_ptr<RowTransform> owned;  // `rows`, where it is not the statement's own
  SchemaPtr output;                     // what writers get
};

// Changed only while no lane runs; find() and create_transform() are called by lanes.
class TablePlans {
 public:
  // `asked` is PipelinePlan::request before any schema was known; `select` (may be null) is the statement's own: used
  // for a single table as it is, and what every other transform is made from. It outlives this.
  TablePlans(const Endpoint& source, ReadRequest asked, RowTransform* select, bool collect_rejects)
      : endpoint_(source), asked_(std::move(asked)), select_(select), collect_rejects_(collect_rejects) {}

  // One table with its full schema, or several.
  Result<void> plan_one(Context& context, Source& source, SchemaPtr full);
  Result<void> plan_many(Context& context, Source& source, const std::vector<Source::Table>& tables);
  // Plans one again with another full schema, or a new one; returns the output schema it had (null: it is new).
  Result<SchemaPtr> plan_again(Context& context, Source& source, const TableId& table, SchemaPtr full);

  [[nodiscard]] bool many() const { return many_; }
  // `table` as it is known here: empty where there is only one.
  [[nodiscard]] TableId known_as(const TableId& table) const { return many_ ? table : TableId{}; }
  [[nodiscard]] const TablePlan& of(const TableId& table) const { return plans_.at(known_as(table)); }
  [[nodiscard]] const TablePlan* find(const TableId& table) const;
  [[nodiscard]] const std::map<TableId, TablePlan>& all() const { return plans_; }
  [[nodiscard]] const TablePlan& only() const { return plans_.begin()->second; }

  // A lane's own; null: rows pass through. Thread-safe.
  Result<std::unique_ptr<Transform>> create_transform(Context& context, const TableId& table);
  Result<void> refresh(Context& context);  // lookup tables

 private:
  Result<TablePlan> plan(Context& context, Source& source, TablePlan plan) const;
  Result<std::unique_ptr<RowTransform>> fresh_rows(const TableId& table) const;

  const Endpoint& endpoint_;  // of the source, for errors
  const ReadRequest asked_;
  RowTransform* const select_;
  const bool collect_rejects_;
  bool many_ = false;
  std::map<TableId, TablePlan> plans_;
  std::mutex mutex_;  // one lane's transform is made at a time
};

}  // namespace sluice
