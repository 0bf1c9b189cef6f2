// Which Arrow types go into which of PostgreSQL's, and what a new column is declared as.
#include <algorithm>

#include <arrow/type.h>
#include <arrow/type_traits.h>

#include "postgres/encode.h"

namespace sluice::postgres {
namespace {

using Id = arrow::Type;

bool is_object(const arrow::DataType& type) { return type.id() == Id::STRUCT || type.id() == Id::MAP || is_list(type); }
bool is_scalar_with_text(const arrow::DataType& type) {
  return arrow::is_integer(type.id()) || arrow::is_floating(type.id()) || arrow::is_decimal(type.id()) ||
         type.id() == Id::BOOL || arrow::is_date(type.id()) || arrow::is_time(type.id()) || type.id() == Id::TIMESTAMP;
}

// Signed bits that hold every value.
int bits_of(const arrow::DataType& type) { return type.bit_width() + (arrow::is_unsigned_integer(type.id()) ? 1 : 0); }
int digits_of(const arrow::DataType& type) {
  switch (type.bit_width()) {
    case 8:
      return 3;
    case 16:
      return 5;
    case 32:
      return 10;
    default:
      return arrow::is_unsigned_integer(type.id()) ? 20 : 19;
  }
}

Fit into_integer(const arrow::DataType& from, int bits) {
  if (!arrow::is_integer(from.id())) return Fit::none;
  return bits_of(from) <= bits ? Fit::exact : Fit::checked;
}

Fit into_real(const arrow::DataType& from, int digits, bool wide) {
  if (from.id() == Id::FLOAT) return Fit::exact;
  if (from.id() == Id::DOUBLE) return wide ? Fit::exact : Fit::lossy;
  if (!arrow::is_integer(from.id())) return Fit::none;
  return bits_of(from) - 1 <= digits ? Fit::exact : Fit::lossy;
}

Fit into_numeric(const arrow::DataType& from, const Type& to) {
  if (is_text(from)) return Fit::checked;
  if (arrow::is_floating(from.id())) return Fit::lossy;
  int digits = 0;
  int scale = 0;
  if (arrow::is_integer(from.id())) {
    digits = digits_of(from);
  } else if (from.id() == Id::DECIMAL128 || from.id() == Id::DECIMAL256) {
    const auto& decimal = static_cast<const arrow::DecimalType&>(from);
    scale = decimal.scale();
    digits = decimal.precision() - scale;
  } else {
    return Fit::none;
  }
  if (to.precision() == 0) return Fit::exact;
  if (scale > to.scale()) return Fit::lossy;
  return digits <= to.precision() - to.scale() ? Fit::exact : Fit::checked;
}

Fit into_timestamp(const arrow::DataType& from, bool with_zone) {
  if (from.id() == Id::DATE32) return Fit::exact;
  if (from.id() != Id::TIMESTAMP) return Fit::none;
  const auto& type = static_cast<const arrow::TimestampType&>(from);
  // Without a zone it is UTC, as everywhere here; the other way the zone would be gone.
  if (!with_zone && !type.timezone().empty()) return Fit::lossy;
  return type.unit() == arrow::TimeUnit::NANO ? Fit::checked : Fit::exact;
}

Fit into_interval(const arrow::DataType& from) {
  return from.id() == Id::INTERVAL_MONTH_DAY_NANO || from.id() == Id::DURATION ? Fit::checked : Fit::none;
}

Fit into_time(const arrow::DataType& from) {
  if (from.id() == Id::TIME32) return Fit::exact;
  if (from.id() != Id::TIME64) return Fit::none;
  return static_cast<const arrow::Time64Type&>(from).unit() == arrow::TimeUnit::NANO ? Fit::checked : Fit::exact;
}

Fit into_text(const arrow::DataType& from, const Type& to) {
  constexpr uint32_t kJson = 114;
  constexpr uint32_t kText = 25;
  const Fit plain = to.oid == kText ? Fit::exact : Fit::checked;  // else a length, an enum's labels, a domain's CHECK
  if (is_text(from)) return plain;
  if (is_object(from)) return to.oid == kJson || to.oid == kText ? Fit::exact : Fit::none;
  if (to.oid == kJson) return Fit::none;
  return is_scalar_with_text(from) ? plain : Fit::none;
}

const arrow::DataType& element_of(const arrow::DataType& list) {
  return *static_cast<const arrow::BaseListType&>(list).value_type();
}

Fit into_array(const arrow::DataType& from, const Type& to) {
  if (is_text(from)) return Fit::checked;
  if (!is_list(from)) return Fit::none;
  const auto& element = element_of(from);
  // An element cannot be cast on its own.
  if (cast_by_server(element, *to.element)) return is_text(element) ? Fit::checked : Fit::none;
  return fit_of(element, *to.element);
}

}  // namespace

bool cast_by_server(const arrow::DataType& from, const Type& to) {
  if (from.id() == Id::NA) return false;
  if (to.kind != Kind::array) return to.kind == Kind::other;
  return is_text(from) || (is_list(from) && is_text(element_of(from)) && to.element->kind == Kind::other);
}

bool is_list(const arrow::DataType& type) {
  return type.id() == Id::LIST || type.id() == Id::LARGE_LIST || type.id() == Id::FIXED_SIZE_LIST;
}

bool is_text(const arrow::DataType& type) { return type.id() == Id::STRING || type.id() == Id::LARGE_STRING; }
bool is_bytes(const arrow::DataType& type) {
  return type.id() == Id::BINARY || type.id() == Id::LARGE_BINARY || type.id() == Id::FIXED_SIZE_BINARY;
}

Fit fit_of(const arrow::DataType& from, const Type& to) {
  if (from.id() == Id::NA) return Fit::exact;
  switch (to.kind) {
    case Kind::boolean:
      return from.id() == Id::BOOL ? Fit::exact : Fit::none;
    case Kind::int2:
      return into_integer(from, 16);
    case Kind::int4:
      return into_integer(from, 32);
    case Kind::int8:
      return into_integer(from, 64);
    case Kind::oid:
      if (!arrow::is_integer(from.id())) return Fit::none;
      return arrow::is_unsigned_integer(from.id()) && from.bit_width() <= 32 ? Fit::exact : Fit::checked;
    case Kind::float4:
      return into_real(from, 24, false);
    case Kind::float8:
      return into_real(from, 53, true);
    case Kind::numeric:
      return into_numeric(from, to);
    case Kind::date:
      return from.id() == Id::DATE32 ? Fit::exact : Fit::none;
    case Kind::time:
      return into_time(from);
    case Kind::timestamp:
      return into_timestamp(from, false);
    case Kind::timestamptz:
      return into_timestamp(from, true);
    case Kind::interval:
      return into_interval(from);
    case Kind::bytea:
      return is_bytes(from) ? Fit::exact : Fit::none;
    case Kind::text:
      return into_text(from, to);
    case Kind::jsonb:
      return is_text(from) ? Fit::checked : is_object(from) ? Fit::exact : Fit::none;
    case Kind::uuid:
      return is_text(from) ? Fit::checked : Fit::none;
    case Kind::array:
      return into_array(from, to);
    case Kind::other:
      return is_text(from) || is_scalar_with_text(from) ? Fit::checked : Fit::none;
  }
  return Fit::none;
}

std::string type_for(const arrow::DataType& from) {
  switch (from.id()) {
    case Id::BOOL:
      return "boolean";
    case Id::INT8:
    case Id::INT16:
    case Id::UINT8:
      return "smallint";
    case Id::INT32:
    case Id::UINT16:
      return "integer";
    case Id::INT64:
    case Id::UINT32:
      return "bigint";
    case Id::UINT64:
      return "numeric(20,0)";
    case Id::FLOAT:
      return "real";
    case Id::DOUBLE:
      return "double precision";
    case Id::DECIMAL128:
    case Id::DECIMAL256: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(from);
      return decimal.scale() < 0 ? "numeric" : fmt::format("numeric({},{})", decimal.precision(), decimal.scale());
    }
    case Id::DATE32:
      return "date";
    case Id::TIME32:
    case Id::TIME64:
      return "time";
    case Id::TIMESTAMP:
      return static_cast<const arrow::TimestampType&>(from).timezone().empty() ? "timestamp" : "timestamptz";
    case Id::INTERVAL_MONTH_DAY_NANO:
    case Id::DURATION:
      return "interval";
    case Id::BINARY:
    case Id::LARGE_BINARY:
    case Id::FIXED_SIZE_BINARY:
      return "bytea";
    case Id::STRING:
    case Id::LARGE_STRING:
    case Id::NA:
      return "text";
    case Id::STRUCT:
    case Id::MAP:
      return "jsonb";
    case Id::LIST:
    case Id::LARGE_LIST:
    case Id::FIXED_SIZE_LIST: {
      const auto& element = *static_cast<const arrow::BaseListType&>(from).value_type();
      if (is_object(element)) return "jsonb";
      const std::string name = type_for(element);
      return name.empty() ? name : name + "[]";
    }
    default:
      return {};
  }
}

}  // namespace sluice::postgres
