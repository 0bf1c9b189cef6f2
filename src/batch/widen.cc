// The narrowest common type. Every rule keeps every value exactly; what cannot be kept is refused, never rounded.
#include <algorithm>
#include <optional>

#include <arrow/extension_type.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include "batch/schema.h"

namespace sluice {
namespace {

using arrow::Type;

int bits_of(const arrow::DataType& type) { return static_cast<const arrow::FixedWidthType&>(type).bit_width(); }
bool is_text(Type::type id) { return id == Type::STRING || id == Type::LARGE_STRING || id == Type::STRING_VIEW; }
bool is_blob(Type::type id) {
  return id == Type::BINARY || id == Type::LARGE_BINARY || id == Type::BINARY_VIEW || id == Type::FIXED_SIZE_BINARY;
}
bool has_elements(Type::type id) {
  return id == Type::LIST || id == Type::LARGE_LIST || id == Type::FIXED_SIZE_LIST || id == Type::LIST_VIEW ||
         id == Type::LARGE_LIST_VIEW;
}

Error no_common_type(const arrow::DataType& a, const arrow::DataType& b) {
  const bool same_name = type_name(a) == type_name(b);  // INTERVAL is the name of several: then Arrow's own names
  return user_error("{} and {} have no common type that keeps every value", same_name ? a.ToString() : type_name(a),
                    same_name ? b.ToString() : type_name(b));
}

TypePtr signed_integer(int bits) {
  return bits <= 8 ? arrow::int8() : bits <= 16 ? arrow::int16() : bits <= 32 ? arrow::int32() : arrow::int64();
}

// Decimal digits that every value of an integer type fits into.
int digits_of(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::INT8:
    case Type::UINT8:
      return 3;
    case Type::INT16:
    case Type::UINT16:
      return 5;
    case Type::INT32:
    case Type::UINT32:
      return 10;
    case Type::INT64:
      return 19;
    default:
      return 20;
  }
}

TypePtr widen_integers(const TypePtr& a, const TypePtr& b) {
  const bool same_sign = arrow::is_signed_integer(a->id()) == arrow::is_signed_integer(b->id());
  if (same_sign) return bits_of(*a) >= bits_of(*b) ? a : b;
  const auto& with_sign = arrow::is_signed_integer(a->id()) ? a : b;
  const auto& without = arrow::is_signed_integer(a->id()) ? b : a;
  if (bits_of(*without) == 64) return arrow::decimal128(20, 0);
  return signed_integer(std::max(bits_of(*with_sign), bits_of(*without) * 2));
}

// A float holds integers of 24 bits exactly, a double of 53, a half of 11 (IEEE 754 significands).
Result<TypePtr> widen_integer_and_float(const TypePtr& integer, const TypePtr& floating) {
  const int significand = floating->id() == Type::DOUBLE ? 53 : floating->id() == Type::FLOAT ? 24 : 11;
  if (bits_of(*integer) <= significand) return floating;
  if (bits_of(*integer) <= 24) return arrow::float32();
  if (bits_of(*integer) <= 53) return arrow::float64();
  return no_common_type(*integer, *floating);
}

Result<TypePtr> widen_decimals(const TypePtr& a, const TypePtr& b) {
  struct Shape {
    int whole;
    int scale;
    bool huge;
  };
  const auto shape = [](const arrow::DataType& type) -> Shape {
    if (arrow::is_integer(type.id())) return {digits_of(type), 0, false};
    const auto& decimal = static_cast<const arrow::DecimalType&>(type);
    return {decimal.precision() - decimal.scale(), decimal.scale(), type.id() == Type::DECIMAL256};
  };
  const Shape x = shape(*a);
  const Shape y = shape(*b);
  const int scale = std::max(x.scale, y.scale);
  const int precision = std::max(x.whole, y.whole) + scale;
  if (precision <= 38) return arrow::decimal128(precision, scale);
  if ((x.huge || y.huge) && precision <= 76) return arrow::decimal256(precision, scale);
  return no_common_type(*a, *b);
}

Result<TypePtr> widen_timestamps(const TypePtr& a, const TypePtr& b) {
  const auto& x = static_cast<const arrow::TimestampType&>(*a);
  const auto& y = static_cast<const arrow::TimestampType&>(*b);
  // A time without a zone is not an instant: which zone would it be?
  if (x.timezone().empty() != y.timezone().empty()) return no_common_type(*a, *b);
  const std::string zone = x.timezone() == y.timezone() ? x.timezone() : "UTC";
  return arrow::timestamp(std::max(x.unit(), y.unit()), zone);
}

Result<TypePtr> widen_date_and_timestamp(const TypePtr& date, const TypePtr& timestamp) {
  if (!static_cast<const arrow::TimestampType&>(*timestamp).timezone().empty())
    return no_common_type(*date, *timestamp);
  return timestamp;
}

arrow::TimeUnit::type time_unit(const arrow::DataType& type) {
  return static_cast<const arrow::TimeType&>(type).unit();
}

TypePtr time_of(arrow::TimeUnit::type unit) {
  const bool in_32_bits = unit == arrow::TimeUnit::SECOND || unit == arrow::TimeUnit::MILLI;
  return in_32_bits ? arrow::time32(unit) : arrow::time64(unit);
}

Result<TypePtr> widen_child(const TypePtr& a, const TypePtr& b, std::string_view place) {
  auto widened = widen(a, b);
  if (widened.ok()) return widened;
  // "field 'user': field 'age': …": from the outside in.
  return user_error("{}: {}", place, widened.error().what);
}

Result<TypePtr> widen_lists(const TypePtr& a, const TypePtr& b) {
  const auto& x = *a->field(0);
  const auto& y = *b->field(0);
  auto element = arrow::field(x.name(), TRY(widen_child(x.type(), y.type(), "element")), x.nullable() || y.nullable());
  const bool fixed = a->id() == Type::FIXED_SIZE_LIST && b->id() == Type::FIXED_SIZE_LIST;
  if (fixed) {
    const int32_t size = static_cast<const arrow::FixedSizeListType&>(*a).list_size();
    if (size == static_cast<const arrow::FixedSizeListType&>(*b).list_size()) {
      return arrow::fixed_size_list(std::move(element), size);
    }
  }
  const auto large = [](Type::type id) { return id == Type::LARGE_LIST || id == Type::LARGE_LIST_VIEW; };
  if (large(a->id()) || large(b->id())) return arrow::large_list(std::move(element));
  return arrow::list(std::move(element));
}

Result<TypePtr> widen_maps(const TypePtr& a, const TypePtr& b) {
  const auto& x = static_cast<const arrow::MapType&>(*a);
  const auto& y = static_cast<const arrow::MapType&>(*b);
  auto key = TRY(widen_child(x.key_type(), y.key_type(), "map key"));
  auto item = TRY(widen_child(x.item_type(), y.item_type(), "map value"));
  const bool nullable = x.item_field()->nullable() || y.item_field()->nullable();
  return std::make_shared<arrow::MapType>(x.key_field()->WithType(key),
                                          x.item_field()->WithType(item)->WithNullable(nullable));
}

Result<TypePtr> widen_structs(const TypePtr& a, const TypePtr& b) {
  const auto& x = static_cast<const arrow::StructType&>(*a);
  const auto& y = static_cast<const arrow::StructType&>(*b);
  arrow::FieldVector fields;
  for (const auto& field : x.fields()) {
    const auto other = y.GetFieldByName(field->name());
    if (other == nullptr) {
      fields.push_back(field->WithNullable(true));
      continue;
    }
    auto type = TRY(widen_child(field->type(), other->type(), fmt::format("field '{}'", field->name())));
    fields.push_back(field->WithType(type)->WithNullable(field->nullable() || other->nullable()));
  }
  for (const auto& field : y.fields()) {
    if (x.GetFieldByName(field->name()) == nullptr) fields.push_back(field->WithNullable(true));
  }
  return arrow::struct_(fields);
}

// Dictionaries and extension types are how a value is stored; what it is lies underneath.
TypePtr underneath(const TypePtr& type) {
  if (type->id() == Type::DICTIONARY) return static_cast<const arrow::DictionaryType&>(*type).value_type();
  if (type->id() == Type::EXTENSION) return static_cast<const arrow::ExtensionType&>(*type).storage_type();
  return type;
}

Result<TypePtr> widen_numbers(const TypePtr& a, const TypePtr& b) {
  const Type::type x = a->id();
  const Type::type y = b->id();
  if (arrow::is_integer(x) && arrow::is_integer(y)) return widen_integers(a, b);
  if (arrow::is_floating(x) && arrow::is_floating(y)) return bits_of(*a) >= bits_of(*b) ? a : b;
  if (arrow::is_integer(x) && arrow::is_floating(y)) return widen_integer_and_float(a, b);
  if (arrow::is_floating(x) && arrow::is_integer(y)) return widen_integer_and_float(b, a);
  if (arrow::is_floating(x) || arrow::is_floating(y)) return no_common_type(*a, *b);  // 0.1 is no binary fraction
  return widen_decimals(a, b);
}

bool is_number(Type::type id) { return arrow::is_integer(id) || arrow::is_floating(id) || arrow::is_decimal(id); }

}  // namespace

