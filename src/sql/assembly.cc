#include "sql/assembly.h"

#include <algorithm>

#include <arrow/api.h>
#include <arrow/compute/api_vector.h>

#include "batch/arrow_result.h"
#include "batch/change.h"
#include "sql/names.h"

namespace sluice::sql {

using Kind = SelectItem::Kind;

void Assembly::add_input(size_t input, const std::vector<SchemaPtr>& inputs) {
  for (int i = 0; i < inputs[input]->num_fields(); ++i)
    columns_.push_back({inputs[input]->field(i)->name(), false, 0, input, {i}});
}

bool Assembly::add_item(const SelectItem& item, const Select& select, const std::vector<SchemaPtr>& inputs) {
  if (item.kind == Kind::opaque) return false;
  if (item.kind == Kind::computed) {
    columns_.push_back({"", true, computed_++, 0, {}});
    return true;
  }
  if (item.kind == Kind::star) {
    bool any = false;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!item.relation.empty() && !equals_ignoring_case(item.relation, select.info.inputs[i].alias)) continue;
      add_input(i, inputs);
      any = true;
    }
    return any;
  }
  // Exactly one input may have it: DuckDB would have refused a name that several have, unless USING merged them.
  std::optional<Column> found;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto& alias = select.info.inputs[i].alias;
    auto name = resolve(item.column, alias, *inputs[i]);
    if (!name) continue;
    if (found || !name->complete || name->path.empty()) return false;
    found =
        Column{item.alias.empty() ? name->path.back() : item.alias, false, 0, i, field_path(name->path, *inputs[i])};
  }
  if (!found) return false;
  columns_.push_back(std::move(*found));
  return true;
}

// Cuts the list at its commas. A count that differs from the tree's says that we read it wrongly.
bool Assembly::find_texts(const Select& select) {
  const auto& tokens = *select.tokens;
  size_t at = select.statement.select_first_token;
  if (!tokens[at].is_word("select")) return false;
  if (tokens[++at].is_word("all")) ++at;
  size_t begin = tokens[at].begin;
  for (; at < select.statement.select_last_token; ++at) {
    bool from = tokens[at].is_word("from") && !tokens[at - 1].is_word("distinct");  // IS DISTINCT FROM
    if (from || tokens[at].is_symbol(",")) {
      texts_.push_back({begin, tokens[at - 1].end});
      begin = tokens[at + 1].begin;
    }
    if (from) break;
    if (tokens[at].is_symbol("(") || tokens[at].is_symbol("[") || tokens[at].is_symbol("{")) {
      at = matching_close(tokens, at);
    }
  }
  return texts_.size() == select.info.items.size();
}

std::optional<Assembly> Assembly::make(const Select& select, const std::vector<SchemaPtr>& inputs,
                                       const arrow::Schema& full) {
  Assembly out;
  if (!out.find_texts(select)) return std::nullopt;
  for (const auto& item : select.info.items) {
    if (!out.add_item(item, select, inputs)) return std::nullopt;
  }
  if (out.passed_columns() == 0) return std::nullopt;
  auto count = static_cast<size_t>(full.num_fields());
  for (auto name : kChangeColumns) {  // they ride along: `full` has them at its end
    if (out.columns_.size() >= count || full.field(static_cast<int>(out.columns_.size()))->name() != name) continue;
    int index = inputs[0]->GetFieldIndex(std::string(name));
    if (index >= 0) out.columns_.push_back({std::string(name), false, 0, 0, {index}});
  }
  if (out.columns_.size() != count) return std::nullopt;
  // DuckDB may rename what it finds twice; where a column passes through, its own name stands.
  for (size_t i = 0; i < count; ++i) {
    auto& column = out.columns_[i];
    if (column.computed) column.name = full.field(static_cast<int>(i))->name();
  }
  out.numbers_rows_ = select.info.has_where;
  return out;
}

std::vector<Splice> Assembly::splices(const Select& select) const {
  std::string alias = quote_identifier(select.info.inputs[0].alias);
  std::string last = numbers_rows_ ? fmt::format("{}.{}", alias, kRowColumn) : "NULL";
  std::vector<Splice> out;
  for (size_t i = 0; i < texts_.size(); ++i) {
    bool keep = select.info.items[i].kind == Kind::computed;
    bool is_last = i + 1 == texts_.size();
    if (is_last)
      out.push_back(keep ? Splice{texts_[i].end, texts_[i].end, ", " + last}
                         : Splice{texts_[i].begin, texts_[i].end, last});
    else if (!keep)
      out.push_back({texts_[i].begin, texts_[i + 1].begin, ""});
  }
  return out;
}

SchemaPtr Assembly::schema(const std::vector<SchemaPtr>& inputs, const arrow::Schema* computed) const {
  arrow::FieldVector fields;
  for (const auto& column : columns_) {
    auto type = column.computed ? computed->field(column.index)->type() : type_at(column.path, *inputs[column.input]);
    fields.push_back(arrow::field(column.name, type));
  }
  return with_unique_names(arrow::schema(std::move(fields)));
}

Result<BatchPtr> Assembly::assemble(const std::vector<BatchPtr>& inputs, const BatchPtr& computed,
                                    const SchemaPtr& schema) const {
  int64_t rows = computed ? computed->num_rows() : inputs[0]->num_rows();
  std::shared_ptr<arrow::Array> kept;  // the numbers of the rows that are left; null: all of them
  if (numbers_rows_ && rows != inputs[0]->num_rows()) kept = computed->column(computed->num_columns() - 1);
  if (!numbers_rows_) CHECK(rows == inputs[0]->num_rows());
  auto options = arrow::compute::TakeOptions::NoBoundsCheck();
  arrow::ArrayVector columns;
  for (const auto& column : columns_) {
    if (column.computed) {
      columns.push_back(computed->column(column.index));
      continue;
    }
    auto values = TRY(follow(*inputs[column.input], column.path));
    if (kept) values = TRY(to_result(arrow::compute::Take(*values, *kept, options)));
    columns.push_back(std::move(values));
  }
  return arrow::RecordBatch::Make(schema, rows, std::move(columns));
}

size_t Assembly::passed_columns() const {
  return static_cast<size_t>(
      std::count_if(columns_.begin(), columns_.end(), [](const auto& c) { return !c.computed; }));
}

}  // namespace sluice::sql
