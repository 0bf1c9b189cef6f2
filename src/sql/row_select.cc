#include "sql/row_select.h"

#include <algorithm>
#include <mutex>

#include <arrow/api.h>

#include "batch/arrow_result.h"
#include "batch/change.h"
#include "batch/old_rows.h"
#include "sql/assembly.h"
#include "sql/change_filter.h"
#include "sql/lane_query.h"
#include "sql/lookup_join.h"
#include "sql/names.h"
#include "sql/origins.h"
#include "sql/pass_through.h"

namespace sluice::sql {
namespace {

class PassThroughLane : public Transform {
 public:
  explicit PassThroughLane(std::shared_ptr<const PassThrough> pass) : pass_(std::move(pass)) {}
  Result<BatchPtr> apply(Context&, const BatchPtr& input, std::vector<Reject>*) override { return pass_->apply(input); }

 private:
  std::shared_ptr<const PassThrough> pass_;
};

// What the lanes of a statement that is more than picking columns share.
struct QueryShape {
  std::shared_ptr<const Select> select;
  std::vector<SchemaPtr> inputs;              // as DuckDB sees them
  std::vector<SchemaPtr> full;                // before projection, for errors
  std::optional<Assembly> assembly;           // nothing: DuckDB makes the whole output
  std::shared_ptr<const LookupJoin> lookups;  // may be null
  SchemaPtr schema;

  [[nodiscard]] bool needs_query() const { return !assembly || assembly->needs_query(); }
};

class QueryLane : public Transform {
 public:
  QueryLane(std::shared_ptr<const QueryShape> shape, std::unique_ptr<LaneQuery> query, bool collect_rejects)
      : shape_(std::move(shape)), query_(std::move(query)), collect_(collect_rejects) {}

  Result<BatchPtr> apply(Context&, const BatchPtr& input, std::vector<Reject>* rejects) override {
    arrow::RecordBatchVector out;
    TRY(run(input, rejects, out));
    if (out.size() == 1) return out[0];
    if (out.empty()) return to_result(arrow::RecordBatch::MakeEmpty(shape_->schema));
    return to_result(arrow::ConcatenateRecordBatches(out));
  }

 private:
  // A batch that fails is halved until the rows that are at fault stand alone.
  Result<void> run(const BatchPtr& input, std::vector<Reject>* rejects, arrow::RecordBatchVector& out) {
    auto inputs = shape_->lookups ? TRY(shape_->lookups->apply(input)) : std::vector<BatchPtr>{input};
    LaneQuery::Failure failure;
    auto result = query_ ? query_->run(inputs, &failure) : Result<BatchPtr>(BatchPtr());
    if (result.ok()) {
      auto batch = TRY(finish(inputs, *result));
      if (batch->num_rows() > 0) out.push_back(std::move(batch));
      return {};
    }
    if (!failure.of_a_row) return std::move(result).error();
    if (input->num_rows() > 1) {
      int64_t half = input->num_rows() / 2;
      TRY(run(input->Slice(0, half), rejects, out));
      return run(input->Slice(half), rejects, out);
    }
    auto row = TRY(query_->row_as_json(input));
    if (collect_ && rejects != nullptr) {
      rejects->push_back({std::move(row), failure.error.what, "", ""});
      return {};
    }
    if (row.size() > 300) row = row.substr(0, 300) + "…";
    return user_error("{} in row {}", failure.error.what, row);
  }

  Result<BatchPtr> finish(const std::vector<BatchPtr>& inputs, const BatchPtr& result) const {
    if (shape_->assembly) return shape_->assembly->assemble(inputs, result, shape_->schema);
    return arrow::RecordBatch::Make(shape_->schema, result->num_rows(), result->columns());
  }