Result<TypePtr> widen(const TypePtr& a, const TypePtr& b) {
  if (a->Equals(*b)) return a;
  const Type::type x = a->id();
  const Type::type y = b->id();
  if (x == Type::NA) return b;
  if (y == Type::NA) return a;
  if (x == Type::DICTIONARY || x == Type::EXTENSION || y == Type::DICTIONARY || y == Type::EXTENSION) {
    auto widened = widen(underneath(a), underneath(b));
    if (!widened.ok()) return no_common_type(*a, *b);
    return widened;
  }
  if (is_number(x) && is_number(y)) return widen_numbers(a, b);
  if (is_text(x) && is_text(y)) {
    return x == Type::LARGE_STRING || y == Type::LARGE_STRING ? arrow::large_utf8() : arrow::utf8();
  }
  if (is_blob(x) && is_blob(y)) {
    return x == Type::LARGE_BINARY || y == Type::LARGE_BINARY ? arrow::large_binary() : arrow::binary();
  }
  if (arrow::is_date(x) && arrow::is_date(y)) return arrow::date32();
  if (arrow::is_date(x) && y == Type::TIMESTAMP) return widen_date_and_timestamp(a, b);
  if (x == Type::TIMESTAMP && arrow::is_date(y)) return widen_date_and_timestamp(b, a);
  if (x == Type::TIMESTAMP && y == Type::TIMESTAMP) return widen_timestamps(a, b);
  if (arrow::is_time(x) && arrow::is_time(y)) return time_of(std::max(time_unit(*a), time_unit(*b)));
  if (x == Type::DURATION && y == Type::DURATION) {
    return arrow::duration(std::max(static_cast<const arrow::DurationType&>(*a).unit(),
                                    static_cast<const arrow::DurationType&>(*b).unit()));
  }
  if (x == Type::STRUCT && y == Type::STRUCT) return widen_structs(a, b);
  if (x == Type::MAP && y == Type::MAP) return widen_maps(a, b);
  if (has_elements(x) && has_elements(y)) return widen_lists(a, b);
  return no_common_type(*a, *b);
}

}  // namespace sluice
