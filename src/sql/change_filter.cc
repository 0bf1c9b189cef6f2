#include "sql/change_filter.h"

#include <algorithm>

#include <arrow/api.h>

#include "batch/arrow_result.h"
#include "batch/change.h"
#include "sql/names.h"

namespace sluice::sql {
namespace {

const arrow::StringArray* text_column(const arrow::RecordBatch& batch, std::string_view name) {
  const int index = batch.schema()->GetFieldIndex(std::string(name));
  if (index < 0 || batch.column(index)->type_id() != arrow::Type::STRING) return nullptr;
  return static_cast<const arrow::StringArray*>(batch.column(index).get());
}

// The rows of several batches of one schema, put together in any order.
class Picked {
 public:
  explicit Picked(SchemaPtr schema) : schema_(std::move(schema)) {}
  void add(const BatchPtr& batch, int64_t row, std::string_view op) {
    if (!slices_.empty() && slices_.back().batch == batch && slices_.back().begin + slices_.back().rows == row) {
      ++slices_.back().rows;
    } else {
      slices_.push_back({batch, row, 1});
    }
    ops_.emplace_back(op);
  }
  Result<BatchPtr> finish() {
    arrow::RecordBatchVector parts;
    for (const auto& slice : slices_) parts.push_back(slice.batch->Slice(slice.begin, slice.rows));
    if (parts.empty()) return to_result(arrow::RecordBatch::MakeEmpty(schema_));
    auto table = TRY(to_result(arrow::Table::FromRecordBatches(schema_, parts)));
    auto joined = TRY(to_result(table->CombineChunksToBatch()));
    arrow::StringBuilder ops;
    for (const auto op : ops_) TRY(to_result(ops.Append(op)));
    const int index = schema_->GetFieldIndex(std::string(kOpColumn));
    return to_result(joined->SetColumn(index, schema_->field(index), TRY(to_result(ops.Finish()))));
  }

 private:
  struct Slice {
    BatchPtr batch;
    int64_t begin = 0;
    int64_t rows = 0;
  };
  SchemaPtr schema_;
  std::vector<Slice> slices_;
  std::vector<std::string_view> ops_;
};

class ChangeLane final : public Transform {
 public:
  ChangeLane(std::shared_ptr<const ChangeFilter> filter, std::unique_ptr<Transform> rows)
      : filter_(std::move(filter)), rows_(std::move(rows)) {}

  Result<BatchPtr> apply(Context& context, const BatchPtr& input, std::vector<Reject>* rejects) override {
    TRY(filter_->refuse_missing_values(*input));
    std::vector<Reject> failed;
    auto kept = TRY(rows_->apply(context, input, &failed));
    if (failed.empty()) return filter_->decide(input, kept);
    // A row that fails is missing from `kept` as one that the condition drops is: one by one there is no mistaking
    // them.
    arrow::RecordBatchVector parts;
    const auto* ops = text_column(*input, kOpColumn);
    for (int64_t row = 0; row < input->num_rows();) {
      const int64_t rows = ops != nullptr && ops->GetView(row) == "before" ? 2 : 1;
      auto one = input->Slice(row, rows);
      std::vector<Reject> own;
      auto result = TRY(rows_->apply(context, one, &own));
      if (own.empty()) parts.push_back(TRY(filter_->decide(one, result)));
      if (!own.empty()) rejects->push_back(std::move(own.back()));
      row += rows;
    }
    auto table = TRY(to_result(arrow::Table::FromRecordBatches(kept->schema(), parts)));
    return to_result(table->CombineChunksToBatch());
  }

