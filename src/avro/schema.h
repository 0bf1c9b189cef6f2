// Avro schemas (avro.apache.org/docs/1.12.0/specification) as plain values: parsed from JSON, built from Arrow, printed
// as JSON. Aliases, defaults and Iceberg's field ids are kept.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice::avro {

enum class Kind : uint8_t {
  null,
  boolean,
  int32,
  int64,
  float32,
  float64,
  bytes,
  string,
  array,
  map,
  record,
  enumeration,
  fixed,
  either,  // a union
};
std::string_view to_string(Kind kind);  // as the specification names it: "int", "union"

enum class Logical : uint8_t {
  none,
  decimal,
  uuid,
  date,
  time_millis,
  time_micros,
  timestamp_millis,
  timestamp_micros,
  timestamp_nanos,
  local_timestamp_millis,
  local_timestamp_micros,
  local_timestamp_nanos,
  duration,
  map,  // Iceberg's: an array of {key, value} records that is a map with keys of any type
};
std::string_view to_string(Logical logical);

struct Type;

struct Field {
  std::string name;    // as in the schema
  std::string column;  // what it stands for: the property column-name (or iceberg-field-name), else `name`
  std::vector<std::string> aliases;
  const Type* type = nullptr;
  std::optional<std::string> default_json;
  std::optional<int> id;  // Iceberg's field-id
};

// One type of a schema; owned by it. Named types may be reached on several ways, and from themselves.
struct Type {
  Kind kind = Kind::null;
  Logical logical = Logical::none;
  int precision = 0;  // of a decimal
  int scale = 0;
  bool utc = true;                      // timestamps; false where Iceberg's adjust-to-utc says so
  std::string name;                     // full name of a record, enumeration or fixed
  std::vector<std::string> aliases;     // full names
  std::vector<Field> fields;            // of a record
  std::vector<std::string> symbols;     // of an enumeration
  std::optional<std::string> fallback;  // an enumeration's default symbol
  int64_t size = 0;                     // of a fixed
  std::vector<const Type*> branches;    // of a union
  const Type* element = nullptr;        // of an array, or a map's values
  std::optional<int> element_id;        // element-id of an array, value-id of a map
  std::optional<int> key_id;            // of a map
  int64_t bytes_min = 0;                // the fewest bytes a value takes
};

// Text for errors: "int", "record Order", "timestamp-micros".
std::string describe(const Type& type);
// A union of null and one other type: that type. Else null.
const Type* optional_of(const Type& type);
// The field of the record `reader` that a written one becomes when it is read: by name, else by one of the reader's
// aliases; null: it is dropped.
const Field* resolved(const Field& written, const Type& reader);
inline bool is_named(Kind kind) { return kind == Kind::record || kind == Kind::enumeration || kind == Kind::fixed; }
// "order", "id" → "order.id"; for errors.
inline std::string below(const std::string& path, const std::string& field) {
  return path.empty() ? field : path + "." + field;
}
// "a.b.Order" → "Order".
std::string_view unqualified(std::string_view name);

// Owns its types. Immutable once shared; may be used from any thread.
class Schema {
 public:
  Schema() = default;
  Schema(const Schema&) = delete;
  Schema& operator=(const Schema&) = delete;

  // Errors are one sentence without place: the caller knows the file.
  static Result<std::shared_ptr<const Schema>> parse(std::string_view json);
  // The same of a schema that names types of others; of these each may name those before it.
  static Result<std::shared_ptr<const Schema>> parse(std::string_view json, std::span<const std::string> others);

  [[nodiscard]] const Type& root() const { return *root_; }
  // Minified JSON: what was parsed, else what the types say.
  [[nodiscard]] const std::string& json() const { return json_; }

  // For whoever builds one: add types, then complete() with the root, once.
  Type& add(Kind kind);
  void complete(const Type& root, std::string json = {});

 private:
  std::vector<std::unique_ptr<Type>> types_;
  const Type* root_ = nullptr;
  std::string json_;
};
using SchemaRef = std::shared_ptr<const Schema>;

}  // namespace sluice::avro
