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

#include "base/ascii.h"
#include "batch/json_text.h"
#include "postgres/moment.h"
#include "postgres/numeric_wire.h"

namespace sluice::postgres {
namespace {

// A value of eight bytes or fewer, written as it is on the wire; nothing when it does not fit.
template <typename Array, typename Convert>
class FixedEncoder final : public ColumnEncoder {
 public:
  FixedEncoder(std::shared_ptr<arrow::Array> array, Convert convert)
      : owner_(std::move(array)), array_(static_cast<const Array&>(*owner_)), convert_(convert) {}
  bool append(int64_t row, WireBuffer& out) override {
    if (array_.IsNull(row)) {
      out.put<int32_t>(-1);
      return true;
    }
    const auto wire = convert_(array_.Value(row));
    using Wire = typename decltype(wire)::value_type;
    if (!wire) return false;
    char* at = out.extend(4 + sizeof(Wire));
    store_be<int32_t>(at, sizeof(Wire));
    store_be<Wire>(at + 4, *wire);
    return true;
  }

 private:
  template <typename T>
  static void store_be(char* at, T value) {
    const T swapped = load_be<T>(reinterpret_cast<const char*>(&value));
    std::memcpy(at, &swapped, sizeof(T));
  }
  const std::shared_ptr<arrow::Array> owner_;
  const Array& array_;
  const Convert convert_;
};

template <typename Array, typename Convert>
std::unique_ptr<ColumnEncoder> fixed(const std::shared_ptr<arrow::Array>& array, Convert convert) {
  return std::make_unique<FixedEncoder<Array, Convert>>(array, convert);
}

// A value of any length: `write` appends it behind its length.
template <typename Write>
class SizedEncoder final : public ColumnEncoder {
 public:
  SizedEncoder(std::shared_ptr<arrow::Array> array, Write write) : array_(std::move(array)), write_(std::move(write)) {}
  bool append(int64_t row, WireBuffer& out) override {
    if (array_->IsNull(row)) {
      out.put<int32_t>(-1);
      return true;
    }
    const size_t length_at = out.size();
    out.put<int32_t>(0);
    if (!write_(*array_, row, out)) return false;
    const size_t bytes = out.size() - length_at - 4;
    if (bytes > static_cast<size_t>(std::numeric_limits<int32_t>::max())) return false;
    out.put_at<int32_t>(length_at, static_cast<int32_t>(bytes));
    return true;
  }

