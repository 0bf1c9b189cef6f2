#include "format/json/json_schema.h"

#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <nlohmann/json.hpp>

namespace sluice::json {
namespace {

using Json = nlohmann::ordered_json;
using arrow::Type;

constexpr int kSchemaDepthMax = 64;
constexpr int kReferencesMax = 1000;  // followed: each may stand for several that do so again

Json schema_of(const arrow::DataType& type);

Json schema_of_field(const arrow::Field& field) {
  Json json = schema_of(*field.type());
  if (!field.nullable()) return json;
  return {{"oneOf", Json::array({{{"type", "null"}}, std::move(json)})}};
}

Json schema_of_fields(const arrow::FieldVector& fields) {
  Json properties = Json::object();
  for (const auto& field : fields) properties[field->name()] = schema_of_field(*field);
  return {{"type", "object"}, {"properties", std::move(properties)}};
}

Json schema_of(const arrow::DataType& type) {
  const auto id = type.id();
  if (id == Type::BOOL) return {{"type", "boolean"}};
  if (arrow::is_integer(id)) return {{"type", "integer"}};
  if (arrow::is_floating(id) || arrow::is_decimal(id)) return {{"type", "number"}};
  switch (id) {
    case Type::DATE32:
    case Type::DATE64:
      return {{"type", "string"}, {"format", "date"}};
    case Type::TIMESTAMP:
      if (static_cast<const arrow::TimestampType&>(type).timezone().empty()) return {{"type", "string"}};
      return {{"type", "string"}, {"format", "date-time"}};
    case Type::BINARY:
    case Type::LARGE_BINARY:
    case Type::BINARY_VIEW:
    case Type::FIXED_SIZE_BINARY:
      return {{"type", "string"}, {"contentEncoding", "base64"}};
    case Type::STRUCT:
      return schema_of_fields(type.fields());
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::FIXED_SIZE_LIST:
      return {{"type", "array"}, {"items", schema_of_field(*type.field(0))}};
    case Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(type);
      if (map.key_type()->id() != Type::STRING) return {{"type", "array"}};
      return {{"type", "object"}, {"additionalProperties", schema_of_field(*map.item_field())}};
    }
    case Type::DICTIONARY:
      return schema_of(*static_cast<const arrow::DictionaryType&>(type).value_type());
    default:
      return {{"type", "string"}};
  }
}

std::optional<TypePtr> type_of_text(const Json& json) {
  const auto format = json.value("format", Json());
  if (format == Json("date")) return arrow::date32();
  if (format == Json("date-time")) return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  return json.value("contentEncoding", Json()) == Json("base64") ? arrow::binary() : arrow::utf8();
}

// The types that a schema says, where it says them simply.
class TypesOfSchema {
 public:
  explicit TypesOfSchema(const Json& root) : root_(root) {}

  [[nodiscard]] std::optional<TypePtr> type_of(const Json& json, int depth) const {
    if (!json.is_object() || depth > kSchemaDepthMax) return std::nullopt;
    for (const char* more : {"allOf", "not", "if", "patternProperties"}) {
      if (json.contains(more)) return std::nullopt;
    }
    if (json.contains("$ref")) return type_of_reference(json.at("$ref"), depth);
    for (const char* either : {"oneOf", "anyOf"}) {
      if (json.contains(either)) return type_of_either(json.at(either), depth);
    }
    Json name = json.value("type", Json());
    if (name.is_array()) {  // ["null", "string"]
      Json plain = json;
      name.erase(std::remove(name.begin(), name.end(), Json("null")), name.end());
      if (name.size() != 1) return std::nullopt;
      plain["type"] = name[0];
      return type_of(plain, depth + 1);
    }
    if (name == "boolean") return arrow::boolean();
    if (name == "integer") return arrow::int64();
    if (name == "number") return arrow::float64();
    if (name == "string") return type_of_text(json);
    if (name == "array") {
      auto items = type_of(json.value("items", Json()), depth + 1);
      return items ? std::optional<TypePtr>(arrow::list(std::move(*items))) : std::nullopt;
    }
    if (name != "object") return std::nullopt;
    if (json.contains("properties")) {
      auto fields = fields_of(json.at("properties"), depth);
      return fields && !fields->empty() ? std::optional<TypePtr>(arrow::struct_(*fields)) : std::nullopt;
    }
    auto values = type_of(json.value("additionalProperties", Json()), depth + 1);
    return values ? std::optional<TypePtr>(arrow::map(arrow::utf8(), std::move(*values))) : std::nullopt;
  }

 private:
  [[nodiscard]] std::optional<arrow::FieldVector> fields_of(const Json& properties, int depth) const {
    if (!properties.is_object()) return std::nullopt;
    arrow::FieldVector fields;
    for (const auto& [name, property] : properties.items()) {
      auto type = type_of(property, depth + 1);
      if (!type) return std::nullopt;
      fields.push_back(arrow::field(name, std::move(*type)));
    }
    return fields;
  }

  // One of two alternatives that is not null.
  [[nodiscard]] std::optional<TypePtr> type_of_either(const Json& alternatives, int depth) const {
    if (!alternatives.is_array() || alternatives.size() > 2) return std::nullopt;
    const Json* other = nullptr;
    for (const auto& one : alternatives) {
      const bool null = one.is_object() && one.value("type", Json()) == Json("null");
      if (null) continue;
      if (other != nullptr) return std::nullopt;
      other = &one;
    }
    return other == nullptr ? std::nullopt : type_of(*other, depth + 1);
  }

  // "#/definitions/Money": a place in the same document. A type that contains itself ends at the depth.
  [[nodiscard]] std::optional<TypePtr> type_of_reference(const Json& reference, int depth) const {
    if (!reference.is_string()) return std::nullopt;
    const auto& text = reference.get_ref<const std::string&>();
    if (!text.starts_with('#') || ++references_ > kReferencesMax) return std::nullopt;
    const Json::json_pointer place(text.substr(1));
    return root_.contains(place) ? type_of(root_.at(place), depth + 1) : std::nullopt;
  }

  const Json& root_;
  mutable int references_ = 0;
};

}  // namespace

std::string to_json_schema(const arrow::Schema& schema, const std::string& title) {
  Json json = {{"$schema", "http://json-schema.org/draft-07/schema#"}, {"title", title}};
  json.update(schema_of_fields(schema.fields()));
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<SchemaPtr> from_json_schema(std::string_view text) {
  auto json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return std::nullopt;
  try {
    auto type = TypesOfSchema(json).type_of(json, 0);
    if (!type || (*type)->id() != Type::STRUCT) return std::nullopt;
    return arrow::schema((*type)->fields());
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

}  // namespace sluice::json
