#include "postgres/type.h"

#include <algorithm>

#include <arrow/type.h>

namespace sluice::postgres {
namespace {

constexpr int kDecimalDigitsMax = 38;

// Oids of pg_type.dat never change.
Kind kind_of(uint32_t oid) {
  switch (oid) {
    case 16:
      return Kind::boolean;
    case 21:
      return Kind::int2;
    case 23:
      return Kind::int4;
    case 20:
      return Kind::int8;
    case 700:
      return Kind::float4;
    case 701:
      return Kind::float8;
    case 26:
      return Kind::oid;
    case 1700:
      return Kind::numeric;
    case 1082:
      return Kind::date;
    case 1083:
      return Kind::time;
    case 1114:
      return Kind::timestamp;
    case 1184:
      return Kind::timestamptz;
    case 1186:
      return Kind::interval;
    case 17:
      return Kind::bytea;
    case 25:    // text
    case 1043:  // varchar
    case 1042:  // char(n)
    case 19:    // name
    case 114:   // json
    case 705:   // unknown: a literal without a type
      return Kind::text;
    case 3802:
      return Kind::jsonb;
    case 2950:
      return Kind::uuid;
    default:
      return Kind::other;
  }
}

struct DecimalShape {
  int precision = 0;  // 0: does not fit
  int scale = 0;
};

DecimalShape decimal_shape(const Type& type) {
  int precision = type.precision();
  int scale = type.scale();
  if (precision == 0) return {};
  if (scale < 0) {
    precision -= scale;
    scale = 0;
  }
  precision = std::max(precision, scale);
  if (precision > kDecimalDigitsMax) return {};
  return {precision, scale};
}

}  // namespace

TypePtr arrow_type(const Type& type, const TypePolicy& policy) {
  switch (type.kind) {
    case Kind::boolean:
      return arrow::boolean();
    case Kind::int2:
      return arrow::int16();
    case Kind::int4:
      return arrow::int32();
    case Kind::int8:
      return arrow::int64();
    case Kind::float4:
      return arrow::float32();
    case Kind::float8:
      return arrow::float64();
    case Kind::oid:
      return arrow::uint32();
    case Kind::numeric: {
      const auto shape = decimal_shape(type);
      if (policy.numeric_as_text || shape.precision == 0) return arrow::utf8();
      return arrow::decimal128(shape.precision, shape.scale);
    }
    case Kind::date:
      return arrow::date32();
    case Kind::time:
      return arrow::time64(arrow::TimeUnit::MICRO);
    case Kind::timestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO);
    case Kind::timestamptz:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case Kind::interval:
      return arrow::month_day_nano_interval();
    case Kind::bytea:
      return arrow::binary();
    case Kind::array:
      if (policy.arrays_as_text) return arrow::utf8();
      return arrow::list(arrow_type(*type.element, policy));
    case Kind::text:
    case Kind::jsonb:
    case Kind::uuid:
    case Kind::other:
      return arrow::utf8();
  }
  return arrow::utf8();
}

bool has_binary_form(const Type& type, const TypePolicy& policy) {
  if (type.kind == Kind::array) return !policy.arrays_as_text && has_binary_form(*type.element, policy);
  return type.kind != Kind::other;
}

Result<TypeCatalog::Entry> TypeCatalog::entry(Connection& connection, uint32_t oid) {
  if (auto found = entries_.find(oid); found != entries_.end()) return found->second;
  // An array type is one that its element names as its array: int2vector has an element, too, and another text form. So
  // has an array of boxes.
  auto rows = TRY(connection.query(
      fmt::format("SELECT format_type(t.oid, NULL), t.typtype, t.typcategory, t.typelem, t.typbasetype, t.typtypmod, "
                  "coalesce(e.typdelim = ',', false), format_type(t.oid, -1) FROM pg_catalog.pg_type t LEFT JOIN "
                  "pg_catalog.pg_type e "
                  "ON e.typarray = t.oid "
                  "WHERE t.oid = {}",
                  oid)));
  if (rows.rows() != 1) return refused("{}: type {} is not in pg_type", connection.where(), oid);
  Entry entry;
  entry.name = rows.text(0, 0);
  entry.type = rows.text(0, 1)[0];
  entry.category = rows.text(0, 2)[0];
  entry.element = static_cast<uint32_t>(rows.integer(0, 3));
  entry.base = static_cast<uint32_t>(rows.integer(0, 4));
  entry.base_typmod = static_cast<int32_t>(rows.integer(0, 5));
  entry.is_array = rows.text(0, 6) == "t";
  entry.unlimited = rows.text(0, 7);
  entries_.emplace(oid, entry);
  return entry;
}

Result<Type> TypeCatalog::find(Connection& connection, uint32_t oid, int32_t typmod) {
  Type type;
  type.oid = oid;
  type.typmod = typmod;
  type.kind = kind_of(oid);
  const Entry known = TRY(entry(connection, oid));
  type.name = known.name;
  type.unlimited = known.unlimited;
  if (type.kind == Kind::numeric && type.precision() > 0) {
    type.name = fmt::format("numeric({},{})", type.precision(), type.scale());
  }
  constexpr uint32_t kVarchar = 1043;
  const bool has_length = type.kind == Kind::other || oid == kVarchar;
  if (has_length && typmod >= 0 && !known.is_array && known.type == 'b') {
    // For errors: bit alone would be bit(1).
    auto named = TRY(connection.query(fmt::format("SELECT pg_catalog.format_type({}, {})", oid, typmod)));
    type.name = named.text(0, 0);
  }
  if (known.type == 'd') {
    Type base = TRY(find(connection, known.base, known.base_typmod));
    base.oid = oid;
    base.name = known.name;
    return base;
  }
  if (known.type == 'e') {
    type.kind = Kind::text;
  } else if (known.is_array) {
    type.kind = Kind::array;
    type.element = std::make_shared<Type>(TRY(find(connection, known.element, typmod)));
    type.name = type.element->name + "[]";
    type.unlimited = type.element->unlimited + "[]";
  }
  return type;
}

}  // namespace sluice::postgres
