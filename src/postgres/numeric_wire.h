// Numbers of all kinds as a numeric's binary form, without its length.
#pragma once

#include <cstdint>
#include <string_view>

#include <arrow/util/decimal.h>

#include "postgres/wire_buffer.h"

namespace sluice::postgres {

// magnitude × 10^-scale: up to 19 digits, as nearly every decimal has.
void append_small_numeric(uint64_t magnitude, bool negative, int scale, WireBuffer& out);
// False when digits behind `scale_max` places (at least 0; -1: any) would be lost.
bool append_decimal(const arrow::Decimal128& value, int scale, int scale_max, WireBuffer& out);
// Digits, sign, point and exponent, NaN or ±Infinity; false also when it is no number.
bool append_numeric(std::string_view text, int scale_max, WireBuffer& out);

}  // namespace sluice::postgres