 private:
  const std::shared_ptr<arrow::Array> array_;
  Write write_;
};

template <typename Write>
std::unique_ptr<ColumnEncoder> sized(const std::shared_ptr<arrow::Array>& array, Write write) {
  return std::make_unique<SizedEncoder<Write>>(array, std::move(write));
}

class NullEncoder final : public ColumnEncoder {
 public:
  bool append(int64_t, WireBuffer& out) override {
    out.put<int32_t>(-1);
    return true;
  }
};

std::string_view bytes_of(const arrow::Array& array, int64_t row) {
  if (array.type_id() == arrow::Type::LARGE_STRING || array.type_id() == arrow::Type::LARGE_BINARY) {
    return static_cast<const arrow::LargeBinaryArray&>(array).GetView(row);
  }
  if (array.type_id() == arrow::Type::FIXED_SIZE_BINARY) {
    return static_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(row);
  }
  return static_cast<const arrow::BinaryArray&>(array).GetView(row);
}

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

// timestamp(3) holds milliseconds: the server would round the rest.
int64_t granule_of(const Type& to) {
  constexpr int kMicroDigits = 6;
  if (to.typmod < 0 || to.typmod >= kMicroDigits) return 1;
  int64_t granule = 1;
  for (int digit = to.typmod; digit < kMicroDigits; ++digit) granule *= 10;
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
  const int64_t granule = granule_of(to);
  return fixed<arrow::TimestampArray>(array, [unit, granule](int64_t value) -> std::optional<int64_t> {
    // DuckDB's infinities are the same numbers in every unit.
    const bool infinite = value == kTimestampInfinity || value == -kTimestampInfinity;
    const auto micros = infinite ? std::optional(value) : whole(micros_of(value, unit), granule);
    return micros ? or_nothing(wire_of_timestamp(*micros)) : std::nullopt;
  });
}

std::unique_ptr<ColumnEncoder> time_of_day(const std::shared_ptr<arrow::Array>& array, const Type& to) {
  const int64_t granule = granule_of(to);
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

std::unique_ptr<ColumnEncoder> interval(const std::shared_ptr<arrow::Array>& array) {
  if (array->type_id() == arrow::Type::DURATION) {
    const auto unit = static_cast<const arrow::DurationType&>(*array->type()).unit();
    return sized(array, [unit](const arrow::Array& from, int64_t row, WireBuffer& out) {
      return put_interval(micros_of(static_cast<const arrow::DurationArray&>(from).Value(row), unit), 0, 0, out);
    });
  }
  return sized(array, [](const arrow::Array& from, int64_t row, WireBuffer& out) {
    const auto value = static_cast<const arrow::MonthDayNanoIntervalArray&>(from).GetValue(row);
    return put_interval(micros_of(value.nanoseconds, arrow::TimeUnit::NANO), value.days, value.months, out);
  });
}

// --- text, bytes, JSON, uuid, arrays ---

bool put_bytes(const arrow::Array& from, int64_t row, WireBuffer& out) {
  out.append(bytes_of(from, row));
  return true;
}

// What the value is in JSON, without the quotes of a text.
void put_as_text(const arrow::Array& from, int64_t row, WireBuffer& out) {
  std::string text;
  append_json(from, row, text);
  std::string_view shown = text;
  if (shown.size() >= 2 && shown.front() == '"') shown = shown.substr(1, shown.size() - 2);
  out.append(shown);
}

std::unique_ptr<ColumnEncoder> text(const std::shared_ptr<arrow::Array>& array) {
  if (is_text(*array->type()) || is_bytes(*array->type())) return sized(array, put_bytes);
  return sized(array, [](const arrow::Array& from, int64_t row, WireBuffer& out) {
    put_as_text(from, row, out);
    return true;
  });
}

// "char" takes the first byte of anything; PostgreSQL writes those beyond ASCII as \ooo.
std::unique_ptr<ColumnEncoder> single_byte(const std::shared_ptr<arrow::Array>& array) {
  return sized(array, [](const arrow::Array& from, int64_t row, WireBuffer& out) {
    const auto value = bytes_of(from, row);
    if (value.size() > 1 && (value.size() != 4 || value[0] != '\\')) return false;
    return put_bytes(from, row, out);
  });
}

std::unique_ptr<ColumnEncoder> jsonb(const std::shared_ptr<arrow::Array>& array) {
  const bool is_json_text = is_text(*array->type());
  return sized(array, [is_json_text](const arrow::Array& from, int64_t row, WireBuffer& out) {
    out.put<uint8_t>(1);  // its version
    if (is_json_text) return put_bytes(from, row, out);
    put_as_text(from, row, out);
    return true;
  });
}

// With or without hyphens, in braces or not, as PostgreSQL reads it.
bool put_uuid(std::string_view text, WireBuffer& out) {
  if (text.size() >= 2 && text.front() == '{' && text.back() == '}') text = text.substr(1, text.size() - 2);
  char* at = out.extend(16);
  int digits = 0;
  for (char c : text) {
    if (c == '-' && digits > 0 && digits % 4 == 0) continue;
    const int digit = hex_digit(c);
    if (digit < 0 || digits == 32) return false;
    at[digits / 2] = static_cast<char>(digits % 2 == 0 ? digit << 4 : at[digits / 2] | digit);
    ++digits;
  }
  return digits == 32;
}

// One dimension from 1 on, or none (src/backend/utils/adt/arrayfuncs.c, array_recv).
class ListEncoder final : public ColumnEncoder {
 public:
  ListEncoder(std::shared_ptr<arrow::Array> array, std::shared_ptr<arrow::Array> values, const Type& element)
      : array_(std::move(array)), values_(std::move(values)), oid_(element.oid) {
    encoder_ = create_encoder(values_, element);
  }
  bool append(int64_t row, WireBuffer& out) override {
    if (array_->IsNull(row)) {
      out.put<int32_t>(-1);
      return true;
    }
    const auto [begin, length] = bounds(row);
    const size_t length_at = out.size();
    out.put<int32_t>(0);
    out.put<int32_t>(length == 0 ? 0 : 1);
    const size_t nulls_at = out.size();
    out.put<int32_t>(0);
    out.put<uint32_t>(oid_);
    if (length > 0) {
      out.put<int32_t>(static_cast<int32_t>(length));
      out.put<int32_t>(1);
    }
    bool nulls = false;
    for (int64_t at = begin; at < begin + length; ++at) {
      nulls = nulls || values_->IsNull(at);
      if (!encoder_->append(at, out)) return false;
    }
    if (nulls) out.put_at<int32_t>(nulls_at, 1);
    out.put_at<int32_t>(length_at, static_cast<int32_t>(out.size() - length_at - 4));
    return true;
  }

 private:
  [[nodiscard]] std::pair<int64_t, int64_t> bounds(int64_t row) const {
    if (array_->type_id() == arrow::Type::LIST) {
      const auto& list = static_cast<const arrow::ListArray&>(*array_);
      return {list.value_offset(row), list.value_length(row)};
    }
    if (array_->type_id() == arrow::Type::LARGE_LIST) {
      const auto& list = static_cast<const arrow::LargeListArray&>(*array_);
      return {list.value_offset(row), list.value_length(row)};
    }
    const auto& list = static_cast<const arrow::FixedSizeListArray&>(*array_);
    return {list.value_offset(row), list.value_length(row)};
  }
  const std::shared_ptr<arrow::Array> array_;
  const std::shared_ptr<arrow::Array> values_;
  const uint32_t oid_;
  std::unique_ptr<ColumnEncoder> encoder_;
};

std::shared_ptr<arrow::Array> values_of(const arrow::Array& list) {
  if (list.type_id() == arrow::Type::LIST) return static_cast<const arrow::ListArray&>(list).values();
  if (list.type_id() == arrow::Type::LARGE_LIST) return static_cast<const arrow::LargeListArray&>(list).values();
  return static_cast<const arrow::FixedSizeListArray&>(list).values();
}

}  // namespace

std::unique_ptr<ColumnEncoder> create_encoder(const std::shared_ptr<arrow::Array>& array, const Type& to) {
  if (array->type_id() == arrow::Type::NA) return std::make_unique<NullEncoder>();
  constexpr uint32_t kSingleByte = 18;
  if (to.oid == kSingleByte && is_text(*array->type())) return single_byte(array);
  if (cast_by_server(*array->type(), to)) return text(array);
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
      return interval(array);
    case Kind::bytea:
      return sized(array, put_bytes);
    case Kind::jsonb:
      return jsonb(array);
    case Kind::uuid:
      return sized(array, [](const arrow::Array& from, int64_t row, WireBuffer& out) {
        return put_uuid(bytes_of(from, row), out);
      });
    case Kind::array:
      return std::make_unique<ListEncoder>(array, values_of(*array), *to.element);
    case Kind::text:
    case Kind::other:
      return text(array);
  }
  return text(array);
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
