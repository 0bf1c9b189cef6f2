#include <set>

#include <arrow/type.h>
#include <arrow/type_traits.h>

#include "batch/change.h"
#include "batch/inferred.h"
#include "batch/schema.h"

namespace sluice {
namespace {

Result<void> refuse_duplicates(const arrow::Schema& schema) {
  std::set<std::string_view> names;
  for (const auto& field : schema.fields()) {
    if (!names.insert(field->name()).second) return user_error("column '{}' appears twice", field->name());
  }
  return {};
}

// DuckDB compares names without case, so "_OP" would meet "_op" in every SELECT.
std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// `type` with DOUBLE for each integer that is a floating point number in `other`.
TypePtr with_doubles_of(const TypePtr& type, const TypePtr& other) {
  if (arrow::is_integer(type->id()) && arrow::is_floating(other->id())) return arrow::float64();
  if (type->id() != other->id()) return type;
  if (type->id() == arrow::Type::LIST) {
    const auto& element = type->field(0);
    return arrow::list(element->WithType(with_doubles_of(element->type(), other->field(0)->type())));
  }
  if (type->id() != arrow::Type::STRUCT) return type;
  const auto& others = static_cast<const arrow::StructType&>(*other);
  arrow::FieldVector fields;
  for (const auto& field : type->fields()) {
    const auto same = others.GetFieldByName(field->name());
    fields.push_back(same == nullptr ? field : field->WithType(with_doubles_of(field->type(), same->type())));
  }
  return arrow::struct_(fields);
}

SchemaPtr with_doubles_of(const SchemaPtr& schema, const SchemaPtr& other) {
  arrow::FieldVector fields;
  for (const auto& field : schema->fields()) {
    const auto same = other->GetFieldByName(field->name());
    fields.push_back(same == nullptr ? field : field->WithType(with_doubles_of(field->type(), same->type())));
  }
  return arrow::schema(std::move(fields), schema->metadata());
}

}  // namespace

Result<SchemaPtr> unify_inferred(const SchemaPtr& a, const SchemaPtr& b) {
  return unify(with_doubles_of(a, b), with_doubles_of(b, a));
}

Result<SchemaPtr> unify(const SchemaPtr& a, const SchemaPtr& b) {
  TRY(refuse_duplicates(*a));
  if (a == b || a->Equals(*b)) return a;
  TRY(refuse_duplicates(*b));
  arrow::FieldVector fields;
  for (const auto& field : a->fields()) {
    const auto other = b->GetFieldByName(field->name());
    if (other == nullptr) {
      fields.push_back(field->WithNullable(true));
      continue;
    }
    auto type = widen(field->type(), other->type());
    if (!type.ok()) return user_error("column '{}': {}", field->name(), type.error().what);
    const bool nullable = field->nullable() || other->nullable();
    fields.push_back(field->WithType(std::move(type).value())->WithNullable(nullable));
  }
  for (const auto& field : b->fields()) {
    if (a->GetFieldByName(field->name()) == nullptr) fields.push_back(field->WithNullable(true));
  }
  return arrow::schema(std::move(fields), a->metadata());
}

Result<void> refuse_reserved_columns(const arrow::Schema& schema, std::string_view where) {
  for (const auto& field : schema.fields()) {
    if (!is_change_column(lower(field->name()))) continue;
    return user_error("{}{}column '{}' has a name that is reserved for change data ({}); rename it", where,
                      where.empty() ? "" : ": ", field->name(), fmt::join(kChangeColumns, ", "));
  }
  return {};
}

}  // namespace sluice
