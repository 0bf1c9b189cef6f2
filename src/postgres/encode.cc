#include "postgres/encode.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include <arrow/array.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include "batch/json_text.h"
#include "postgres/encoders.h"
#include "postgres/moment.h"
#include "postgres/numeric_wire.h"

namespace sluice::postgres {
namespace {

class NullEncoder final : public ColumnEncoder {
 public:
  bool append(int64_t, WireBuffer& out) override {
    out.put<int32_t>(-1);
    return true;
  }
};

// --- integers, floats ---

// Calls `make` with a typed pointer's array class for each integer type.
template <typename Make>
std::unique_ptr<ColumnEncoder> by_integer(const arrow::DataType& type, Make make) {
  switch (type.id()) {
    case arrow::Type::INT8:
      return make(static_cast<arrow::Int8Array*>(nullptr));
    case arrow::Type::INT16:
      return make(static_cast<arrow::Int16Array*>(nullptr));
    case arrow::Type::INT32:
      return make(static_cast<arrow::Int32Array*>(nullptr));
    case arrow::Type::INT64:
      return make(static_cast<arrow::Int64Array*>(nullptr));
    case arrow::Type::UINT8:
      return make(static_cast<arrow::UInt8Array*>(nullptr));
    case arrow::Type::UINT16:
      return make(static_cast<arrow::UInt16Array*>(nullptr));
    case arrow::Type::UINT32:
      return make(static_cast<arrow::UInt32Array*>(nullptr));
    case arrow::Type::UINT64:
      return make(static_cast<arrow::UInt64Array*>(nullptr));
    default:
      CHECK(false);
      return nullptr;
  }
}

template <typename Wire>
std::unique_ptr<ColumnEncoder> integer(const std::shared_ptr<arrow::Array>& array) {
  return by_integer(*array->type(), [&]<typename Array>(Array*) {
    return fixed<Array>(array, [](auto value) {
      return std::in_range<Wire>(value) ? std::optional<Wire>(static_cast<Wire>(value)) : std::nullopt;
    });
  });
}

// An integer or float as a float, where it is the same number.
template <typename Real, typename Bits>
std::unique_ptr<ColumnEncoder> real(const std::shared_ptr<arrow::Array>& array) {
  const auto of_real = [](auto value) {
    const Real narrowed = static_cast<Real>(value);
    const bool same = std::isnan(value) || static_cast<decltype(value)>(narrowed) == value;
    return same ? std::optional<Bits>(std::bit_cast<Bits>(narrowed)) : std::nullopt;
  };
  if (array->type_id() == arrow::Type::FLOAT) return fixed<arrow::FloatArray>(array, of_real);
  if (array->type_id() == arrow::Type::DOUBLE) return fixed<arrow::DoubleArray>(array, of_real);
  return by_integer(*array->type(), [&]<typename Array>(Array*) {
    return fixed<Array>(array, [](auto value) {
      // Every integer of so many bits is a different float.
      constexpr int64_t kLimit = int64_t{1} << std::numeric_limits<Real>::digits;
      const bool same = std::cmp_less_equal(value, kLimit) && std::cmp_greater_equal(value, -kLimit);
      return same ? std::optional<Bits>(std::bit_cast<Bits>(static_cast<Real>(value))) : std::nullopt;
    });
  });
}

// --- numeric ---

// How many digits behind the point a numeric(p,s) takes; -1: any.
int scale_max_of(const Type& to) { return to.precision() == 0 ? -1 : std::max(0, to.scale()); }

std::unique_ptr<ColumnEncoder> numeric(const std::shared_ptr<arrow::Array>& array, const Type& to) {
  const int scale_max = scale_max_of(to);
  const auto& type = *array->type();
  if (type.id() == arrow::Type::DECIMAL128) {
    const int scale = static_cast<const arrow::Decimal128Type&>(type).scale();
    return sized(array, [scale, scale_max](const arrow::Array& from, int64_t row, WireBuffer& out) {
      return append_decimal(arrow::Decimal128(static_cast<const arrow::Decimal128Array&>(from).GetValue(row)), scale,
                            scale_max, out);
    });
  }
  if (type.id() == arrow::Type::DECIMAL256) {
    return sized(array, [scale_max](const arrow::Array& from, int64_t row, WireBuffer& out) {
      return append_numeric(static_cast<const arrow::Decimal256Array&>(from).FormatValue(row), scale_max, out);
    });
  }
  if (is_text(type)) {
    return sized(array, [scale_max](const arrow::Array& from, int64_t row, WireBuffer& out) {
      return append_numeric(bytes_of(from, row), scale_max, out);
    });
  }
  if (arrow::is_floating(type.id())) {
    const bool wide = type.id() == arrow::Type::DOUBLE;
    return sized(array, [scale_max, wide](const arrow::Array& from, int64_t row, WireBuffer& out) {
      std::array<char, 32> text{};  // the shortest that reads back as the same number
      const auto end = wide ? std::to_chars(text.data(), text.data() + text.size(),
                                            static_cast<const arrow::DoubleArray&>(from).Value(row))
                            : std::to_chars(text.data(), text.data() + text.size(),
                                            static_cast<const arrow::FloatArray&>(from).Value(row));
      return append_numeric({text.data(), static_cast<size_t>(end.ptr - text.data())}, scale_max, out);
    });
  }
  return by_integer(type, [&]<typename Array>(Array*) {
    return sized(array, [](const arrow::Array& from, int64_t row, WireBuffer& out) {
      const auto value = static_cast<const Array&>(from).Value(row);
      const bool negative = std::cmp_less(value, 0);
      const auto magnitude = static_cast<uint64_t>(value);
      append_small_numeric(negative ? uint64_t{0} - magnitude : magnitude, negative, 0, out);
      return true;
    });
  });
}

// --- dates and times ---

std::optional<int64_t> micros_of(int64_t value, arrow::TimeUnit::type unit) {
  int64_t micros = 0;
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return __builtin_mul_overflow(value, int64_t{1'000'000}, &micros) ? std::nullopt : std::optional(micros);
    case arrow::TimeUnit::MILLI:
      return __builtin_mul_overflow(value, int64_t{1000}, &micros) ? std::nullopt : std::optional(micros);
    case arrow::TimeUnit::MICRO:
      return value;
    case arrow::TimeUnit::NANO:
      return value % kNanosPerMicro == 0 ? std::optional(value / kNanosPerMicro) : std::nullopt;
  }
  return std::nullopt;
}

// timestamp(3) holds milliseconds: the server would round the rest. -1: everything.
int64_t granule_of(int precision) {
  constexpr int kMicroDigits = 6;
  if (precision < 0 || precision >= kMicroDigits) return 1;
  int64_t granule = 1;
  for (int digit = precision; digit < kMicroDigits; ++digit) granule *= 10;
  return granule;
}
std::optional<int64_t> whole(std::optional<int64_t> micros, int64_t granule) {
  return micros && *micros % granule != 0 ? std::nullopt : micros;
}

template <typename T>
std::optional<T> or_nothing(Result<T> result) {
  return result.ok() ? std::optional<T>(std::move(result).value()) : std::nullopt;
}

std::unique_ptr<ColumnEncoder> timestamp(const std::shared_ptr<arrow::Array>& array, const Type& to) {
  if (array->type_id() == arrow::Type::DATE32) {
    return fixed<arrow::Date32Array>(array, [](int32_t days) -> std::optional<int64_t> {
      if (days == kDateInfinity) return INT64_MAX;
      if (days == -kDateInfinity) return INT64_MIN;
      int64_t micros = 0;
      if (__builtin_mul_overflow(int64_t{days}, kMicrosPerDay, &micros)) return std::nullopt;
      return or_nothing(wire_of_timestamp(micros));
    });
  }
  const auto unit = static_cast<const arrow::TimestampType&>(*array->type()).unit();
  const int64_t granule = granule_of(to.typmod);
  return fixed<arrow::TimestampArray>(array, [unit, granule](int64_t value) -> std::optional<int64_t> {
    // DuckDB's infinities are the same numbers in every unit.
    const bool infinite = value == kTimestampInfinity || value == -kTimestampInfinity;
    const auto micros = infinite ? std::optional(value) : whole(micros_of(value, unit), granule);
    return micros ? or_nothing(wire_of_timestamp(*micros)) : std::nullopt;
  });
}

std::unique_ptr<ColumnEncoder> time_of_day(const std::shared_ptr<arrow::Array>& array, const Type& to) {
  const int64_t granule = granule_of(to.typmod);
  if (array->type_id() == arrow::Type::TIME32) {
    const auto unit = static_cast<const arrow::Time32Type&>(*array->type()).unit();
    return fixed<arrow::Time32Array>(array, [=](int32_t value) { return whole(micros_of(value, unit), granule); });
  }
  const auto unit = static_cast<const arrow::Time64Type&>(*array->type()).unit();
  return fixed<arrow::Time64Array>(array, [=](int64_t value) { return whole(micros_of(value, unit), granule); });
}

// Microseconds, days, months (src/backend/utils/adt/timestamp.c, interval_send).
bool put_interval(std::optional<int64_t> micros, int32_t days, int32_t months, WireBuffer& out) {
  if (!micros) return false;
  out.put<int64_t>(*micros);
  out.put<int32_t>(days);
  out.put<int32_t>(months);
  return true;
}

std::unique_ptr<ColumnEncoder> interval(const std::shared_ptr<arrow::Array>& array, const Type& to) {
  const int64_t granule = granule_of(to.typmod < 0 ? -1 : to.typmod & 0xffff);
  if (array->type_id() == arrow::Type::DURATION) {
    const auto unit = static_cast<const arrow::DurationType&>(*array->type()).unit();
    return sized(array, [=](const arrow::Array& from, int64_t row, WireBuffer& out) {
      const auto micros = micros_of(static_cast<const arrow::DurationArray&>(from).Value(row), unit);
      return put_interval(whole(micros, granule), 0, 0, out);
    });
  }
  return sized(array, [granule](const arrow::Array& from, int64_t row, WireBuffer& out) {
    const auto value = static_cast<const arrow::MonthDayNanoIntervalArray&>(from).GetValue(row);
    const auto micros = micros_of(value.nanoseconds, arrow::TimeUnit::NANO);
    return put_interval(whole(micros, granule), value.days, value.months, out);
  });
}

}  // namespace