  std::shared_ptr<const QueryShape> shape_;
  std::unique_ptr<LaneQuery> query_;  // null: everything passes through, as in a lookup of plain columns
  bool collect_;
};

class RowSelect : public RowTransform {
 public:
  RowSelect(std::shared_ptr<const Select> select, std::shared_ptr<LazyEngine> engine, std::vector<std::string> keys)
      : select_(std::move(select)), engine_(std::move(engine)), keys_(std::move(keys)) {}

  Result<ReadRequest> request(Context&, const SchemaPtr& full, const ReadRequest& planned) override {
    full_ = full;
    ReadRequest out = planned;
    const auto& alias = select_->info.inputs[0].alias;
    if (!select_->info.all_columns) {
      bool whole_row = false;
      auto columns = needed_columns(select_->info.columns, alias, *full, &whole_row);
      for (auto name : kChangeColumns) {  // they ride along
        ColumnPath path{std::string(name)};
        bool listed = std::find(columns.begin(), columns.end(), path) != columns.end();
        if (full->GetFieldIndex(path[0]) >= 0 && !listed) columns.push_back(std::move(path));
      }
      if (!whole_row) out.columns = std::move(columns);
    }
    for (const auto& simple : select_->info.filter) {
      if (belongs_to_lookup(simple.column)) continue;
      auto predicate = resolve_predicate(simple, alias, *full);
      if (predicate) out.filter.push_back(std::move(*predicate));
    }
    // Rows that are dropped up here must not count for a limit down there.
    if (select_->info.has_where || !select_->info.lookups.empty()) out.limit.reset();
    const bool decides = select_->info.has_where || !select_->info.lookups.empty() ||
                         (!keys_.empty() && old_rows_of(*full) == kOldRowsFull && !are_in_key(full));
    asked_for_old_rows_ = decides && full->GetFieldIndex(std::string(kOpColumn)) >= 0;
    out.before_images = planned.before_images || asked_for_old_rows_;
    requested_ = out.filter;
    return out;
  }

  void set_pushed(const Pushed& pushed) override {
    for (size_t i = 0; i < std::min(requested_.size(), pushed.filter_exact.size()); ++i) {
      if (pushed.filter_exact[i]) exact_.push_back(requested_[i]);
    }
  }

  Result<SchemaPtr> bind(Context& context, const SchemaPtr& input) override {
    auto output = TRY(bind_rows(context, input));
    if (input->GetFieldIndex(std::string(kOpColumn)) < 0) return output;
    const auto inputs = lookups_ ? lookups_->schemas() : std::vector<SchemaPtr>{input};
    TRY(refuse_filled_keys(inputs, *output));
    TRY(refuse_unseen_keys(inputs, *output));
    TRY(refuse_lost_keys(inputs, *output));
    changes_ = TRY(ChangeFilter::make(select_->info, inputs, output, keys_, asked_for_old_rows_));
    return output;
  }

  Result<SchemaPtr> bind_rows(Context& context, const SchemaPtr& input) {
    pass_ = PassThrough::make(select_->info, input, exact_);
    if (pass_) return pass_->schema();
    auto shape = std::make_shared<QueryShape>();
    shape->select = select_;
    if (!select_->info.lookups.empty()) {
      lookups_ = std::make_shared<LookupJoin>(select_);
      TRY(lookups_->bind(context, input));
      shape->lookups = lookups_;
    }
    shape->inputs = lookups_ ? lookups_->schemas() : std::vector<SchemaPtr>{input};
    shape->full = shape->inputs;
    if (full_) shape->full[0] = full_;
    auto engine = TRY(engine_->get());
    first_lane_ = TRY(LaneQuery::make(engine, select_, shape->inputs, shape->full, nullptr));
    shape->schema = with_unique_names(first_lane_->schema());
    TRY(reduce(*shape, engine));
    shape_ = std::move(shape);
    return shape_->schema;
  }

  Result<std::unique_ptr<Transform>> create(Context&, bool collect_rejects) override {
    auto rows = TRY(create_rows(collect_rejects));
    if (changes_ == nullptr) return rows;
    return make_change_lane(changes_, lookups_, std::move(rows));
  }

