#include "connector/kafka/new_fields.h"

#include <algorithm>

#include <arrow/type.h>

namespace sluice::kafka {
namespace {

TypePtr with_fields_of(const TypePtr& known, const TypePtr& seen);

// Whether there was something to add.
bool add_new_fields(const arrow::FieldVector& seen, arrow::FieldVector& known) {
  bool added = false;
  for (const auto& field : seen) {
    auto same = std::find_if(known.begin(), known.end(), [&](const auto& one) { return one->name() == field->name(); });
    if (same == known.end()) {
      known.push_back(arrow::field(field->name(), type_read(field->type())));
      added = true;
      continue;
    }
    const auto type = with_fields_of((*same)->type(), field->type());
    if (type == (*same)->type()) continue;
    *same = (*same)->WithType(type);
    added = true;
  }
  return added;
}

TypePtr with_fields_of(const TypePtr& known, const TypePtr& seen) {
  if (known->id() != seen->id()) return known;
  if (known->id() == arrow::Type::LIST) {
    const auto& item = known->field(0);
    const auto type = with_fields_of(item->type(), seen->field(0)->type());
    return type == item->type() ? known : arrow::list(item->WithType(type));
  }
  if (known->id() == arrow::Type::MAP) {
    const auto& map = static_cast<const arrow::MapType&>(*known);
    const auto type = with_fields_of(map.item_type(), static_cast<const arrow::MapType&>(*seen).item_type());
    return type == map.item_type() ? known : arrow::map(map.key_type(), map.item_field()->WithType(type));
  }
  if (known->id() != arrow::Type::STRUCT) return known;
  auto fields = known->fields();
  return add_new_fields(seen->fields(), fields) ? arrow::struct_(fields) : known;
}

}  // namespace

TypePtr type_read(const TypePtr& type) {
  if (type->id() == arrow::Type::NA) return arrow::utf8();
  if (type->id() == arrow::Type::LIST) {
    const auto& item = type->field(0);
    return arrow::list(item->WithType(type_read(item->type())));
  }
  if (type->id() != arrow::Type::STRUCT) return type;
  arrow::FieldVector fields;
  for (const auto& field : type->fields()) fields.push_back(field->WithType(type_read(field->type())));
  return arrow::struct_(fields);
}

SchemaPtr with_new_fields(const SchemaPtr& known, const arrow::Schema& seen) {
  auto fields = known->fields();
  return add_new_fields(seen.fields(), fields) ? arrow::schema(std::move(fields)) : known;
}

}  // namespace sluice::kafka