std::unique_ptr<ColumnEncoder> create_encoder(const std::shared_ptr<arrow::Array>& array, const Type& to) {
  if (array->type_id() == arrow::Type::NA) return std::make_unique<NullEncoder>();
  constexpr uint32_t kSingleByte = 18;
  if (to.oid == kSingleByte && is_text(*array->type())) return encode_single_byte(array);
  if (cast_by_server(*array->type(), to)) {
    return is_list(*array->type()) && to.kind == Kind::array ? encode_list_text(array) : encode_text(array);
  }
  switch (to.kind) {
    case Kind::boolean:
      return fixed<arrow::BooleanArray>(array, [](bool value) { return std::optional<uint8_t>(value ? 1 : 0); });
    case Kind::int2:
      return integer<int16_t>(array);
    case Kind::int4:
      return integer<int32_t>(array);
    case Kind::int8:
      return integer<int64_t>(array);
    case Kind::oid:
      return integer<uint32_t>(array);
    case Kind::float4:
      return real<float, uint32_t>(array);
    case Kind::float8:
      return real<double, uint64_t>(array);
    case Kind::numeric:
      return numeric(array, to);
    case Kind::date:
      return fixed<arrow::Date32Array>(array, [](int32_t days) { return or_nothing(wire_of_date(days)); });
    case Kind::time:
      return time_of_day(array, to);
    case Kind::timestamp:
    case Kind::timestamptz:
      return timestamp(array, to);
    case Kind::interval:
      return interval(array, to);
    case Kind::bytea:
      return encode_bytes(array);
    case Kind::jsonb:
      return encode_jsonb(array);
    case Kind::uuid:
      return encode_uuid(array);
    case Kind::array:
      return encode_list(array, *to.element);
    case Kind::text: {
      const bool has_length =
          to.unlimited == "character varying" && to.length() >= 0 && is_text(*array->type());  // a domain over it, too
      return has_length ? encode_varchar(array, to.length()) : encode_text(array);
    }
    case Kind::other:
      return encode_text(array);
  }
  return encode_text(array);
}

std::string does_not_fit(const arrow::Array& array, int64_t row, const Type& to) {
  std::string shown;
  append_json(array, row, shown);
  if (shown.size() > 200) shown = shown.substr(0, 200) + "…";
  return fmt::format("{} does not fit {}", shown, to.name);
}

std::string_view copy_header() {
  static constexpr std::string_view kHeader("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
  return kHeader;
}
std::string_view copy_trailer() { return {"\377\377", 2}; }

}  // namespace sluice::postgres
