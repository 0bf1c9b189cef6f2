// Arrow → Avro.
#include <charconv>
#include <map>
#include <set>

#include <arrow/extension_type.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include "avro/arrow_schema.h"
#include "base/ascii.h"

namespace sluice::avro {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// As Iceberg's AvroSchemaUtil.sanitize, byte by byte.
std::string avro_name(const std::string& column) {
  std::string name;
  for (char c : column) {
    if (is_letter(c) || (is_digit(c) && !name.empty())) {
      name += c;
    } else if (is_digit(c)) {
      name = fmt::format("_{}", c);
    } else {
      name += fmt::format("_x{:X}", static_cast<unsigned char>(c));
    }
  }
  return name.empty() ? "_" : name;
}

std::optional<int> field_id(const arrow::Field& field) {
  if (field.metadata() == nullptr) return std::nullopt;
  auto text = field.metadata()->Get(kFieldId);
  if (!text.ok()) return std::nullopt;
  int id = 0;
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), id);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return id;
}

class Builder {
 public:
  explicit Builder(Schema& schema) : schema_(schema) {}

  Result<const avro::Type*> record(const arrow::FieldVector& fields, const std::string& name) {
    auto& record = schema_.add(Kind::record);
    record.name = unique(name);
    std::map<std::string, std::string> columns;
    for (const auto& column : fields) {
      Field field;
      field.column = column->name();
      field.name = avro_name(field.column);
      auto [other, first] = columns.emplace(field.name, field.column);
      if (!first) {
        return user_error("columns '{}' and '{}' would both be named {} in Avro; rename one (SELECT … AS …)",
                          other->second, field.column, field.name);
      }
      field.id = field_id(*column);
      auto type = nullable(*column, name + "_" + field.name);
      if (!type.ok()) return in_column(field.column, std::move(type).error());
      field.type = type.value();
      if (column->nullable()) field.default_json = "null";
      record.fields.push_back(std::move(field));
    }
    return &record;
  }

 private:
  static Error in_column(const std::string& column, Error error) {
    error.what = fmt::format("column '{}': {}", column, error.what);
    return error;
  }

  std::string unique(const std::string& wanted) {
    std::string name = wanted;
    for (int i = 2; !names_.insert(name).second; ++i) name = fmt::format("{}_{}", wanted, i);
    return name;
  }

  Result<const avro::Type*> nullable(const arrow::Field& field, const std::string& path) {
    const auto* type = TRY(map(*field.type(), path));
    if (!field.nullable() || type->kind == Kind::null) return type;
    auto& either = schema_.add(Kind::either);
    either.branches = {&schema_.add(Kind::null), type};
    return &either;
  }

  const avro::Type* plain(Kind kind, Logical logical = Logical::none) {
    auto& type = schema_.add(kind);
    type.logical = logical;
    return &type;
  }

  const avro::Type* decimal(int precision, int scale) {
    auto& type = schema_.add(Kind::bytes);
    type.logical = Logical::decimal;
    type.precision = precision;
    type.scale = scale;
    return &type;
  }

  const avro::Type* fixed(int64_t size, Logical logical, const std::string& path) {
    auto& type = schema_.add(Kind::fixed);
    type.name = unique(path);
    type.size = size;
    type.logical = logical;
    return &type;
  }

  const avro::Type* timestamp(const arrow::TimestampType& type) {
    const bool local = type.timezone().empty();
    switch (type.unit()) {
      case arrow::TimeUnit::SECOND:
      case arrow::TimeUnit::MILLI:
        return plain(Kind::int64, local ? Logical::local_timestamp_millis : Logical::timestamp_millis);
      case arrow::TimeUnit::MICRO:
        return plain(Kind::int64, local ? Logical::local_timestamp_micros : Logical::timestamp_micros);
      case arrow::TimeUnit::NANO:
        break;
    }
    return plain(Kind::int64, local ? Logical::local_timestamp_nanos : Logical::timestamp_nanos);
  }

  Result<const avro::Type*> array(const arrow::Field& element, const std::string& path) {
    auto& type = schema_.add(Kind::array);
    type.element = TRY(nullable(element, path + "_element"));
    type.element_id = field_id(element);
    return &type;
  }