 private:
  std::shared_ptr<const ChangeFilter> filter_;
  std::unique_ptr<Transform> rows_;
};

}  // namespace

Result<std::shared_ptr<const ChangeFilter>> ChangeFilter::make(const SelectInfo& info, const arrow::Schema& input,
                                                               const SchemaPtr& output) {
  const bool drops_rows = info.has_where || !info.lookups.empty();
  const bool leaves_out = input.GetFieldIndex(std::string(kUnchangedColumn)) >= 0;
  if (input.GetFieldIndex(std::string(kOpColumn)) < 0 || (!drops_rows && (info.plain || !leaves_out))) {
    return std::shared_ptr<const ChangeFilter>();
  }
  auto out = std::make_shared<ChangeFilter>();
  out->output_ = output;
  out->drops_rows_ = drops_rows;
  for (const auto name : {kOpColumn, kPosColumn}) {
    if (!drops_rows || output->GetFieldIndex(std::string(name)) >= 0) continue;
    return user_error(
        "a condition on changes turns updates into inserts and deletes, which needs column '{}' under "
        "its own name; leave it out of the SELECT list, and it rides along",
        name);
  }
  for (const auto& field : output->fields()) {
    std::string source = field->name();
    for (const auto& item : info.items) {
      const bool named = item.kind == SelectItem::Kind::column && !item.column.empty() &&
                         equals_ignoring_case(item.alias.empty() ? item.column.back() : item.alias, field->name());
      if (named) source = item.column.back();
      if (item.kind == SelectItem::Kind::computed && item.alias == field->name()) source.clear();
    }
    int index = source.empty() ? -1 : input.GetFieldIndex(source);
    if (index >= 0 && !input.field(index)->type()->Equals(field->type())) index = -1;
    out->sources_.push_back(index);
  }
  for (const auto& simple : info.filter) out->used_.push_back(simple.column.back());
  if (!info.plain || !info.filter_is_simple) {
    for (const auto& column : info.columns) {
      const bool passes =
          info.filter_is_simple && std::any_of(info.items.begin(), info.items.end(), [&](const auto& item) {
            return item.kind == SelectItem::Kind::column && !item.column.empty() && item.column.back() == column.back();
          });
      if (!passes) out->used_.push_back(column.back());
    }
  }
  return std::shared_ptr<const ChangeFilter>(std::move(out));
}

Result<void> ChangeFilter::refuse_missing_values(const arrow::RecordBatch& changes) const {
  const auto* unchanged = text_column(changes, kUnchangedColumn);
  if (unchanged == nullptr || used_.empty() || unchanged->null_count() == unchanged->length()) return {};
  for (int64_t row = 0; row < unchanged->length(); ++row) {
    if (unchanged->IsNull(row)) continue;
    for (const auto& name : list_of_names(unchanged->GetView(row))) {
      for (const auto& used : used_) {
        if (!equals_ignoring_case(used, name)) continue;
        return refused(
            "an update does not carry column '{}', which it left as it was, and the statement compares or computes "
            "with "
            "it; ALTER TABLE … REPLICA IDENTITY FULL at the source",
            name);
      }
    }
  }
  return {};
}

Result<BatchPtr> ChangeFilter::decide(const BatchPtr& changes, const BatchPtr& kept) const {
  if (!drops_rows_) return kept;
  const auto* ops = text_column(*changes, kOpColumn);
  const auto* places = text_column(*changes, kPosColumn);
  const auto* kept_ops = text_column(*kept, kOpColumn);
  const auto* kept_places = text_column(*kept, kPosColumn);
  if (ops == nullptr || places == nullptr || kept_ops == nullptr || kept_places == nullptr) {
    return bug("changes without _op and _pos");
  }
  // What a delete by key is made of: columns that only pass through; the others are not known.
  arrow::ArrayVector columns;
  for (size_t i = 0; i < sources_.size(); ++i) {
    const auto& field = output_->field(static_cast<int>(i));
    columns.push_back(sources_[i] >= 0 ? changes->column(sources_[i])
                                       : TRY(to_result(arrow::MakeArrayOfNull(field->type(), changes->num_rows()))));
  }
  const auto plain = arrow::RecordBatch::Make(kept->schema(), changes->num_rows(), std::move(columns));
  Picked out(kept->schema());
  int64_t next = 0;  // of `kept`
  const auto take = [&](int64_t row) -> int64_t {
    const bool is_it = next < kept->num_rows() && kept_ops->GetView(next) == ops->GetView(row) &&
                       kept_places->GetView(next) == places->GetView(row);
    return is_it ? next++ : -1;
  };
  for (int64_t row = 0; row < changes->num_rows(); ++row) {
    const bool has_before = ops->GetView(row) == "before";
    const int64_t before = take(row);
    if (has_before) ++row;
    if (row == changes->num_rows()) return bug("an old row without its change");
    const std::string_view op = ops->GetView(row);
    const int64_t after = has_before ? take(row) : before;
    if (op == "delete") {
      if (has_before && before < 0) continue;
      if (after >= 0) {
        out.add(kept, after, op);
      } else {
        out.add(plain, row, op);
      }
    } else if (op != "update") {
      if (after >= 0) out.add(kept, after, op);
    } else if (after >= 0) {
      out.add(kept, after, has_before && before < 0 ? "insert" : op);
    } else if (has_before ? before >= 0 : true) {
      out.add(has_before ? kept : plain, has_before ? before : row, "delete");
    }
  }
  return out.finish();
}

std::unique_ptr<Transform> make_change_lane(std::shared_ptr<const ChangeFilter> filter,
                                            std::unique_ptr<Transform> rows) {
  return std::make_unique<ChangeLane>(std::move(filter), std::move(rows));
}

}  // namespace sluice::sql
