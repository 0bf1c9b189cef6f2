// Numbers and times as text, written straight into a buffer.
#pragma once

#include <cstdint>

namespace sluice::json {

// Room that any of these may need.
inline constexpr int64_t kScalarRoom = 64;

char* put_unsigned(char* out, uint64_t value);
char* put_signed(char* out, int64_t value);
// The shortest decimal number that reads back as the same double; whole ones keep a ".0", so that they stay DOUBLE.
char* put_double(char* out, double value);
char* put_float(char* out, float value);
// "YYYY-MM-DD"; null when the year is not within 0…9999.
char* put_date(char* out, int64_t days);
// "hh:mm:ss" and as many of 3, 6 or 9 fraction digits as are needed.
char* put_clock(char* out, int64_t seconds, int64_t nanos);

}  // namespace sluice::json
