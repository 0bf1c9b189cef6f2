// Avro's schema declaration: JSON → Schema.
#include <algorithm>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "avro/schema.h"

namespace sluice::avro {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kTypeDepthMax = 64;
constexpr int64_t kFixedBytesMax = 1 << 20;

// The specification's names: [A-Za-z_][A-Za-z0-9_]*. Other writers are laxer (column names with spaces or dashes); what
// only has to be told apart when reading is taken as it is.
Result<std::string> text_of(const Json& json, const char* property, std::string_view of) {
  auto found = json.find(property);
  if (found == json.end() || !found->is_string() || found->get_ref<const std::string&>().empty()) {
    return user_error("{} without \"{}\"", of, property);
  }
  return found->get<std::string>();
}

std::optional<int> id_of(const Json& json, const char* property) {
  auto found = json.find(property);
  if (found == json.end() || !found->is_number_integer()) return std::nullopt;
  auto id = found->get<int64_t>();
  if (id < INT32_MIN || id > INT32_MAX) return std::nullopt;
  return static_cast<int>(id);
}

std::vector<std::string> texts_of(const Json& json, const char* property) {
  std::vector<std::string> texts;
  auto found = json.find(property);
  if (found == json.end() || !found->is_array()) return texts;
  for (const auto& item : *found) {
    if (item.is_string()) texts.push_back(item.get<std::string>());
  }
  return texts;
}

std::string namespace_of(const std::string& full_name) {
  auto dot = full_name.rfind('.');
  return dot == std::string::npos ? "" : full_name.substr(0, dot);
}

std::string full_name(const std::string& name, const std::string& space) {
  return space.empty() || name.find('.') != std::string::npos ? name : space + "." + name;
}

class Parser {
 public:
  explicit Parser(Schema& schema) : schema_(schema) {}

  Result<const Type*> parse(const Json& json, const std::string& space, int depth) {
    if (depth > kTypeDepthMax) return user_error("types nested deeper than {} levels", kTypeDepthMax);
    if (json.is_string()) return reference(json.get<std::string>(), space);
    if (json.is_array()) return either(json, space, depth);
    if (!json.is_object()) return user_error("a type is neither a name, nor an object, nor an array: {}", shown(json));
    auto found = json.find("type");
    if (found == json.end()) return user_error("a type without \"type\": {}", shown(json));
    if (!found->is_string()) return parse(*found, space, depth + 1);  // {"type": {"type": …}}
    const auto& name = found->get_ref<const std::string&>();
    if (name == "record" || name == "error") return record(json, space, depth);
    if (name == "enum") return enumeration(json, space);
    if (name == "fixed") return fixed(json, space);
    if (name == "array") return array(json, space, depth);
    if (name == "map") return map(json, space, depth);
    auto kind = primitive(name);
    if (!kind) return reference(name, space);
    auto& type = schema_.add(*kind);
    read_logical(json, type);
    return &type;
  }

 private:
  static std::string shown(const Json& json) {
    auto text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
    return text.size() > 60 ? text.substr(0, 60) + "…" : text;
  }

  static std::optional<Kind> primitive(std::string_view name) {
    for (int kind = 0; kind <= static_cast<int>(Kind::string); ++kind) {
      if (to_string(static_cast<Kind>(kind)) == name) return static_cast<Kind>(kind);
    }
    return std::nullopt;
  }

  Result<const Type*> reference(const std::string& name, const std::string& space) {
    if (auto kind = primitive(name)) return &schema_.add(*kind);
    auto found = named_.find(full_name(name, space));
    if (found == named_.end()) found = named_.find(name);
    if (found == named_.end()) return user_error("unknown type \"{}\"", name);
    return found->second;
  }

