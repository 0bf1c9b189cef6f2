#include "avro/schema.h"

#include <algorithm>
#include <array>
#include <set>

#include <nlohmann/json.hpp>

namespace sluice::avro {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 14> kKinds = {"null",   "boolean", "int", "long",   "float", "double", "bytes",
                                                     "string", "array",   "map", "record", "enum",  "fixed",  "union"};
constexpr std::array<std::string_view, 14> kLogicals = {"none",
                                                        "decimal",
                                                        "uuid",
                                                        "date",
                                                        "time-millis",
                                                        "time-micros",
                                                        "timestamp-millis",
                                                        "timestamp-micros",
                                                        "timestamp-nanos",
                                                        "local-timestamp-millis",
                                                        "local-timestamp-micros",
                                                        "local-timestamp-nanos",
                                                        "duration",
                                                        "map"};

// A named type is spelled out where it comes first and named afterwards.
Json render(const Type& type, std::set<const Type*>& defined);

Json render_fields(const Type& type, std::set<const Type*>& defined) {
  Json fields = Json::array();
  for (const auto& field : type.fields) {
    Json out{{"name", field.name}, {"type", render(*field.type, defined)}};
    if (!field.aliases.empty()) out["aliases"] = field.aliases;
    if (field.default_json) out["default"] = Json::parse(*field.default_json);
    if (field.id) out["field-id"] = *field.id;
    if (field.column != field.name) out["column-name"] = field.column;
    fields.push_back(std::move(out));
  }
  return fields;
}

Json render(const Type& type, std::set<const Type*>& defined) {
  if (type.kind == Kind::either) {
    Json branches = Json::array();
    for (const auto* branch : type.branches) branches.push_back(render(*branch, defined));
    return branches;
  }
  if (is_named(type.kind) && !defined.insert(&type).second) return type.name;
  Json out{{"type", to_string(type.kind)}};
  if (is_named(type.kind)) out["name"] = type.name;
  if (!type.aliases.empty()) out["aliases"] = type.aliases;
  if (type.kind == Kind::fixed) out["size"] = type.size;
  if (type.kind == Kind::array) out["items"] = render(*type.element, defined);
  if (type.kind == Kind::map) out["values"] = render(*type.element, defined);
  if (type.kind == Kind::record) out["fields"] = render_fields(type, defined);
  if (type.kind == Kind::enumeration) out["symbols"] = type.symbols;
  if (type.fallback) out["default"] = *type.fallback;
  if (type.element_id) out[type.kind == Kind::map ? "value-id" : "element-id"] = *type.element_id;
  if (type.key_id) out["key-id"] = *type.key_id;
  if (type.logical != Logical::none) out["logicalType"] = to_string(type.logical);
  if (type.logical == Logical::decimal) {
    out["precision"] = type.precision;
    out["scale"] = type.scale;
  }
  if (type.logical == Logical::timestamp_millis || type.logical == Logical::timestamp_micros ||
      type.logical == Logical::timestamp_nanos) {
    out["adjust-to-utc"] = type.utc;
  }
  return out.size() == 1 ? out["type"] : out;
}

constexpr int64_t kBytesMinMax = int64_t{1} << 40;
constexpr int kPassesMax = 4;

// What a type's parts say so far: a lower bound in any case.
int64_t bytes_min_of(const Type& type) {
  switch (type.kind) {
    case Kind::null:
      return 0;
    case Kind::float32:
      return 4;
    case Kind::float64:
      return 8;
    case Kind::fixed:
      return type.size;
    case Kind::record: {
      int64_t bytes = 0;
      for (const auto& field : type.fields) bytes = std::min(kBytesMinMax, bytes + field.type->bytes_min);
      return bytes;
    }
    default:
      return 1;
  }
}

}  // namespace

std::string_view to_string(Kind kind) { return kKinds[static_cast<size_t>(kind)]; }
std::string_view to_string(Logical logical) { return kLogicals[static_cast<size_t>(logical)]; }

std::string describe(const Type& type) {
  std::string text(type.logical == Logical::none ? to_string(type.kind) : to_string(type.logical));
  if (type.logical == Logical::decimal) return fmt::format("decimal({},{})", type.precision, type.scale);
  if (is_named(type.kind)) text += " " + type.name;
  return text;
}

const Type* optional_of(const Type& type) {
  if (type.kind != Kind::either || type.branches.size() != 2) return nullptr;
  if (type.branches[0]->kind == Kind::null) return type.branches[1];
  if (type.branches[1]->kind == Kind::null) return type.branches[0];
  return nullptr;
}

const Field* resolved(const Field& written, const Type& reader) {
  const Field* by_alias = nullptr;
  for (const auto& field : reader.fields) {
    if (field.name == written.name) return &field;
    if (std::find(field.aliases.begin(), field.aliases.end(), written.name) != field.aliases.end()) by_alias = &field;
  }
  return by_alias;
}

std::string_view unqualified(std::string_view name) { return name.substr(name.rfind('.') + 1); }

Type& Schema::add(Kind kind) {
  types_.push_back(std::make_unique<Type>());
  types_.back()->kind = kind;
  return *types_.back();
}

void Schema::complete(const Type& root, std::string json) {
  root_ = &root;
  // Types mostly stand behind what holds them; references to earlier ones take another pass each.
  for (int pass = 0; pass < kPassesMax; ++pass) {
    for (auto type = types_.rbegin(); type != types_.rend(); ++type) (*type)->bytes_min = bytes_min_of(**type);
  }
  std::set<const Type*> defined;
  json_ = json.empty() ? render(root, defined).dump() : std::move(json);
}

}  // namespace sluice::avro
