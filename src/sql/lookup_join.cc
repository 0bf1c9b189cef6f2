#include "sql/lookup_join.h"

#include <algorithm>

#include <arrow/api.h>
#include <arrow/compute/api_vector.h>

#include "batch/arrow_result.h"
#include "sql/names.h"

namespace sluice::sql {
namespace {

std::string shown(const Names& names) { return fmt::format("{}", fmt::join(names, ".")); }

Result<BatchPtr> take(const BatchPtr& batch, const std::shared_ptr<arrow::Array>& rows) {
  auto options = arrow::compute::TakeOptions::NoBoundsCheck();
  arrow::ArrayVector columns;
  for (const auto& column : batch->columns()) {
    columns.push_back(TRY(to_result(arrow::compute::Take(*column, *rows, options))));
  }
  return arrow::RecordBatch::Make(batch->schema(), rows->length(), std::move(columns));
}

}  // namespace

Result<void> LookupJoin::bind(Context& context, const SchemaPtr& driving) {
  schemas_.assign(select_->info.inputs.size(), nullptr);
  schemas_[0] = driving;
  for (const auto& lookup : select_->info.lookups) TRY(bind_step(context, lookup));
  return {};
}

// An earlier input's column: by its alias, or the first that has it.
Result<LookupJoin::Key> LookupJoin::find_left(const Names& names, const Lookup& lookup) const {
  for (size_t i = 0; i < schemas_.size(); ++i) {
    const auto& alias = select_->info.inputs[i].alias;
    bool qualified = names.size() > 1;
    if (schemas_[i] == nullptr || (qualified && !equals_ignoring_case(names[0], alias))) continue;
    auto found = resolve(names, alias, *schemas_[i]);
    if (found && found->complete && !found->path.empty()) return Key{i, field_path(found->path, *schemas_[i])};
  }
  return user_error("{}: column {} of the lookup's condition was not found on its left side",
                    select_->script->position(lookup.offset), shown(names));
}

Result<void> LookupJoin::bind_step(Context& context, const Lookup& lookup) {
  const auto& input = select_->info.inputs[lookup.input];
  auto position = [&] { return select_->script->position(lookup.offset); };
  auto full = TRY(lookup_schema(context, input.endpoint));
  Step step;
  step.lookup = &lookup;
  step.request.endpoint = &input.endpoint;
  bool whole_row = select_->info.all_columns;
  step.request.columns = needed_columns(select_->info.columns, input.alias, *full, &whole_row);
  step.request.all_columns = whole_row;
  for (const auto& [left, right] : lookup.keys) {
    auto key = resolve(right, "", *full);
    if (!key || !key->complete || key->path.size() != 1) {
      return user_error("{}: column {} of the lookup's condition was not found in {}; it has: {}", position(),
                        shown(right), input.endpoint.text, fmt::join(full->field_names(), ", "));
    }
    step.left.push_back(TRY(find_left(left, lookup)));
    step.request.keys.push_back(key->path[0]);
    auto left_type = type_at(step.left.back().path, *schemas_[step.left.back().input]);
    auto common = common_key_type(*left_type, *key->type);
    if (!common.ok()) {
      return user_error("{}: {} = {}: {}", position(), shown(left), shown(right), common.error().what);
    }
    step.request.key_types.push_back(*common);
  }
  step.table = TRY(LookupTable::load(context, step.request));
  arrow::FieldVector fields;
  const auto& columns = step.table->rows()->schema()->fields();
  for (size_t i = 0; i < columns.size(); ++i) {
    bool is_using = std::any_of(lookup.using_columns.begin(), lookup.using_columns.end(),
                                [&](const auto& name) { return equals_ignoring_case(name, columns[i]->name()); });
    if (is_using) continue;
    step.exposed.push_back(static_cast<int>(i));
    fields.push_back(columns[i]->WithNullable(true));
  }
  if (!lookup.using_columns.empty()) TRY(refuse_whole_row(lookup, *full));
  schemas_[lookup.input] = arrow::schema(std::move(fields));
  steps_.push_back(std::move(step));
  return {};
}

// It would lack the columns of USING.
Result<void> LookupJoin::refuse_whole_row(const Lookup& lookup, const arrow::Schema& full) const {
  const auto& alias = select_->info.inputs[lookup.input].alias;
  const bool is_column =
      find_field(full.fields(), alias) >= 0 || std::any_of(schemas_.begin(), schemas_.end(), [&](const auto& schema) {
        return schema != nullptr && find_field(schema->fields(), alias) >= 0;
      });
  const auto& columns = select_->info.columns;
  const bool used = std::any_of(columns.begin(), columns.end(), [&](const Names& names) {
    return names.size() == 1 && equals_ignoring_case(names[0], alias);
  });
  if (is_column || !used) return {};
  return user_error("{}: {} as a value of a lookup lacks the columns of USING; write ON …",
                    select_->script->position(lookup.offset), alias);
}

Result<void> LookupJoin::refresh(Context& context) {
  for (auto& step : steps_) {
    auto table = TRY(LookupTable::load(context, step.request));
    if (!table->rows()->schema()->Equals(*step.table->rows()->schema())) {
      return refused("{}: the columns of lookup {} have changed; start the statement again",
                     step.request.endpoint->request.where, step.request.endpoint->text);
    }
    std::lock_guard lock(mutex_);
    step.table = std::move(table);
  }
  return {};
}

Result<std::vector<BatchPtr>> LookupJoin::apply(const BatchPtr& driving) const {
  std::vector<BatchPtr> batches(schemas_.size());
  batches[0] = driving;
  for (const auto& step : steps_) {
    std::shared_ptr<const LookupTable> table;
    {
      std::lock_guard lock(mutex_);
      table = step.table;
    }
    arrow::ArrayVector columns;
    for (const auto& key : step.left) columns.push_back(TRY(follow(*batches[key.input], key.path)));
    auto keys = TRY(KeyColumns::make(columns, step.request.key_types));
    auto matches = TRY(table->match(keys, batches[0]->num_rows(), step.lookup->keep_unmatched));
    if (!matches.identity) {
      for (auto& batch : batches) {
        if (batch != nullptr) batch = TRY(take(batch, matches.left));
      }
    }
    auto right = TRY(to_result(table->rows()->SelectColumns(step.exposed)));
    auto taken = TRY(take(right, matches.right));
    batches[step.lookup->input] =
        arrow::RecordBatch::Make(schemas_[step.lookup->input], taken->num_rows(), taken->columns());
  }
  return batches;
}

std::string LookupJoin::shown_keys(const Step& step) {
  std::vector<std::string> keys;
  for (const auto& [left, right] : step.lookup->keys) keys.push_back(shown(left) + " = " + shown(right));
  return fmt::format("{}", fmt::join(keys, " and "));
}

std::string LookupJoin::repeats() const {
  std::lock_guard lock(mutex_);
  for (const auto& step : steps_) {
    if (!step.table->unique()) return fmt::format("lookup {} on {}", step.request.endpoint->text, shown_keys(step));
  }
  return "";
}

std::string LookupJoin::describe() const {
  std::string out;
  for (const auto& step : steps_) {
    out +=
        fmt::format("lookup {}: {} on {}; {} rows in memory, keys {}\n", select_->info.inputs[step.lookup->input].alias,
                    step.request.endpoint->text, shown_keys(step), step.table->rows()->num_rows(),
                    step.table->unique() ? "unique" : "not unique: a row may come out several times");
  }
  return out;
}

}  // namespace sluice::sql
