// Scalars in all their forms: quoted numbers, exponents, decimals, dates, base64.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>

#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/base64.h>
#include <arrow/util/decimal.h>

#include "batch/time_text.h"
#include "format/json/moment.h"
#include "format/json/parse.h"

namespace sluice::json {
namespace {

template <typename T>
void append(Column& column, T value) {
  memcpy(column.values + column.length * static_cast<int64_t>(sizeof(T)), &value, sizeof(T));
  ++column.length;
}

// A number's decimal digits: (negative ? -1 : 1) * digits * 10^exponent.
struct Digits {
  bool negative = false;
  std::string digits;  // without leading and trailing zeros; empty: zero
  int64_t exponent = 0;
};

bool read_digits(std::string_view token, Digits* number) {
  number->negative = token[0] == '-';
  token.remove_prefix(number->negative ? 1 : 0);
  size_t mantissa_end = token.find_first_of("eE");
  std::string_view mantissa = token.substr(0, mantissa_end);
  if (mantissa_end != std::string_view::npos) {
    std::string_view exponent = token.substr(mantissa_end + 1);
    if (exponent[0] == '+') exponent.remove_prefix(1);
    auto [end, error] = std::from_chars(exponent.data(), exponent.data() + exponent.size(), number->exponent);
    if (error != std::errc() || std::abs(number->exponent) > 100000) return false;
  }
  size_t point = mantissa.find('.');
  if (point != std::string_view::npos) number->exponent -= static_cast<int64_t>(mantissa.size() - point - 1);
  for (char c : mantissa) {
    if (c != '.' && (c != '0' || !number->digits.empty())) number->digits += c;
  }
  while (!number->digits.empty() && number->digits.back() == '0') {
    number->digits.pop_back();
    ++number->exponent;
  }
  if (number->digits.empty()) number->exponent = 0;
  return true;
}

// The token as an integer in units of 10^-scale. `places` is the number of digits allowed.
Flaw scaled_integer(std::string_view token, int32_t scale, int64_t places, bool* negative, std::string* digits) {
  Digits number;
  if (!read_digits(token, &number)) return Flaw::out_of_range;
  *negative = number.negative;
  int64_t zeros = number.exponent + scale;
  if (zeros < 0) return Flaw::not_whole;
  if (static_cast<int64_t>(number.digits.size()) + zeros > places && !number.digits.empty()) return Flaw::out_of_range;
  *digits = number.digits + std::string(number.digits.empty() ? 1 : static_cast<size_t>(zeros), '0');
  return Flaw::none;
}

Flaw convert_integer(Column& column, std::string_view token) {
  bool negative = false;
  std::string digits;
  Flaw flaw = scaled_integer(token, 0, 20, &negative, &digits);
  if (flaw != Flaw::none) return flaw;
  uint64_t magnitude = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude);
  if (error != std::errc()) return Flaw::out_of_range;
  if (column.type->id() == arrow::Type::UINT64) {
    if (negative && magnitude != 0) return Flaw::out_of_range;
  } else if (magnitude > (negative ? -static_cast<uint64_t>(column.min) : static_cast<uint64_t>(column.max))) {
    return Flaw::out_of_range;
  }
  uint64_t stored = negative ? -magnitude : magnitude;
  memcpy(column.values + column.length * column.width, &stored, column.width);
  ++column.length;
  return Flaw::none;
}

// An integer that a double does not hold is refused, unless its digits are the double's own shortest spelling, as
// JavaScript prints large numbers.
bool is_own_spelling(std::string_view token, double value) {
  char text[32];
  auto [end, error] = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific);
  Digits written, shortest;
  if (!read_digits(token, &written)) return false;
  if (!read_digits(std::string_view(text, static_cast<size_t>(end - text)), &shortest)) return false;
  return written.digits == shortest.digits && written.exponent == shortest.exponent;
}

