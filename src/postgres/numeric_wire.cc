#include "postgres/numeric_wire.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "postgres/numeric.h"
#include "postgres/numeric_form.h"

namespace sluice::postgres {
namespace {

constexpr int kDisplayScaleMax = 16'383;

void put_numeric_header(WireBuffer& out, int groups, int weight, uint16_t sign, int scale) {
  out.put<int16_t>(static_cast<int16_t>(groups));
  out.put<int16_t>(static_cast<int16_t>(weight));
  out.put<uint16_t>(sign);
  out.put<uint16_t>(static_cast<uint16_t>(scale));
}

}  // namespace

void append_small_numeric(uint64_t magnitude, bool negative, int scale, WireBuffer& out) {
  std::array<uint16_t, 8> groups{};  // least significant first
  int count = 0;
  const int partial = scale % kGroupDigits;
  uint64_t rest = magnitude;
  if (partial != 0) {
    groups[count++] = static_cast<uint16_t>(rest % kPowers[partial] * kPowers[kGroupDigits - partial]);
    rest /= kPowers[partial];
  }
  while (rest != 0) {
    groups[count++] = static_cast<uint16_t>(rest % 10'000);
    rest /= 10'000;
  }
  int lowest = 0;
  while (lowest < count && groups[lowest] == 0) ++lowest;
  while (count > lowest && groups[count - 1] == 0) --count;
  const int fraction_groups = (scale + kGroupDigits - 1) / kGroupDigits;
  const bool zero = count == lowest;
  put_numeric_header(out, count - lowest, zero ? 0 : count - 1 - fraction_groups, negative && !zero ? kNegative : 0,
                     scale);
  for (int i = count - 1; i >= lowest; --i) out.put<uint16_t>(groups[i]);
}

bool append_decimal(const arrow::Decimal128& value, int scale, int scale_max, WireBuffer& out) {
  arrow::Decimal128 kept = value;
  if (scale < 0) return append_numeric(value.ToString(scale), scale_max, out);
  if (scale_max >= 0 && scale > scale_max) {
    auto reduced = value.Rescale(scale, scale_max);  // fails where digits would be lost
    if (!reduced.ok()) return false;
    kept = *reduced;
    scale = scale_max;
  }
  const bool negative = kept.high_bits() < 0;
  const arrow::Decimal128 absolute = negative ? arrow::Decimal128(-kept) : kept;
  if (absolute.high_bits() == 0) {
    append_small_numeric(absolute.low_bits(), negative, scale, out);
  } else {
    std::string bytes;
    append_binary(kept, scale, &bytes);
    out.append(bytes);
  }
  return true;
}

bool append_numeric(std::string_view text, int scale_max, WireBuffer& out) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "NaN" || text == "nan") return put_numeric_header(out, 0, 0, kNaN, 0), true;
  if (text == "Infinity" || text == "inf") {
    return put_numeric_header(out, 0, 0, negative ? kMinusInfinity : kInfinity, 0), true;
  }
  // Digits without the point, and where it belongs among them.
  std::string digits;
  int64_t point = -1;
  size_t at = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '.' && point < 0) {
      point = static_cast<int64_t>(digits.size());
    } else if (c >= '0' && c <= '9') {
      digits += c;
    } else {
      break;
    }
  }
  if (digits.empty()) return false;
  if (point < 0) point = static_cast<int64_t>(digits.size());
  if (at < text.size()) {
    std::string_view exponent_text = text.substr(at);
    if (exponent_text[0] != 'e' && exponent_text[0] != 'E') return false;
    exponent_text.remove_prefix(1);
    if (exponent_text.starts_with('+')) exponent_text.remove_prefix(1);
    int32_t exponent = 0;
    const char* end = exponent_text.data() + exponent_text.size();
    const auto parsed = std::from_chars(exponent_text.data(), end, exponent);
    if (parsed.ec != std::errc() || parsed.ptr != end || std::abs(exponent) > 100'000) return false;
    point += exponent;
    if (point < 0) {
      digits.insert(0, static_cast<size_t>(-point), '0');
      point = 0;
    }
    if (point > static_cast<int64_t>(digits.size())) digits.append(static_cast<size_t>(point) - digits.size(), '0');
  }
  int64_t scale = static_cast<int64_t>(digits.size()) - point;
  while (scale_max >= 0 && scale > scale_max && digits.back() == '0') {
    digits.pop_back();
    --scale;
  }
  if ((scale_max >= 0 && scale > scale_max) || scale > kDisplayScaleMax) return false;
  // To whole groups of four on both sides of the point.
  digits.insert(0, static_cast<size_t>((kGroupDigits - point % kGroupDigits) % kGroupDigits), '0');
  const int64_t groups_before = (point + kGroupDigits - 1) / kGroupDigits;
  digits.append(static_cast<size_t>((kGroupDigits - scale % kGroupDigits) % kGroupDigits), '0');
  const auto group = [&](size_t i) {
    int value = 0;
    for (char c : std::string_view(digits).substr(i * kGroupDigits, kGroupDigits)) value = value * 10 + (c - '0');
    return static_cast<uint16_t>(value);
  };
  size_t first = 0;
  size_t last = digits.size() / kGroupDigits;
  while (first < last && group(first) == 0) ++first;
  while (last > first && group(last - 1) == 0) --last;
  const bool zero = first == last;
  if (last - first > static_cast<size_t>(INT16_MAX) || groups_before > INT16_MAX) return false;
  put_numeric_header(out, static_cast<int>(last - first),
                     zero ? 0 : static_cast<int>(groups_before - 1 - static_cast<int64_t>(first)),
                     negative && !zero ? kNegative : 0, static_cast<int>(scale));
  for (size_t i = first; i < last; ++i) out.put<uint16_t>(group(i));
  return true;
}

}  // namespace sluice::postgres