  Result<std::unique_ptr<Transform>> create_rows(bool collect_rejects) {
    if (pass_) return std::unique_ptr<Transform>(std::make_unique<PassThroughLane>(pass_));
    std::unique_ptr<LaneQuery> lane;
    {
      std::lock_guard lock(mutex_);
      lane = std::move(first_lane_);
    }
    if (!lane && shape_->needs_query()) {
      const auto* reduced = shape_->assembly ? &*shape_->assembly : nullptr;
      lane = TRY(LaneQuery::make(TRY(engine_->get()), select_, shape_->inputs, shape_->full, reduced));
    }
    return std::unique_ptr<Transform>(std::make_unique<QueryLane>(shape_, std::move(lane), collect_rejects));
  }

  Result<void> refresh(Context& context) override {
    if (!lookups_) return {};
    return lookups_->refresh(context);
  }

  [[nodiscard]] std::unique_ptr<RowTransform> another() const override {
    return make_row_select(select_, engine_, keys_);
  }

  [[nodiscard]] std::string describe() const override {
    if (pass_) {
      std::string out =
          fmt::format("passed through without SQL engine: {}\n", fmt::join(pass_->schema()->field_names(), ", "));
      for (const auto& predicate : pass_->filter()) out += "  kept where " + to_string(predicate) + '\n';
      return out;
    }
    std::string out = lookups_ ? lookups_->describe() : "";
    size_t passed = shape_ && shape_->assembly ? shape_->assembly->passed_columns() : 0;
    if (passed > 0) out += fmt::format("{} of {} columns passed through\n", passed, shape_->schema->num_fields());
    if (!shape_ || shape_->needs_query()) out += "row by row in DuckDB, one statement per lane\n";
    return out;
  }

 private:
  // Leaves to DuckDB only what it has to compute. Where the rest does not stand alone (an alias of a column that passes
  // through is used by another item) the whole statement stays as it is.
  Result<void> reduce(QueryShape& shape, const std::shared_ptr<Engine>& engine) {
    auto assembly = Assembly::make(*select_, shape.inputs, *shape.schema);
    if (!assembly) return {};
    std::unique_ptr<LaneQuery> lane;
    if (assembly->needs_query()) {
      auto made = LaneQuery::make(engine, select_, shape.inputs, shape.full, &*assembly);
      if (!made.ok()) return {};
      lane = std::move(*made);
    }
    shape.schema = assembly->schema(shape.inputs, lane ? lane->schema().get() : nullptr);
    shape.assembly = std::move(assembly);
    first_lane_ = std::move(lane);
    return {};
  }

  // A DELETE carries the key of its table and NULL for the rest: a key that is made up for NULL deletes another row.
  [[nodiscard]] Result<void> refuse_filled_keys(const std::vector<SchemaPtr>& inputs,
                                                const arrow::Schema& output) const {
    const auto& items = select_->info.items;
    const bool unknown_fills = std::any_of(items.begin(), items.end(), [](const auto& item) {
      return item.kind == SelectItem::Kind::opaque && item.fills_nulls;
    });
    const auto origins = origins_of(select_->info, inputs, output);
    for (size_t i = 0; i < origins.size(); ++i) {
      const auto& name = output.field(static_cast<int>(i))->name();
      const bool fills = origins[i].known ? origins[i].fills_nulls : unknown_fills;
      if (!fills || !is_key(name)) continue;
      return user_error(
          "{}: key column '{}' is computed in a way that may give a value for NULL, and a DELETE, which has NULL where "
          "it does not carry a column, would then delete another row; SELECT the key as it is",
          select_->script->position(select_->statement.select_begin), name);
    }
    return {};
  }

  [[nodiscard]] bool is_key(const std::string& name) const {
    return std::any_of(keys_.begin(), keys_.end(), [&](const auto& key) { return equals_ignoring_case(name, key); });
  }

