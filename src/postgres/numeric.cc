#include "postgres/numeric.h"

#include <algorithm>
#include <array>

#include "postgres/bytes.h"
#include "postgres/numeric_form.h"

namespace sluice::postgres {
namespace {

constexpr size_t kHeader = 8;

using Wide = unsigned __int128;

struct Header {
  int groups = 0;
  int weight = 0;  // of the first group: its value is group × 10,000^weight
  uint16_t sign = 0;
  int display_scale = 0;
};

Result<Header> header_of(std::string_view bytes) {
  if (bytes.size() < kHeader) return user_error("a numeric of {} bytes", bytes.size());
  Header header;
  header.groups = load_be<int16_t>(bytes.data());
  header.weight = load_be<int16_t>(bytes.data() + 2);
  header.sign = load_be<uint16_t>(bytes.data() + 4);
  header.display_scale = load_be<uint16_t>(bytes.data() + 6);
  if (header.groups < 0 || bytes.size() != kHeader + 2 * static_cast<size_t>(header.groups)) {
    return user_error("a numeric of {} bytes that says it has {} digit groups", bytes.size(), header.groups);
  }
  return header;
}

int group(std::string_view bytes, int index) {
  return load_be<uint16_t>(bytes.data() + kHeader + 2 * static_cast<size_t>(index));
}

Wide power_of_ten(int exponent) {
  Wide value = 1;
  for (int i = 0; i < exponent; ++i) value *= 10;
  return value;
}

std::string_view name_of_special(uint16_t sign) {
  if (sign == kInfinity) return "Infinity";
  return sign == kMinusInfinity ? "-Infinity" : "NaN";
}

arrow::Decimal128 signed_decimal(Wide magnitude, bool negative) {
  arrow::Decimal128 value(static_cast<int64_t>(magnitude >> 64), static_cast<uint64_t>(magnitude));
  return negative ? arrow::Decimal128(-value) : value;
}

Error does_not_fit(std::string_view what, int precision, int scale) {
  return user_error("{} does not fit DECIMAL({},{})", what, precision, scale);
}

}  // namespace

Result<arrow::Decimal128> decimal_of_binary(std::string_view bytes, int precision, int scale) {
  const Header header = TRY(header_of(bytes));
  if (header.sign != 0 && header.sign != kNegative) {
    return does_not_fit(name_of_special(header.sign), precision, scale);
  }
  if (header.groups == 0) return arrow::Decimal128(0);
  const auto too_big = [&] { return does_not_fit(text_of_binary(bytes).value(), precision, scale); };
  // Up to 16 digits, as nearly every numeric has: 64 bits do.
  const int last_shift = kGroupDigits * (header.weight - header.groups + 1) + scale;
  if (header.groups <= 4 && last_shift > -kGroupDigits && last_shift <= 2) {
    uint64_t small = 0;
    for (int i = 0; i < header.groups; ++i) small = small * 10'000 + static_cast<uint64_t>(group(bytes, i));
    if (last_shift >= 0) {
      small *= kPowers[last_shift];
    } else {
      const uint64_t divisor = kPowers[-last_shift];
      if (small % divisor != 0) return too_big();
      small /= divisor;
    }
    if (precision < 19 && small >= kPowers[precision]) return too_big();
    return signed_decimal(small, header.sign == kNegative);
  }
  const Wide limit = power_of_ten(precision);
  Wide value = 0;
  for (int i = 0; i < header.groups; ++i) {
    // How many decimal places the group's last digit lies left of the scaled value's last digit.
    const int shift = kGroupDigits * (header.weight - i) + scale;
    int digits = group(bytes, i);
    int width = kGroupDigits;
    if (shift < 0) {
      const int cut = std::min(-shift, kGroupDigits);
      const int divisor = static_cast<int>(power_of_ten(cut));
      if (digits % divisor != 0) return too_big();
      digits /= divisor;
      width -= cut;
    }
    // value < limit <= 10^38 here; times 10^4 it may not fit 128 bits, which a bound on the quotient tells.
    const Wide factor = power_of_ten(width);
    if (value > (limit - 1) / factor) return too_big();
    value = value * factor + static_cast<Wide>(digits);
    if (value >= limit) return too_big();
  }
  const int trailing = kGroupDigits * (header.weight - header.groups + 1) + scale;
  if (trailing > 0) {
    if (trailing > precision || value > (limit - 1) / power_of_ten(trailing)) return too_big();
    value *= power_of_ten(trailing);
  }
  return signed_decimal(value, header.sign == kNegative);
}

Result<arrow::Decimal128> decimal_of_text(std::string_view text, int precision, int scale) {
  const auto bad = [&] { return does_not_fit(text, precision, scale); };
  const bool negative = text.starts_with('-');
  const std::string_view digits = text.substr(negative ? 1 : 0);
  const Wide limit = power_of_ten(precision);
  Wide value = 0;
  int places = -1;  // behind the point; -1 before it
  for (char c : digits) {
    if (c == '.' && places < 0) {
      places = 0;
      continue;
    }
    if (c < '0' || c > '9') return bad();
    if (places >= scale) {
      if (c != '0') return bad();
      continue;
    }
    if (places >= 0) ++places;
    value = value * 10 + static_cast<Wide>(c - '0');
    if (value >= limit) return bad();
  }
  if (digits.empty()) return bad();
  for (int i = std::max(places, 0); i < scale; ++i) {
    value *= 10;
    if (value >= limit) return bad();
  }
  return signed_decimal(value, negative);
}

Result<std::string> text_of_binary(std::string_view bytes) {
  const Header header = TRY(header_of(bytes));
  if (header.sign != 0 && header.sign != kNegative) return std::string(name_of_special(header.sign));
  std::string out;
  if (header.sign == kNegative) out += '-';
  if (header.weight < 0) out += '0';
  for (int i = 0; i <= header.weight; ++i) {
    const int digits = i < header.groups ? group(bytes, i) : 0;
    out += i == 0 ? fmt::format("{}", digits) : fmt::format("{:04}", digits);
  }
  if (header.display_scale == 0) return out;
  out += '.';
  const size_t point = out.size();
  for (int i = header.weight + 1; out.size() - point < static_cast<size_t>(header.display_scale); ++i) {
    out += fmt::format("{:04}", i >= 0 && i < header.groups ? group(bytes, i) : 0);
  }
  out.resize(point + static_cast<size_t>(header.display_scale));
  return out;
}

void append_binary(const arrow::Decimal128& value, int scale, std::string* out) {
  const bool negative = value.high_bits() < 0;
  const arrow::Decimal128 absolute = negative ? arrow::Decimal128(-value) : value;
  Wide rest = (static_cast<Wide>(static_cast<uint64_t>(absolute.high_bits())) << 64) | absolute.low_bits();
  // Groups of four digits, least significant first; the first holds what is left of the scale after whole groups.
  std::array<uint16_t, 12> groups{};
  int count = 0;
  const int partial = scale % kGroupDigits;
  if (partial != 0) {
    const Wide unit = power_of_ten(partial);
    groups[count++] =
        static_cast<uint16_t>(static_cast<int>(rest % unit) * static_cast<int>(power_of_ten(kGroupDigits - partial)));
    rest /= unit;
  }
  while (rest != 0) {
    groups[count++] = static_cast<uint16_t>(rest % 10'000);
    rest /= 10'000;
  }
  const int fraction_groups = (scale + kGroupDigits - 1) / kGroupDigits;
  int lowest = 0;
  while (lowest < count && groups[lowest] == 0) ++lowest;
  int highest = count;
  while (highest > lowest && groups[highest - 1] == 0) --highest;
  append_be<int16_t>(static_cast<int16_t>(highest - lowest), out);
  append_be<int16_t>(static_cast<int16_t>(highest > lowest ? highest - 1 - fraction_groups : 0), out);
  append_be<uint16_t>(negative && highest > lowest ? kNegative : 0, out);
  append_be<uint16_t>(static_cast<uint16_t>(scale), out);
  for (int i = highest - 1; i >= lowest; --i) append_be<uint16_t>(groups[i], out);
}

}  // namespace sluice::postgres
