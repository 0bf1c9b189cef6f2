#include "sql/names.h"

#include <algorithm>
#include <set>

#include <arrow/api.h>
#include <arrow/util/decimal.h>

#include "base/ascii.h"

namespace sluice::sql {
namespace {

using arrow::Type;

bool is_integer_text(const std::string& text) {
  size_t digits = text.starts_with('-') ? 1 : 0;
  return text.size() > digits && text.find_first_not_of("0123456789", digits) == std::string::npos;
}

std::shared_ptr<arrow::Scalar> parsed(const TypePtr& type, const std::string& text) {
  auto scalar = arrow::Scalar::Parse(type, text);
  return scalar.ok() ? *scalar : nullptr;
}

// YYYY-MM-DD[ hh:mm[:ss[.f]]], without a zone.
bool is_local_moment(std::string_view text) {
  constexpr std::string_view kShape = "0000-00-00 00:00:00";
  for (size_t i = 0; i < std::min(text.size(), kShape.size()); ++i) {
    const bool fits = kShape[i] == '0' ? is_digit(text[i]) : text[i] == kShape[i] || (i == 10 && text[i] == 'T');
    if (!fits) return false;
  }
  if (text.size() <= kShape.size()) return text.size() == 10 || text.size() == 16 || text.size() == 19;
  const auto fraction = text.substr(kShape.size() + 1);
  return text[kShape.size()] == '.' && !fraction.empty() && std::all_of(fraction.begin(), fraction.end(), is_digit);
}

std::shared_ptr<arrow::Scalar> decimal(const TypePtr& type, const std::string& text) {
  const auto& target = static_cast<const arrow::Decimal128Type&>(*type);
  arrow::Decimal128 value;
  int32_t precision = 0;
  int32_t scale = 0;
  if (!arrow::Decimal128::FromString(text, &value, &precision, &scale).ok()) return nullptr;
  auto rescaled = value.Rescale(scale, target.scale());
  if (!rescaled.ok() || !rescaled->FitsInPrecision(target.precision())) return nullptr;
  return std::make_shared<arrow::Decimal128Scalar>(*rescaled, type);
}

// An exact number beside a column of floats becomes one of those. Up to `digits` of them DuckDB's division and our
// reading of the text round alike.
std::shared_ptr<arrow::Scalar> rounded(const TypePtr& type, const std::string& text, int digits) {
  const bool few = std::count_if(text.begin(), text.end(), is_digit) <= digits;
  return few ? parsed(type, text) : nullptr;
}

// DuckDB casts a string constant to the column's type, and an untyped number to it where that loses nothing.
std::shared_ptr<arrow::Scalar> value_for(const TypePtr& type, const Literal& literal) {
  using Kind = Literal::Kind;
  bool number = literal.kind == Kind::number;
  bool text = literal.kind == Kind::text;
  if (arrow::is_integer(type->id())) {
    return (number || text) && is_integer_text(literal.text) ? parsed(type, literal.text) : nullptr;
  }
  switch (type->id()) {
    case Type::FLOAT:  // beside a DOUBLE the column is what is cast
      return number ? rounded(type, literal.text, 7) : nullptr;
    case Type::DOUBLE:
      if (literal.kind == Kind::floating) return parsed(type, literal.text);
      return number ? rounded(type, literal.text, 15) : nullptr;
    case Type::DECIMAL128:
      return number ? decimal(type, literal.text) : nullptr;
    case Type::BOOL:
      return literal.kind == Kind::boolean ? parsed(type, literal.text) : nullptr;
    case Type::STRING:
    case Type::LARGE_STRING:
      return text ? parsed(type, literal.text) : nullptr;
    case Type::DATE32:
      return text || literal.kind == Kind::date ? parsed(type, literal.text) : nullptr;
    case Type::TIMESTAMP: {
      bool zoned = !static_cast<const arrow::TimestampType&>(*type).timezone().empty();
      if (number || literal.kind == Kind::floating || literal.kind == Kind::boolean) return nullptr;
      if (zoned && literal.kind == Kind::timestamp) return nullptr;
      // DuckDB drops a zone here, and Arrow would count with it.
      if (!zoned && (literal.kind == Kind::timestamptz || !is_local_moment(literal.text))) return nullptr;
      return parsed(type, literal.text);
    }
    default:
      return nullptr;
  }
}

bool contains(const ColumnPath& whole, const ColumnPath& part) {
  return whole.size() <= part.size() && std::equal(whole.begin(), whole.end(), part.begin());
}

// Columns that the name may mean as well, since SQL sees no case: Input refuses them beside each other.
void add_namesakes(const std::string& name, const arrow::Schema& schema, std::vector<ColumnPath>& paths) {
  std::vector<ColumnPath> same;
  for (const auto& field : schema.fields()) {
    if (equals_ignoring_case(field->name(), name)) same.push_back({field->name()});
  }
  if (same.size() > 1) paths.insert(paths.end(), same.begin(), same.end());
}

ColumnPath cheapest_column(const arrow::Schema& schema) {
  int best = 0;
  for (int i = schema.num_fields() - 1; i >= 0; --i) {
    if (arrow::is_fixed_width(schema.field(i)->type()->id())) best = i;
  }
  return {schema.field(best)->name()};
}

}  // namespace

int find_field(const arrow::FieldVector& fields, const std::string& name) {
  int found = -1;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i]->name() == name) return static_cast<int>(i);
    if (equals_ignoring_case(fields[i]->name(), name)) found = found == -1 ? static_cast<int>(i) : -2;
  }
  return std::max(found, -1);
}