  // Are the sink's key columns made of those that the source tells rows apart by?
  [[nodiscard]] bool are_in_key(const SchemaPtr& full) const {
    const auto origins = planned_origins(select_->info, full);
    return origins && std::all_of(keys_.begin(), keys_.end(), [&](const auto& key) {
             const auto found = std::find_if(origins->begin(), origins->end(), [&](const Origin& origin) {
               return equals_ignoring_case(origin.name, key);
             });
             return found != origins->end() && is_of_source_key(*found, select_->info, *full);
           });
  }

  // The row that the target has under the former key would stay.
  [[nodiscard]] Result<void> refuse_unseen_keys(const std::vector<SchemaPtr>& inputs,
                                                const arrow::Schema& output) const {
    if (old_rows_of(*inputs[0]) != kOldRowsKey) return {};
    const auto own = ChangeFilter::keys_of_ones_own(select_->info, inputs, output, keys_);
    if (own.empty()) return {};
    return user_error(
        "{}: key column '{}' is not in the replica identity of the source, which does not say when it changes or which "
        "row is deleted; ALTER TABLE … REPLICA IDENTITY FULL there, name the columns of the identity as key, or say "
        "mode := 'append'",
        select_->script->position(select_->statement.select_begin), output.field(own.front())->name());
  }

  // Where a condition drops rows, a delete may be known by the source's own columns only: no value is computed for it.
  [[nodiscard]] Result<void> refuse_lost_keys(const std::vector<SchemaPtr>& inputs, const arrow::Schema& output) const {
    const bool drops_rows = select_->info.has_where || !select_->info.lookups.empty();
    if (!drops_rows || old_rows_of(*inputs[0]) == kOldRowsFull) return {};
    const auto origins = origins_of(select_->info, inputs, output);
    for (size_t i = 0; i < origins.size(); ++i) {
      const auto& name = output.field(static_cast<int>(i))->name();
      if (origins[i].source >= 0 || !is_key(name)) continue;
      const bool may_be_whole = old_rows_of(*inputs[0]) == kOldRowsKey;
      return user_error(
          "{}: key column '{}' is not a column of the source as it is, and a delete whose row WHERE or JOIN leaves out "
          "carries those only; SELECT the key as it is{}",
          select_->script->position(select_->statement.select_begin), name,
          may_be_whole ? ", or ALTER TABLE … REPLICA IDENTITY FULL at the source" : "");
    }
    return {};
  }

  // c.region of JOIN … AS c; unqualified names are taken for the driving side's when it has them.
  [[nodiscard]] bool belongs_to_lookup(const Names& names) const {
    return std::any_of(select_->info.lookups.begin(), select_->info.lookups.end(), [&](const Lookup& lookup) {
      return names.size() > 1 && equals_ignoring_case(names[0], select_->info.inputs[lookup.input].alias);
    });
  }

  std::shared_ptr<const Select> select_;
  std::shared_ptr<LazyEngine> engine_;
  const std::vector<std::string> keys_;
  SchemaPtr full_;
  bool asked_for_old_rows_ = false;
  std::vector<Predicate> requested_;
  std::vector<Predicate> exact_;
  std::shared_ptr<const PassThrough> pass_;
  std::shared_ptr<const ChangeFilter> changes_;  // null: rows are no changes, or all of them stay
  std::shared_ptr<LookupJoin> lookups_;
  std::shared_ptr<const QueryShape> shape_;
  std::mutex mutex_;  // lanes may be created from several threads
  std::unique_ptr<LaneQuery> first_lane_;
};

}  // namespace

std::unique_ptr<RowTransform> make_row_select(std::shared_ptr<const Select> select, std::shared_ptr<LazyEngine> engine,
                                              std::vector<std::string> keys) {
  return std::make_unique<RowSelect>(std::move(select), std::move(engine), std::move(keys));
}

}  // namespace sluice::sql