Flaw convert_number(Column& column, std::string_view token) {
  bool integral = token.find_first_of(".eE") == std::string_view::npos;
  const char* end = token.data() + token.size();
  if (column.type->id() == arrow::Type::FLOAT) {
    float value = 0;
    if (std::from_chars(token.data(), end, value).ec != std::errc()) return Flaw::out_of_range;
    if (integral && std::fabs(value) >= 16777216.0F) {
      double exact = 0;
      std::from_chars(token.data(), end, exact);
      if (exact != value) return Flaw::inexact;
    }
    append(column, value);
    return Flaw::none;
  }
  double value = 0;
  if (std::from_chars(token.data(), end, value).ec != std::errc()) return Flaw::out_of_range;
  if (integral && std::fabs(value) >= 9007199254740992.0 && !is_own_spelling(token, value)) return Flaw::inexact;
  append(column, value);
  return Flaw::none;
}

Flaw convert_decimal(Column& column, std::string_view token) {
  const auto& type = static_cast<const arrow::DecimalType&>(*column.type);
  bool negative = false;
  std::string digits;
  Flaw flaw = scaled_integer(token, type.scale(), type.precision(), &negative, &digits);
  if (flaw != Flaw::none) return flaw;
  if (negative) digits.insert(0, 1, '-');
  if (column.width == 32) {
    auto value = arrow::Decimal256::FromString(digits);
    if (!value.ok()) return Flaw::bad_value;
    value->ToBytes(reinterpret_cast<uint8_t*>(column.values + column.length * 32));
  } else {
    auto value = arrow::Decimal128::FromString(digits);
    if (!value.ok()) return Flaw::bad_value;
    uint8_t bytes[16];
    value->ToBytes(bytes);  // little-endian: the narrow decimals are its first bytes
    memcpy(column.values + column.length * column.width, bytes, column.width);
  }
  ++column.length;
  return Flaw::none;
}

// Seconds and nanoseconds in a unit: never rounded.
Flaw in_units(__int128 seconds, int64_t nanos, int64_t units, int64_t* value) {
  int64_t nanos_per_unit = 1000000000 / units;
  if (nanos % nanos_per_unit != 0) return Flaw::not_whole;
  __int128 total = seconds * units + nanos / nanos_per_unit;
  if (total > std::numeric_limits<int64_t>::max() || total < std::numeric_limits<int64_t>::min()) {
    return Flaw::out_of_range;
  }
  *value = static_cast<int64_t>(total);
  return Flaw::none;
}

Flaw convert_timestamp(Column& column, std::string_view text, const Moment& moment) {
  if (!moment.has_date) return Flaw::bad_value;
  __int128 seconds = static_cast<__int128>(moment.days) * 86400 + moment.seconds - moment.offset_seconds;
  int64_t value = 0;
  Flaw flaw = in_units(seconds, moment.nanos, column.units_per_second, &value);
  if (flaw != Flaw::none) return flaw;
  append(column, value);
  int64_t date_units = 0;
  if (in_units(static_cast<__int128>(moment.days) * 86400, 0, column.units_per_second, &date_units) == Flaw::none) {
    memcpy(column.date, text.data(), 10);
    column.date_units = date_units;
  }
  return Flaw::none;
}

Flaw convert_time_of_day(Column& column, const Moment& moment, arrow::TimeUnit::type unit) {
  if (moment.has_date) return Flaw::bad_value;
  int64_t value = 0;
  Flaw flaw = in_units(moment.seconds, moment.nanos, units_per_second(unit), &value);
  if (flaw != Flaw::none) return flaw;
  memcpy(column.values + column.length * column.width, &value, column.width);
  ++column.length;
  return Flaw::none;
}