  Result<const Type*> either(const Json& json, const std::string& space, int depth) {
    auto& type = schema_.add(Kind::either);
    std::set<std::string> seen;
    for (const auto& item : json) {
      const auto* branch = TRY(parse(item, space, depth + 1));
      if (branch->kind == Kind::either) return user_error("a union directly inside a union");
      const bool first = seen.insert(branch->name.empty() ? std::string(to_string(branch->kind)) : branch->name).second;
      if (!first) return user_error("a union with two branches of type {}", describe(*branch));
      type.branches.push_back(branch);
    }
    if (type.branches.empty()) return user_error("a union without branches");
    return &type;
  }

  Result<void> define(const Json& json, const std::string& space, Type& type) {
    auto name = TRY(text_of(json, "name", to_string(type.kind)));
    std::string own_space = space;
    if (auto found = json.find("namespace"); found != json.end() && found->is_string()) {
      own_space = found->get<std::string>();
    }
    type.name = full_name(name, own_space);
    for (const auto& alias : texts_of(json, "aliases")) {
      type.aliases.push_back(full_name(alias, namespace_of(type.name)));
    }
    if (!named_.emplace(type.name, &type).second) return user_error("type \"{}\" is defined twice", type.name);
    return {};
  }

  Result<const Type*> record(const Json& json, const std::string& space, int depth) {
    auto& type = schema_.add(Kind::record);
    TRY(define(json, space, type));
    auto fields = json.find("fields");
    if (fields == json.end() || !fields->is_array()) return user_error("record {} without \"fields\"", type.name);
    std::set<std::string> seen;
    for (const auto& item : *fields) {
      if (!item.is_object()) return user_error("record {} has a field that is no object", type.name);
      auto field = TRY(this->field(item, type, depth));
      if (!seen.insert(field.column).second) {
        return user_error("record {} has two fields \"{}\"", type.name, field.column);
      }
      type.fields.push_back(std::move(field));
    }
    return &type;
  }

  Result<Field> field(const Json& json, const Type& record, int depth) {
    Field field;
    field.name = TRY(text_of(json, "name", "a field of record " + record.name));
    field.column = field.name;
    for (const char* property : {"iceberg-field-name", "column-name"}) {
      if (auto found = json.find(property); found != json.end() && found->is_string()) field.column = *found;
    }
    field.aliases = texts_of(json, "aliases");
    field.id = id_of(json, "field-id");
    if (auto found = json.find("default"); found != json.end()) field.default_json = found->dump();
    auto type = json.find("type");
    if (type == json.end()) return user_error("field \"{}\" of record {} without \"type\"", field.name, record.name);
    auto parsed = parse(*type, namespace_of(record.name), depth + 1);
    if (!parsed.ok()) return user_error("field \"{}\": {}", field.name, parsed.error().what);
    field.type = parsed.value();
    return field;
  }

  Result<const Type*> enumeration(const Json& json, const std::string& space) {
    auto& type = schema_.add(Kind::enumeration);
    TRY(define(json, space, type));
    type.symbols = texts_of(json, "symbols");
    if (type.symbols.empty()) return user_error("enum {} without \"symbols\"", type.name);
    if (auto found = json.find("default"); found != json.end() && found->is_string()) {
      type.fallback = found->get<std::string>();
      if (std::find(type.symbols.begin(), type.symbols.end(), *type.fallback) == type.symbols.end()) {
        return user_error("enum {} has the default \"{}\", which is none of its symbols", type.name, *type.fallback);
      }
    }
    return &type;
  }

  Result<const Type*> fixed(const Json& json, const std::string& space) {
    auto& type = schema_.add(Kind::fixed);
    TRY(define(json, space, type));
    auto found = json.find("size");
    if (found == json.end() || !found->is_number_integer() || *found < 0 || *found > kFixedBytesMax) {
      return user_error("fixed {} without a \"size\" from 0 to {}", type.name, kFixedBytesMax);
    }
    type.size = found->get<int64_t>();
    read_logical(json, type);
    return &type;
  }

