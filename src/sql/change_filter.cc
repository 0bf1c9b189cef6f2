#include "sql/change_filter.h"

#include <algorithm>

#include <arrow/api.h>
#include <arrow/util/key_value_metadata.h>

#include "batch/arrow_result.h"
#include "batch/change.h"
#include "batch/old_rows.h"
#include "sql/names.h"
#include "sql/origins.h"

namespace sluice::sql {
namespace {

const arrow::StringArray* text_column(const arrow::RecordBatch& batch, std::string_view name) {
  const int index = batch.schema()->GetFieldIndex(std::string(name));
  if (index < 0 || batch.column(index)->type_id() != arrow::Type::STRING) return nullptr;
  return static_cast<const arrow::StringArray*>(batch.column(index).get());
}

// The column of the changes that `names` is, all of it; empty: a part of one, the whole row, or another input's.
std::string whole_column(const Names& names, const SelectInfo& info, const arrow::Schema& changes) {
  const auto found = resolve(names, info.inputs[0].alias, changes);
  return found && found->complete && found->path.size() == 1 ? found->path[0] : "";
}

std::string_view name_in_output(const SelectItem& item) {
  return item.alias.empty() && !item.column.empty() ? item.column.back() : item.alias;
}

bool is_among(const std::vector<std::string>& keys, const std::string& name) {
  return std::any_of(keys.begin(), keys.end(), [&](const auto& key) { return equals_ignoring_case(key, name); });
}

// What the items of a SELECT list do with one column of the changes.
struct Passage {
  int64_t by_name = 0;
  int64_t by_star = 0;
  bool replaced = false;  // another value has its name in the output
};

Passage passage_of(const std::string& column, const SelectInfo& info, const arrow::Schema& changes) {
  Passage out;
  for (const auto& item : info.items) {
    const bool is_it = item.kind == SelectItem::Kind::column && whole_column(item.column, info, changes) == column;
    const bool of_changes = item.relation.empty() || equals_ignoring_case(item.relation, info.inputs[0].alias);
    if (item.kind == SelectItem::Kind::star && of_changes) ++out.by_star;
    if (is_it && (item.alias.empty() || item.alias == column)) ++out.by_name;
    if (!is_it && name_in_output(item) == column) out.replaced = true;
    for (const auto& other : item.replaced) out.replaced = out.replaced || equals_ignoring_case(other.name, column);
  }
  return out;
}

// Reads every column in a way that cannot be told from the names: a row as a value, f(COLUMNS(*)), * RENAME (…).
bool reads_whole_rows(const SelectInfo& info) {
  bool star = false;
  for (const auto& item : info.items) {
    if (item.reads_all) return true;
    star = star || item.kind == SelectItem::Kind::star || item.kind == SelectItem::Kind::opaque;
  }
  return info.all_columns && !star;
}

// Columns that an update must not leave out: conditions and expressions read them, or they come out under names that
// `_unchanged` does not have, so that a target would not know that its own value stays.
std::vector<std::string> columns_in_use(const SelectInfo& info, const arrow::Schema& changes,
                                        const arrow::Schema& output) {
  const bool all = reads_whole_rows(info);
  const bool marked = output.GetFieldIndex(std::string(kUnchangedColumn)) >= 0;
  std::vector<std::string> used;
  for (const auto& field : output.fields()) {  // other values under names that the changes may have, too
    if (changes.GetFieldIndex(field->name()) < 0) used.push_back(field->name());
  }
  for (const auto& field : changes.fields()) {
    const auto& name = field->name();
    const int64_t read = std::count_if(info.columns.begin(), info.columns.end(), [&](const Names& names) {
      const auto found = resolve(names, info.inputs[0].alias, changes);
      return found && (found->path.empty() || found->path[0] == name);
    });
    const auto passage = passage_of(name, info, changes);
    const bool unmarked = !marked && output.GetFieldIndex(name) >= 0;
    if (all || unmarked || passage.replaced || read > passage.by_name || passage.by_name + passage.by_star > 1) {
      used.push_back(name);
    }
  }
  return used;
}

// The names in `_unchanged`: a text (batch/change.h); a list of them, which no source of ours writes, is no less a
// mark.
std::vector<std::string> left_out(const arrow::Array& unchanged, int64_t row) {
  if (unchanged.IsNull(row)) return {};
  if (unchanged.type_id() == arrow::Type::STRING) {
    return list_of_names(static_cast<const arrow::StringArray&>(unchanged).GetView(row));
  }
  std::vector<std::string> names;
  if (unchanged.type_id() != arrow::Type::LIST) return names;
  const auto& lists = static_cast<const arrow::ListArray&>(unchanged);
  if (lists.value_type()->id() != arrow::Type::STRING) return names;
  const auto& values = static_cast<const arrow::StringArray&>(*lists.values());
  for (int64_t i = lists.value_offset(row); i < lists.value_offset(row + 1); ++i) names.emplace_back(values.GetView(i));
  return names;
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
  ChangeLane(std::shared_ptr<const ChangeFilter> filter, std::shared_ptr<const LookupJoin> lookups,
             std::unique_ptr<Transform> rows)
      : filter_(std::move(filter)), lookups_(std::move(lookups)), rows_(std::move(rows)) {}

  Result<BatchPtr> apply(Context& context, const BatchPtr& input, std::vector<Reject>* rejects) override {
    TRY(filter_->refuse_missing_values(*input));
    std::vector<Reject> failed;
    auto repeats = lookup_that_repeats();
    auto kept = TRY(rows_->apply(context, input, &failed));
    if (repeats.empty()) repeats = lookup_that_repeats();  // it may have been loaded anew in between
    if (failed.empty() && repeats.empty()) return filter_->decide(input, kept, repeats);
    // A row that fails is missing from `kept` as one that the condition drops is, and a lookup may make several rows of
    // one while the condition leaves one of them: one by one there is no mistaking them.
    arrow::RecordBatchVector parts;
    const auto* ops = text_column(*input, kOpColumn);
    for (int64_t row = 0; row < input->num_rows();) {
      const int64_t rows = ops != nullptr && ops->GetView(row) == "before" ? 2 : 1;
      auto one = input->Slice(row, rows);
      std::vector<Reject> own;
      auto result = TRY(rows_->apply(context, one, &own));
      if (own.empty()) parts.push_back(TRY(filter_->decide(one, result, repeats)));
      if (!own.empty()) rejects->push_back(std::move(own.back()));
      row += rows;
    }
    auto table = TRY(to_result(arrow::Table::FromRecordBatches(kept->schema(), parts)));
    return to_result(table->CombineChunksToBatch());
  }

 private:
  [[nodiscard]] std::string lookup_that_repeats() const { return lookups_ == nullptr ? "" : lookups_->repeats(); }

  std::shared_ptr<const ChangeFilter> filter_;
  std::shared_ptr<const LookupJoin> lookups_;
  std::unique_ptr<Transform> rows_;
};

}  // namespace

std::vector<int> ChangeFilter::keys_of_ones_own(const SelectInfo& info, const std::vector<SchemaPtr>& inputs,
                                                const arrow::Schema& output, const std::vector<std::string>& keys) {
  const auto origins = origins_of(info, inputs, output);
  std::vector<int> out;
  for (int i = 0; i < output.num_fields(); ++i) {
    const auto& origin = origins[static_cast<size_t>(i)];
    // Of what is not known, only whole old rows tell whether it changed.
    const bool may_be = origin.known || old_rows_of(*inputs[0]) == kOldRowsFull;
    if (!may_be || !is_among(keys, output.field(i)->name())) continue;
    if (!is_of_source_key(origin, info, *inputs[0])) out.push_back(i);
  }
  return out;
}

std::string_view old_rows_of(const arrow::Schema& changes) {
  const auto op = changes.GetFieldByName(std::string(kOpColumn));
  const int index = op == nullptr || !op->HasMetadata() ? -1 : op->metadata()->FindKey(std::string(kOldRows));
  if (index < 0) return {};
  return op->metadata()->value(index) == kOldRowsFull ? kOldRowsFull : kOldRowsKey;
}

Result<std::shared_ptr<const ChangeFilter>> ChangeFilter::make(const SelectInfo& info,
                                                               const std::vector<SchemaPtr>& inputs,
                                                               const SchemaPtr& output,
                                                               const std::vector<std::string>& keys,
                                                               bool has_old_rows) {
  const auto& input = *inputs[0];
  std::vector<int> own_keys;
  if (old_rows_of(input) == kOldRowsFull) own_keys = keys_of_ones_own(info, inputs, *output, keys);
  const bool drops_rows = info.has_where || !info.lookups.empty() || !own_keys.empty() || has_old_rows;
  const bool leaves_out = input.GetFieldIndex(std::string(kUnchangedColumn)) >= 0;
  if (input.GetFieldIndex(std::string(kOpColumn)) < 0 || (!drops_rows && !leaves_out)) {
    return std::shared_ptr<const ChangeFilter>();
  }
  auto out = std::make_shared<ChangeFilter>();
  out->output_ = output;
  out->drops_rows_ = drops_rows;
  out->own_keys_ = std::move(own_keys);
  for (const auto name : {kOpColumn, kPosColumn}) {
    if (!drops_rows || output->GetFieldIndex(std::string(name)) >= 0) continue;
    return user_error(
        "a condition on changes, or a key that is not the source's, turns updates into inserts and deletes, which "
        "needs column '{}' under its own name; leave it out of the SELECT list, and it rides along",
        name);
  }
  for (const auto& origin : origins_of(info, inputs, *output)) out->sources_.push_back(origin.source);
  if (leaves_out) out->used_ = columns_in_use(info, input, *output);
  return std::shared_ptr<const ChangeFilter>(std::move(out));
}

Result<void> ChangeFilter::refuse_missing_values(const arrow::RecordBatch& changes) const {
  const auto unchanged = changes.GetColumnByName(std::string(kUnchangedColumn));
  if (unchanged == nullptr || used_.empty() || unchanged->null_count() == unchanged->length()) return {};
  for (int64_t row = 0; row < unchanged->length(); ++row) {
    for (const auto& name : left_out(*unchanged, row)) {
      if (std::find(used_.begin(), used_.end(), name) == used_.end()) continue;
      return refused(
          "an update does not carry column '{}', which it left as it was, and the statement compares it, computes with "
          "it or gives it another name; ALTER TABLE … REPLICA IDENTITY FULL at the source",
          name);
    }
  }
  return {};
}

bool ChangeFilter::same_key(const arrow::RecordBatch& rows, int64_t before, int64_t after) const {
  return std::all_of(own_keys_.begin(), own_keys_.end(), [&](int column) {
    const auto& values = *rows.column(column);
    return values.RangeEquals(before, before + 1, after, values);
  });
}

Result<BatchPtr> ChangeFilter::decide(const BatchPtr& changes, const BatchPtr& kept, const std::string& repeats) const {
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
    } else if (!own_keys_.empty() && !has_before) {
      return refused(
          "an update came without its old row, which the key '{}' needs, since the source has another one: REPLICA "
          "IDENTITY FULL was taken from the table; give it back, and 'sluice reset' the pipeline",
          output_->field(own_keys_.front())->name());
    } else if (after >= 0) {
      const bool moves = has_before && before >= 0 && !same_key(*kept, before, after);
      if (moves) out.add(kept, before, "delete");
      out.add(kept, after, moves || (has_before && before < 0) ? "insert" : op);
    } else if (has_before ? before >= 0 : true) {
      out.add(has_before ? kept : plain, has_before ? before : row, "delete");
    }
  }
  if (next == kept->num_rows()) return out.finish();
  if (repeats.empty()) return bug("a statement made more rows than there were changes");
  return refused(
      "{}: a change found several rows with its key there and can become one only; make the key unique, or let WHERE "
      "leave one of them",
      repeats);
}

std::unique_ptr<Transform> make_change_lane(std::shared_ptr<const ChangeFilter> filter,
                                            std::shared_ptr<const LookupJoin> lookups,
                                            std::unique_ptr<Transform> rows) {
  return std::make_unique<ChangeLane>(std::move(filter), std::move(lookups), std::move(rows));
}

}  // namespace sluice::sql