Flaw convert_moment(Column& column, std::string_view text) {
  Moment moment;
  if (!parse_moment(text, &moment)) return Flaw::bad_value;
  switch (column.type->id()) {
    case arrow::Type::TIMESTAMP:
      return convert_timestamp(column, text, moment);
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
      return convert_time_of_day(column, moment, static_cast<const arrow::TimeType&>(*column.type).unit());
    default:
      break;
  }
  if (!moment.has_date) return Flaw::bad_value;
  if (moment.has_time) return Flaw::not_whole;
  if (column.type->id() == arrow::Type::DATE64) {
    append(column, moment.days * 86400000);
  } else {
    append(column, static_cast<int32_t>(moment.days));
  }
  return Flaw::none;
}

Flaw convert_bytes(Column& column, std::string_view text) {
  auto decoded = arrow::util::base64_decode(text);
  if (!decoded.ok()) return Flaw::bad_value;
  int64_t size = static_cast<int64_t>(decoded->size());
  if (column.type->id() == arrow::Type::FIXED_SIZE_BINARY) {
    if (size != column.width) return Flaw::bad_value;
    memcpy(column.values + column.length * column.width, decoded->data(), decoded->size());
    ++column.length;
    return Flaw::none;
  }
  int64_t used = column.offsets[column.length];
  if (used + size > column.bytes_capacity) grow_text(column, size);
  memcpy(column.values + used, decoded->data(), decoded->size());
  column.offsets[++column.length] = static_cast<int32_t>(used + size);
  return Flaw::none;
}

bool holds_numbers(const arrow::DataType& type) {
  return arrow::is_integer(type.id()) || arrow::is_floating(type.id()) || arrow::is_decimal(type.id());
}

Flaw convert_numeric(Column& column, std::string_view token) {
  if (arrow::is_decimal(column.type->id())) return convert_decimal(column, token);
  return arrow::is_floating(column.type->id()) ? convert_number(column, token) : convert_integer(column, token);
}

// The words that `nan := text` writes.
bool special_number(Column& column, std::string_view text) {
  if (!arrow::is_floating(column.type->id())) return false;
  double value = std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") {
    value = std::numeric_limits<double>::infinity();
  } else if (text == "-Infinity") {
    value = -std::numeric_limits<double>::infinity();
  } else if (text != "NaN") {
    return false;
  }
  if (column.width == 4) {
    append(column, static_cast<float>(value));
  } else {
    append(column, value);
  }
  return true;
}

Flaw convert_string(Column& column, const char* begin, const char* end) {
  std::string text(static_cast<size_t>(end - begin), '\0');
  char* out = text.data();
  Flaw flaw = unescape(begin, end, &out);
  if (flaw != Flaw::none) return flaw;
  text.resize(static_cast<size_t>(out - text.data()));
  if (holds_numbers(*column.type)) {
    bool integral = false;
    const char* after = scan_number(text.c_str(), &integral);
    if (after == text.c_str() + text.size()) return convert_numeric(column, text);
    return special_number(column, text) ? Flaw::none : Flaw::wrong_type;
  }
  switch (column.type->id()) {
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::FIXED_SIZE_BINARY:
      return convert_bytes(column, text);
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
      return convert_moment(column, text);
    default:
      return Flaw::wrong_type;
  }
}

}  // namespace

Flaw convert_scalar(Column& column, const char* begin, const char* end) {
  if (*begin == '"') return convert_string(column, begin + 1, end - 1);
  if (*begin == '{' || *begin == '[') return Flaw::wrong_type;
  std::string token(begin, static_cast<size_t>(end - begin));
  if (token == "true" || token == "false") return Flaw::wrong_type;
  bool integral = false;
  const char* after = scan_number(token.c_str(), &integral);
  bool number_like = *begin == '-' || (*begin >= '0' && *begin <= '9');
  if (after != token.c_str() + token.size()) return number_like ? Flaw::bad_number : Flaw::bad_literal;
  return holds_numbers(*column.type) ? convert_numeric(column, token) : Flaw::wrong_type;
}

}  // namespace sluice::json