  Result<const Type*> array(const Json& json, const std::string& space, int depth) {
    auto& type = schema_.add(Kind::array);
    auto items = json.find("items");
    if (items == json.end()) return user_error("an array without \"items\"");
    type.element = TRY(parse(*items, space, depth + 1));
    type.element_id = id_of(json, "element-id");
    read_logical(json, type);
    return &type;
  }

  Result<const Type*> map(const Json& json, const std::string& space, int depth) {
    auto& type = schema_.add(Kind::map);
    auto values = json.find("values");
    if (values == json.end()) return user_error("a map without \"values\"");
    type.element = TRY(parse(*values, space, depth + 1));
    type.key_id = id_of(json, "key-id");
    type.element_id = id_of(json, "value-id");
    return &type;
  }

  // "Language implementations must ignore unknown logical types when reading, and should use the underlying Avro type",
  // also where a known one stands on a type that cannot carry it.
  static void read_logical(const Json& json, Type& type) {
    auto found = json.find("logicalType");
    if (found == json.end() || !found->is_string()) return;
    const auto& name = found->get_ref<const std::string&>();
    for (int i = 1; i <= static_cast<int>(Logical::map); ++i) {
      if (to_string(static_cast<Logical>(i)) == name) type.logical = static_cast<Logical>(i);
    }
    if (auto utc = json.find("adjust-to-utc"); utc != json.end() && utc->is_boolean()) type.utc = utc->get<bool>();
    if (type.logical == Logical::decimal) read_decimal(json, type);
    if (!carries(type)) type.logical = Logical::none;
  }

  static void read_decimal(const Json& json, Type& type) {
    auto precision = id_of(json, "precision");
    auto scale = json.contains("scale") ? id_of(json, "scale") : std::optional<int>(0);
    if (!precision || !scale || *precision < 1 || *scale < 0 || *scale > *precision) {
      type.logical = Logical::none;
      return;
    }
    type.precision = *precision;
    type.scale = *scale;
  }

  static bool carries(const Type& type) {
    const Kind kind = type.kind;
    switch (type.logical) {
      case Logical::decimal:
        return kind == Kind::bytes || (kind == Kind::fixed && type.size > 0);
      case Logical::uuid:
        return kind == Kind::string || (kind == Kind::fixed && type.size == 16);
      case Logical::date:
      case Logical::time_millis:
        return kind == Kind::int32;
      case Logical::duration:
        return kind == Kind::fixed && type.size == 12;
      case Logical::map: {
        const auto* entry = type.element;
        return kind == Kind::array && entry->kind == Kind::record && entry->fields.size() == 2 &&
               entry->fields[0].type->kind != Kind::either && entry->fields[0].type->kind != Kind::null &&
               entry->fields[0].name == "key" && entry->fields[1].name == "value";
      }
      case Logical::none:
        return true;
      default:
        return kind == Kind::int64;
    }
  }

  Schema& schema_;
  std::map<std::string, const Type*> named_;
};

}  // namespace

Result<std::shared_ptr<const Schema>> Schema::parse(std::string_view json) { return parse(json, {}); }

Result<std::shared_ptr<const Schema>> Schema::parse(std::string_view json, std::span<const std::string> others) {
  auto schema = std::make_shared<Schema>();
  Parser parser(*schema);
  try {
    for (const auto& other : others) {
      auto document = Json::parse(other, nullptr, false);
      if (document.is_discarded()) return user_error("a schema that it refers to is not JSON");
      TRY(parser.parse(document, "", 0));
    }
    auto document = Json::parse(json, nullptr, false);
    if (document.is_discarded()) return user_error("the schema is not JSON");
    const auto* root = TRY(parser.parse(document, "", 0));
    schema->complete(*root, document.dump());
  } catch (const nlohmann::json::exception& e) {
    return user_error("the schema cannot be read: {}", e.what());
  }
  return std::shared_ptr<const Schema>(std::move(schema));
}

}  // namespace sluice::avro