std::optional<ResolvedName> resolve(const Names& names, std::string_view alias, const arrow::Schema& schema) {
  size_t at = 0;
  int field = -1;
  if (!alias.empty() && equals_ignoring_case(names[0], alias)) {
    if (names.size() > 1) field = find_field(schema.fields(), names[1]);
    at = field >= 0 ? 1 : 0;
  }
  if (field < 0) field = find_field(schema.fields(), names[0]);
  if (field < 0) {
    if (alias.empty() || names.size() > 1 || !equals_ignoring_case(names[0], alias)) return std::nullopt;
    return ResolvedName{};
  }
  ResolvedName out;
  out.path.push_back(schema.field(field)->name());
  out.type = schema.field(field)->type();
  for (++at; at < names.size() && out.type->id() == Type::STRUCT; ++at) {
    int child = find_field(out.type->fields(), names[at]);
    if (child < 0) break;
    out.path.push_back(out.type->field(child)->name());
    out.type = TypePtr(out.type->field(child)->type());
  }
  out.complete = at == names.size();
  return out;
}

SchemaPtr with_unique_names(const SchemaPtr& schema) {
  const auto names = schema->field_names();
  std::set<std::string> taken(names.begin(), names.end());
  std::set<std::string> seen;
  arrow::FieldVector fields;
  for (const auto& field : schema->fields()) {
    std::string name = field->name();
    for (int number = 1; !seen.insert(name).second; ++number) {
      name = fmt::format("{}_{}", field->name(), number);
      if (!taken.insert(name).second) name = field->name();
    }
    fields.push_back(name == field->name() ? field : field->WithName(name));
  }
  return arrow::schema(std::move(fields));
}

std::vector<ColumnPath> needed_columns(const std::vector<Names>& used, std::string_view alias,
                                       const arrow::Schema& schema, bool* whole_row) {
  std::vector<ColumnPath> paths;
  for (const auto& names : used) {
    const bool qualified = names.size() > 1 && equals_ignoring_case(names[0], alias);
    add_namesakes(names[qualified ? 1 : 0], schema, paths);
    auto found = resolve(names, alias, schema);
    if (!found) continue;
    if (found->path.empty())
      *whole_row = true;
    else
      paths.push_back(std::move(found->path));
  }
  std::sort(paths.begin(), paths.end(), [](const auto& a, const auto& b) { return a.size() < b.size(); });
  std::vector<ColumnPath> kept;
  for (auto& path : paths) {
    bool known = std::any_of(kept.begin(), kept.end(), [&](const auto& other) { return contains(other, path); });
    if (!known) kept.push_back(std::move(path));
  }
  std::stable_sort(kept.begin(), kept.end(), [&](const auto& a, const auto& b) {
    return schema.GetFieldIndex(a[0]) < schema.GetFieldIndex(b[0]);
  });
  if (kept.empty() && schema.num_fields() > 0) kept.push_back(cheapest_column(schema));
  return kept;
}

std::string with_candidates(const std::string& message, const std::vector<SchemaPtr>& schemas) {
  constexpr std::string_view kStart = "Referenced column \"";
  auto end = message.find('"', kStart.size());
  if (!message.starts_with(kStart) || end == std::string::npos) return message;
  std::string name = message.substr(kStart.size(), end - kStart.size());
  std::vector<std::string> columns;
  for (const auto& schema : schemas) {
    if (schema == nullptr) continue;
    for (const auto& field : schema->fields()) columns.push_back(field->name());
  }
  std::vector<std::string_view> views(columns.begin(), columns.end());
  auto near = nearest(name, views);
  if (!near.empty()) return fmt::format("column '{}' was not found; did you mean '{}'?", name, near);
  bool many = views.size() > 20;
  if (many) views.resize(20);
  return fmt::format("column '{}' was not found; there are: {}{}", name, fmt::join(views, ", "), many ? ", …" : "");
}

std::optional<Predicate> resolve_predicate(const SimplePredicate& predicate, std::string_view alias,
                                           const arrow::Schema& schema) {
  auto column = resolve(predicate.column, alias, schema);
  if (!column || !column->complete || column->path.empty()) return std::nullopt;
  Predicate out{std::move(column->path), predicate.op, {}};
  for (const auto& literal : predicate.literals) {
    auto value = value_for(column->type, literal);
    if (value == nullptr) return std::nullopt;
    out.values.push_back(std::move(value));
  }
  return out;
}

}  // namespace sluice::sql
