#include "format/json/selection.h"

#include <set>

#include <arrow/extension_type.h>
#include <arrow/type.h>

namespace sluice::json {
namespace {

Result<arrow::FieldVector> decoded_fields(const arrow::FieldVector& fields, const std::string& path) {
  arrow::FieldVector out;
  std::set<std::string> names;
  for (const auto& field : fields) {
    std::string name = path.empty() ? field->name() : path + "." + field->name();
    if (!names.insert(field->name()).second) return user_error("json: the field '{}' is declared twice", name);
    out.push_back(field->WithType(TRY(decoded_type(field->type(), name))));
  }
  return out;
}

arrow::FieldVector selected_fields(const arrow::FieldVector& fields, const Selection& selection) {
  arrow::FieldVector out;
  for (const auto& field : fields) {
    const Selection& below = selection.all ? selection : selection.below(field->name());
    if (!below.any()) continue;
    if (below.all || field->type()->id() != arrow::Type::STRUCT) {
      out.push_back(field);
    } else {
      out.push_back(field->WithType(arrow::struct_(selected_fields(field->type()->fields(), below))));
    }
  }
  return out;
}

}  // namespace

void Selection::add(const ColumnPath& path) {
  Selection* at = this;
  for (const auto& name : path) at = &at->fields[name];
  at->all = true;
}

const Selection& Selection::below(const std::string& name) const {
  static const Selection nothing;
  auto found = fields.find(name);
  return found == fields.end() ? nothing : found->second;
}

Result<TypePtr> decoded_type(const TypePtr& type, const std::string& path) {
  switch (type->id()) {
    case arrow::Type::NA:
    case arrow::Type::STRING_VIEW:
      return arrow::utf8();
    case arrow::Type::BINARY_VIEW:
      return arrow::binary();
    case arrow::Type::DICTIONARY:
      return decoded_type(static_cast<const arrow::DictionaryType&>(*type).value_type(), path);
    case arrow::Type::EXTENSION:
      return decoded_type(static_cast<const arrow::ExtensionType&>(*type).storage_type(), path);
    case arrow::Type::STRUCT:
      return arrow::struct_(TRY(decoded_fields(type->fields(), path)));
    case arrow::Type::LIST: {
      const auto& item = static_cast<const arrow::ListType&>(*type).value_field();
      return arrow::list(item->WithType(TRY(decoded_type(item->type(), path))));
    }
    case arrow::Type::LARGE_LIST: {
      const auto& item = static_cast<const arrow::LargeListType&>(*type).value_field();
      return arrow::list(item->WithType(TRY(decoded_type(item->type(), path))));
    }
    case arrow::Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(*type);
      if (map.key_type()->id() != arrow::Type::STRING) {
        return user_error("json: the keys of '{}' are {}; JSON's are always VARCHAR", path, type_name(*map.key_type()));
      }
      auto item = map.item_field()->WithType(TRY(decoded_type(map.item_type(), path)));
      return std::make_shared<arrow::MapType>(map.key_field(), item);
    }
    case arrow::Type::BOOL:
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256:
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::FIXED_SIZE_BINARY:
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
      return type;
    default:
      return user_error("json cannot be read into {} (column '{}'); declare it VARCHAR", type_name(*type), path);
  }
}

Result<SchemaPtr> decoded_schema(const arrow::Schema& schema) {
  return arrow::schema(TRY(decoded_fields(schema.fields(), "")), schema.metadata());
}

const arrow::Field* find_field(const arrow::Schema& schema, const ColumnPath& path) {
  const arrow::Field* found = nullptr;
  const arrow::FieldVector* fields = &schema.fields();
  for (const auto& name : path) {
    if (found != nullptr) {
      if (found->type()->id() != arrow::Type::STRUCT) return nullptr;
      fields = &found->type()->fields();
    }
    found = nullptr;
    for (const auto& field : *fields) {
      if (field->name() == name) found = field.get();
    }
    if (found == nullptr) return nullptr;
  }
  return found;
}

Result<SchemaPtr> select(const SchemaPtr& schema, const std::vector<ColumnPath>& columns) {
  Selection selection;
  for (const auto& path : columns) {
    if (find_field(*schema, path) == nullptr) return user_error("there is no column {}", to_string(path));
    selection.add(path);
  }
  return arrow::schema(selected_fields(schema->fields(), selection), schema->metadata());
}

}  // namespace sluice::json