  // Keys that are no text: an array of records, as Iceberg writes such maps.
  Result<const avro::Type*> map_type(const arrow::MapType& map, const std::string& path) {
    const bool text = map.key_type()->id() == arrow::Type::STRING || map.key_type()->id() == arrow::Type::LARGE_STRING;
    if (text) {
      auto& type = schema_.add(Kind::map);
      type.element = TRY(nullable(*map.item_field(), path + "_value"));
      type.key_id = field_id(*map.key_field());
      type.element_id = field_id(*map.item_field());
      return &type;
    }
    auto& type = schema_.add(Kind::array);
    type.logical = Logical::map;
    type.element =
        TRY(record({map.key_field()->WithName("key")->WithNullable(false), map.item_field()->WithName("value")}, path));
    return &type;
  }

  Result<const avro::Type*> extension(const arrow::ExtensionType& type, const std::string& path) {
    if (type.extension_name() == "arrow.uuid") return fixed(16, Logical::uuid, path);
    return map(*type.storage_type(), path);
  }

  Result<const avro::Type*> map(const arrow::DataType& type, const std::string& path) {
    switch (type.id()) {
      case arrow::Type::NA:
        return plain(Kind::null);
      case arrow::Type::BOOL:
        return plain(Kind::boolean);
      case arrow::Type::INT8:
      case arrow::Type::INT16:
      case arrow::Type::INT32:
      case arrow::Type::UINT8:
      case arrow::Type::UINT16:
        return plain(Kind::int32);
      case arrow::Type::UINT32:
      case arrow::Type::INT64:
        return plain(Kind::int64);
      case arrow::Type::UINT64:
        return decimal(20, 0);
      case arrow::Type::HALF_FLOAT:
      case arrow::Type::FLOAT:
        return plain(Kind::float32);
      case arrow::Type::DOUBLE:
        return plain(Kind::float64);
      case arrow::Type::STRING:
      case arrow::Type::LARGE_STRING:
      case arrow::Type::STRING_VIEW:
        return plain(Kind::string);
      case arrow::Type::BINARY:
      case arrow::Type::LARGE_BINARY:
      case arrow::Type::BINARY_VIEW:
        return plain(Kind::bytes);
      case arrow::Type::FIXED_SIZE_BINARY:
        return fixed(static_cast<const arrow::FixedSizeBinaryType&>(type).byte_width(), Logical::none, path);
      case arrow::Type::DATE32:
      case arrow::Type::DATE64:
        return plain(Kind::int32, Logical::date);
      case arrow::Type::TIME32:
        return plain(Kind::int32, Logical::time_millis);
      case arrow::Type::TIME64:
        return plain(Kind::int64, Logical::time_micros);
      case arrow::Type::TIMESTAMP:
        return timestamp(static_cast<const arrow::TimestampType&>(type));
      default:
        return map_nested(type, path);
    }
  }

  Result<const avro::Type*> map_nested(const arrow::DataType& type, const std::string& path) {
    switch (type.id()) {
      case arrow::Type::DECIMAL32:
      case arrow::Type::DECIMAL64:
      case arrow::Type::DECIMAL128:
      case arrow::Type::DECIMAL256: {
        const auto& digits = static_cast<const arrow::DecimalType&>(type);
        if (digits.scale() >= 0) return decimal(digits.precision(), digits.scale());
        return user_error("Avro has no decimals with a negative scale; cast it to DECIMAL({},0)",
                          digits.precision() - digits.scale());
      }
      case arrow::Type::INTERVAL_MONTH_DAY_NANO:
        return fixed(12, Logical::duration, path);
      case arrow::Type::LIST:
      case arrow::Type::LARGE_LIST:
      case arrow::Type::LIST_VIEW:
      case arrow::Type::LARGE_LIST_VIEW:
      case arrow::Type::FIXED_SIZE_LIST:
        return array(*type.field(0), path);
      case arrow::Type::MAP:
        return map_type(static_cast<const arrow::MapType&>(type), path);
      case arrow::Type::STRUCT:
        return record(type.fields(), path);
      case arrow::Type::DICTIONARY:
        return map(*static_cast<const arrow::DictionaryType&>(type).value_type(), path);
      case arrow::Type::EXTENSION:
        return extension(static_cast<const arrow::ExtensionType&>(type), path);
      default:
        return user_error("Avro cannot hold {}; cast it to text or a number", type_name(type));
    }
  }

  Schema& schema_;
  std::set<std::string> names_;
};

}  // namespace

Result<SchemaRef> from_arrow(const arrow::Schema& schema, const std::string& name) {
  auto made = std::make_shared<Schema>();
  const auto* root = TRY(Builder(*made).record(schema.fields(), name));
  made->complete(*root);
  return SchemaRef(std::move(made));
}

}  // namespace sluice::avro
