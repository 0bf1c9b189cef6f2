#include <arrow/extension_type.h>
#include <arrow/type.h>

#include "batch/schema.h"

namespace sluice {
namespace {

std::string quote_if_needed(const std::string& name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  bool quoted = name.empty() || !plain(name[0]);
  std::string escaped;
  for (char c : name) {
    quoted = quoted || !(plain(c) || (c >= '0' && c <= '9'));
    escaped += c;
    if (c == '"') escaped += c;
  }
  return quoted ? '"' + escaped + '"' : name;
}

std::string timestamp_name(const arrow::TimestampType& type) {
  std::string name = "TIMESTAMP";
  switch (type.unit()) {
    case arrow::TimeUnit::SECOND:
      name += "_S";
      break;
    case arrow::TimeUnit::MILLI:
      name += "_MS";
      break;
    case arrow::TimeUnit::MICRO:
      break;
    case arrow::TimeUnit::NANO:
      name += "_NS";
      break;
  }
  if (!type.timezone().empty()) name += " WITH TIME ZONE";
  return name;
}

std::string struct_name(const arrow::DataType& type) {
  std::string name = "STRUCT(";
  for (int i = 0; i < type.num_fields(); ++i) {
    if (i > 0) name += ", ";
    name += quote_if_needed(type.field(i)->name()) + " " + type_name(*type.field(i)->type());
  }
  return name + ")";
}

std::string extension_name(const arrow::ExtensionType& type) {
  if (type.extension_name() == "arrow.json") return "JSON";
  if (type.extension_name() == "arrow.uuid") return "UUID";
  return type_name(*type.storage_type());
}

}  // namespace

std::string type_name(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::NA:
      return "\"NULL\"";
    case arrow::Type::BOOL:
      return "BOOLEAN";
    case arrow::Type::INT8:
      return "TINYINT";
    case arrow::Type::INT16:
      return "SMALLINT";
    case arrow::Type::INT32:
      return "INTEGER";
    case arrow::Type::INT64:
      return "BIGINT";
    case arrow::Type::UINT8:
      return "UTINYINT";
    case arrow::Type::UINT16:
      return "USMALLINT";
    case arrow::Type::UINT32:
      return "UINTEGER";
    case arrow::Type::UINT64:
      return "UBIGINT";
    case arrow::Type::FLOAT:
      return "FLOAT";
    case arrow::Type::DOUBLE:
      return "DOUBLE";
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(type);
      return fmt::format("DECIMAL({},{})", decimal.precision(), decimal.scale());
    }
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return "VARCHAR";
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
    case arrow::Type::FIXED_SIZE_BINARY:
      return "BLOB";
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
      return "DATE";
    case arrow::Type::TIME32:
      return "TIME";
    case arrow::Type::TIME64:
      return static_cast<const arrow::Time64Type&>(type).unit() == arrow::TimeUnit::NANO ? "TIME_NS" : "TIME";
    case arrow::Type::TIMESTAMP:
      return timestamp_name(static_cast<const arrow::TimestampType&>(type));
    case arrow::Type::INTERVAL_MONTHS:
    case arrow::Type::INTERVAL_DAY_TIME:
    case arrow::Type::INTERVAL_MONTH_DAY_NANO:
    case arrow::Type::DURATION:
      return "INTERVAL";
    case arrow::Type::STRUCT:
      return struct_name(type);
    case arrow::Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(type);
      return fmt::format("MAP({}, {})", type_name(*map.key_type()), type_name(*map.item_type()));
    }
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::LIST_VIEW:
    case arrow::Type::LARGE_LIST_VIEW:
      return type_name(*type.field(0)->type()) + "[]";
    case arrow::Type::FIXED_SIZE_LIST:
      return fmt::format("{}[{}]", type_name(*type.field(0)->type()),
                         static_cast<const arrow::FixedSizeListType&>(type).list_size());
    case arrow::Type::DICTIONARY:
      return type_name(*static_cast<const arrow::DictionaryType&>(type).value_type());
    case arrow::Type::EXTENSION:
      return extension_name(static_cast<const arrow::ExtensionType&>(type));
    default:
      return type.ToString();
  }
}

}  // namespace sluice
