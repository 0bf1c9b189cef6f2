#include "format/orc/types.h"

#include <arrow/extension_type.h>
#include <arrow/type.h>

#include "batch/plain.h"

namespace sluice::orc_format_detail {
namespace {

using arrow::Type;

constexpr int kDigitsMax = 38;

Error has_no_type(const std::string& column, const arrow::DataType& type, std::string_view advice) {
  return user_error("column '{}': ORC has no type for {}; {}", column, type_name(type), advice);
}

Result<TypePtr> stored_type(const std::string& column, const TypePtr& type);

Result<std::shared_ptr<arrow::Field>> stored_field(const std::string& column,
                                                   const std::shared_ptr<arrow::Field>& field) {
  // Everything in an ORC file can be NULL.
  return field->WithType(TRY(stored_type(column, field->type())))->WithNullable(true)->RemoveMetadata();
}

Result<TypePtr> stored_nested(const std::string& column, const TypePtr& type) {
  switch (type->id()) {
    case Type::STRUCT: {
      arrow::FieldVector fields;
      for (const auto& field : type->fields()) {
        fields.push_back(TRY(stored_field(column + "." + field->name(), field)));
      }
      return arrow::struct_(fields);
    }
    case Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(*type);
      auto key = TRY(stored_type(column + ".key", map.key_type()));
      return arrow::map(key, TRY(stored_type(column + ".value", map.item_type())));
    }
    default:
      return arrow::list(TRY(stored_field(column + "[]", type->field(0))));
  }
}

Result<TypePtr> stored_decimal(const std::string& column, const TypePtr& type) {
  const auto& decimal = static_cast<const arrow::DecimalType&>(*type);
  if (decimal.precision() > kDigitsMax) {
    return has_no_type(column, *type, "cast it to DECIMAL of at most 38 digits, or to VARCHAR");
  }
  if (decimal.scale() < 0) return has_no_type(column, *type, "cast it to a DECIMAL whose scale is not negative");
  return arrow::decimal128(decimal.precision(), decimal.scale());
}

Result<TypePtr> stored_type(const std::string& column, const TypePtr& given) {
  auto type = plain_type(given);
  switch (type->id()) {
    case Type::NA:
    case Type::UINT16:
      return arrow::int32();
    case Type::UINT8:
      return arrow::int16();
    case Type::UINT32:
      return arrow::int64();
    case Type::UINT64:
      return arrow::decimal128(20, 0);
    case Type::FIXED_SIZE_BINARY:
      return arrow::binary();
    case Type::DECIMAL128:
    case Type::DECIMAL256:
      return stored_decimal(column, type);
    case Type::TIME32:
    case Type::TIME64:
      return has_no_type(column, *type, "cast it to VARCHAR");
    case Type::DURATION:
    case Type::INTERVAL_MONTHS:
    case Type::INTERVAL_DAY_TIME:
    case Type::INTERVAL_MONTH_DAY_NANO:
      return has_no_type(column, *type, "cast it to VARCHAR, or to a number of microseconds");
    case Type::STRUCT:
    case Type::MAP:
    case Type::LIST:
    case Type::FIXED_SIZE_LIST:
      return stored_nested(column, type);
    case Type::SPARSE_UNION:
    case Type::DENSE_UNION:
    case Type::RUN_END_ENCODED:
      return has_no_type(column, *type, "cast it");
    default:
      return type;
  }
}

// ORC has no binary of a fixed size: what Arrow shows as one is CHAR(n).
Result<TypePtr> readable_type(std::string_view file, const std::string& column, const TypePtr& type) {
  switch (type->id()) {
    case Type::FIXED_SIZE_BINARY:
      return user_error("{}: column '{}' is a CHAR({}), which Sluice does not read; write it as VARCHAR or STRING",
                        file, column, static_cast<const arrow::FixedSizeBinaryType&>(*type).byte_width());
    case Type::SPARSE_UNION:
    case Type::DENSE_UNION:
      return user_error("{}: column '{}' is a union, which Sluice does not read", file, column);
    case Type::STRUCT: {
      arrow::FieldVector fields;
      for (const auto& field : type->fields()) {
        auto inner = TRY(readable_type(file, column + "." + field->name(), field->type()));
        fields.push_back(arrow::field(field->name(), std::move(inner)));
      }
      return arrow::struct_(fields);
    }
    case Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(*type);
      auto key = TRY(readable_type(file, column + ".key", map.key_type()));
      return arrow::map(key, TRY(readable_type(file, column + ".value", map.item_type())));
    }
    case Type::LIST:
      return arrow::list(TRY(readable_type(file, column + "[]", type->field(0)->type())));
    default:
      return plain_type(type);
  }
}

}  // namespace

Result<SchemaPtr> stored_schema(const arrow::Schema& schema) {
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) fields.push_back(TRY(stored_field(field->name(), field)));
  return arrow::schema(std::move(fields));
}

Result<SchemaPtr> readable_schema(std::string_view file, const arrow::Schema& schema) {
  TRY(refuse_double_names(file, schema));
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) {
    fields.push_back(arrow::field(field->name(), TRY(readable_type(file, field->name(), field->type()))));
  }
  return arrow::schema(std::move(fields));
}

}  // namespace sluice::orc_format_detail
