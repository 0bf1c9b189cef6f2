#include "sql/pass_through.h"

#include <algorithm>

#include <arrow/api.h>
#include <arrow/compute/api_vector.h>

#include "batch/arrow_result.h"
#include "batch/change.h"
#include "sql/compare.h"
#include "sql/names.h"

namespace sluice::sql {
namespace {

bool same(const Predicate& a, const Predicate& b) { return to_string(a) == to_string(b); }

Result<BatchPtr> keep_rows(const BatchPtr& batch, const std::vector<uint8_t>& keep) {
  auto kept = std::count(keep.begin(), keep.end(), 1);
  if (kept == batch->num_rows()) return batch;
  arrow::Int32Builder rows;
  TRY(to_result(rows.Reserve(kept)));
  for (size_t i = 0; i < keep.size(); ++i) {
    if (keep[i] != 0) rows.UnsafeAppend(static_cast<int32_t>(i));
  }
  auto indices = TRY(to_result(rows.Finish()));
  auto options = arrow::compute::TakeOptions::NoBoundsCheck();
  auto taken = TRY(to_result(arrow::compute::Take(arrow::Datum(batch), arrow::Datum(indices), options)));
  return taken.record_batch();
}

}  // namespace

bool PassThrough::add_item(const SelectItem& item, std::string_view alias, const arrow::Schema& input,
                           arrow::FieldVector& fields) {
  if (item.kind == SelectItem::Kind::star) {
    if (!item.relation.empty() && !equals_ignoring_case(item.relation, alias)) return false;
    for (int i = 0; i < input.num_fields(); ++i) {
      fields.push_back(input.field(i));
      outputs_.push_back({i});
    }
    return true;
  }
  auto found = resolve(item.column, alias, input);
  if (!found || !found->complete || found->path.empty()) return false;
  fields.push_back(arrow::field(item.alias.empty() ? found->path.back() : item.alias, found->type));
  outputs_.push_back(field_path(found->path, input));
  return true;
}

std::unique_ptr<PassThrough> PassThrough::make(const SelectInfo& info, const SchemaPtr& input,
                                               const std::vector<Predicate>& exact) {
  if (!info.plain || !info.filter_is_simple || !info.lookups.empty() || info.inputs.size() != 1) return nullptr;
  auto pass = std::make_unique<PassThrough>();
  const auto& alias = info.inputs[0].alias;
  arrow::FieldVector fields;
  for (const auto& item : info.items) {
    if (!pass->add_item(item, alias, *input, fields)) return nullptr;
  }
  for (auto name : kChangeColumns) {  // they ride along unless named
    int index = input->GetFieldIndex(std::string(name));
    auto named = [&](const auto& field) { return field->name() == name; };
    if (index < 0 || std::any_of(fields.begin(), fields.end(), named)) continue;
    fields.push_back(input->field(index));
    pass->outputs_.push_back({index});
  }
  for (const auto& simple : info.filter) {
    auto predicate = resolve_predicate(simple, alias, *input);
    if (!predicate) return nullptr;
    bool applied = std::any_of(exact.begin(), exact.end(), [&](const auto& other) { return same(other, *predicate); });
    if (applied) continue;
    auto column = resolve(simple.column, alias, *input);
    if (!can_compare(*column->type, predicate->op)) return nullptr;
    pass->filter_paths_.push_back(field_path(predicate->column, *input));
    pass->filter_.push_back(std::move(*predicate));
  }
  pass->schema_ = with_unique_names(arrow::schema(std::move(fields)));
  return pass;
}

Result<BatchPtr> PassThrough::apply(const BatchPtr& input) const {
  std::vector<uint8_t> keep(filter_.empty() ? 0 : static_cast<size_t>(input->num_rows()), 1);
  for (size_t i = 0; i < filter_.size(); ++i) narrow(*TRY(follow(*input, filter_paths_[i])), filter_[i], keep);
  arrow::ArrayVector columns;
  for (const auto& output : outputs_) columns.push_back(TRY(follow(*input, output)));
  auto batch = arrow::RecordBatch::Make(schema_, input->num_rows(), std::move(columns));
  return filter_.empty() ? Result<BatchPtr>(batch) : keep_rows(batch, keep);
}

}  // namespace sluice::sql
