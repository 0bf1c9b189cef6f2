#include "sql/origins.h"

#include <algorithm>

#include <arrow/api.h>

#include "batch/change.h"
#include "sql/names.h"

namespace sluice::sql {
namespace {

using Kind = SelectItem::Kind;

// The columns of a star, with EXCLUDE and REPLACE.
void add_star(const SelectItem& item, const SelectInfo& info, const std::vector<SchemaPtr>& inputs,
              std::vector<Origin>& out) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!item.relation.empty() && !equals_ignoring_case(item.relation, info.inputs[i].alias)) continue;
    for (int column = 0; column < inputs[i]->num_fields(); ++column) {
      const auto& name = inputs[i]->field(column)->name();
      const auto is_it = [&](const std::string& other) { return equals_ignoring_case(other, name); };
      if (std::any_of(item.excluded.begin(), item.excluded.end(), is_it)) continue;
      const auto replaced = std::find_if(item.replaced.begin(), item.replaced.end(),
                                         [&](const auto& candidate) { return is_it(candidate.name); });
      if (replaced != item.replaced.end()) {
        out.push_back({true, replaced->name, -1, replaced->fills_nulls, replaced->reads});
      } else {
        out.push_back({true, name, i == 0 ? column : -1, false, std::nullopt});
      }
    }
  }
}

std::optional<std::vector<Origin>> of_item(const SelectItem& item, const SelectInfo& info,
                                           const std::vector<SchemaPtr>& inputs) {
  std::vector<Origin> out;
  if (item.kind == Kind::star || (item.kind == Kind::opaque && item.keeps_names)) {
    const bool of_input = std::any_of(info.inputs.begin(), info.inputs.end(), [&](const InputRef& input) {
      return item.relation.empty() || equals_ignoring_case(item.relation, input.alias);
    });
    if (!of_input) return std::nullopt;  // the fields of a struct
    add_star(item, info, inputs, out);
  } else if (item.kind == Kind::computed) {
    out.push_back({true, item.alias, -1, item.fills_nulls, item.reads});
  } else if (item.kind == Kind::column) {
    const auto found = resolve(item.column, info.inputs[0].alias, *inputs[0]);
    Origin origin{true, item.alias.empty() ? item.column.back() : item.alias, -1, false, std::nullopt};
    if (found) origin.reads = std::vector<Names>{item.column};
    const bool whole = found && found->complete && found->path.size() == 1;
    if (whole) origin.source = inputs[0]->GetFieldIndex(found->path[0]);
    out.push_back(std::move(origin));
  } else {
    return std::nullopt;
  }
  return out;
}

// Does the output have it where we think that it is? A name that was there before gets a number.
bool is_at(const Origin& origin, const arrow::Field& field) {
  if (origin.name.empty()) return true;
  const auto& name = field.name();
  return name.size() >= origin.name.size() && equals_ignoring_case(name.substr(0, origin.name.size()), origin.name);
}

void add(std::optional<std::vector<Origin>> more, std::vector<Origin>& out) {
  out.insert(out.end(), std::make_move_iterator(more->begin()), std::make_move_iterator(more->end()));
}

}  // namespace

std::optional<std::vector<Origin>> planned_origins(const SelectInfo& info, const SchemaPtr& input) {
  std::vector<Origin> out;
  for (const auto& item : info.items) {
    auto columns = of_item(item, info, {input});
    if (!columns) return std::nullopt;
    add(std::move(columns), out);
  }
  return out;
}

std::vector<Origin> origins_of(const SelectInfo& info, const std::vector<SchemaPtr>& inputs,
                               const arrow::Schema& output) {
  const auto count = static_cast<size_t>(output.num_fields());
  std::vector<Origin> front;
  std::vector<Origin> end;
  size_t first = 0;
  for (; first < info.items.size(); ++first) {
    auto columns = of_item(info.items[first], info, inputs);
    if (!columns) break;
    add(std::move(columns), front);
  }
  for (size_t last = info.items.size(); last > first + 1; --last) {
    auto columns = of_item(info.items[last - 1], info, inputs);
    if (!columns) break;
    columns->insert(columns->end(), end.begin(), end.end());
    end = std::move(*columns);
  }
  if (first == info.items.size()) {  // what rides along stands behind the list
    for (size_t i = front.size(); i < count && is_change_column(output.field(static_cast<int>(i))->name()); ++i) {
      const auto& name = output.field(static_cast<int>(i))->name();
      front.push_back({true, name, inputs[0]->GetFieldIndex(name), false, std::nullopt});
    }
  }
  std::vector<Origin> nothing(count);
  for (size_t i = 0; i < count; ++i) {  // their names are nobody else's
    const auto& name = output.field(static_cast<int>(i))->name();
    if (is_change_column(name)) nothing[i].source = inputs[0]->GetFieldIndex(name);
  }
  auto out = nothing;
  const size_t known = front.size() + end.size();
  if (known > count || (first == info.items.size() && known != count)) return out;
  std::move(front.begin(), front.end(), out.begin());
  std::move(end.begin(), end.end(), out.end() - static_cast<std::ptrdiff_t>(end.size()));
  for (size_t i = 0; i < count; ++i) {
    const auto& field = *output.field(static_cast<int>(i));
    if (!is_at(out[i], field)) return nothing;
    const int source = out[i].source;
    if (source >= 0 && !inputs[0]->field(source)->type()->Equals(field.type())) {
      out[i].reads = std::vector<Names>{Names{inputs[0]->field(source)->name()}};
      out[i].source = -1;
    }
  }
  return out;
}

bool is_of_source_key(const Origin& origin, const SelectInfo& info, const arrow::Schema& input) {
  if (origin.source >= 0) return !input.field(origin.source)->nullable();
  if (!origin.known || !origin.reads) return false;
  return std::all_of(origin.reads->begin(), origin.reads->end(), [&](const Names& names) {
    const auto found = resolve(names, info.inputs[0].alias, input);
    return found && !found->path.empty() && !input.GetFieldByName(found->path[0])->nullable();
  });
}

}  // namespace sluice::sql
