// Dates, times and intervals in PostgreSQL's text (ISO, iso_8601 intervals) and in the shapes Arrow has.
#pragma once

#include <cstdint>
#include <string_view>

#include <arrow/type.h>

#include "base/result.h"

namespace sluice::postgres {

inline constexpr int64_t kNanosPerMicro = 1000;
inline constexpr int64_t kMicrosPerDay = 86'400'000'000;
inline constexpr int32_t kDaysTo2000 = 10'957;  // from 1970: PostgreSQL counts from 2000-01-01
inline constexpr int64_t kMicrosTo2000 = kDaysTo2000 * kMicrosPerDay;

// ±infinity as DuckDB has it.
inline constexpr int32_t kDateInfinity = INT32_MAX;
inline constexpr int64_t kTimestampInfinity = INT64_MAX;

// Days and microseconds since 1970 from the wire's since 2000; with its infinities.
Result<int32_t> date_of_wire(int32_t days);
Result<int64_t> timestamp_of_wire(int64_t micros);
// And back. A date or timestamp outside of PostgreSQL's range is an error.
Result<int32_t> wire_of_date(int64_t days);
Result<int64_t> wire_of_timestamp(int64_t micros);

using Interval = arrow::MonthDayNanoIntervalType::MonthDayNanos;
Result<Interval> interval_of_wire(int64_t micros, int32_t days, int32_t months);

// "0044-03-15 BC", "infinity".
Result<int32_t> parse_date(std::string_view text);
Result<int64_t> parse_time(std::string_view text);  // microseconds of the day; 24:00:00 is allowed
// "1999-12-31 23:59:59.5+00 BC"; the zone is absent or an offset.
Result<int64_t> parse_timestamp(std::string_view text);
// "P1Y2M3DT4H5M6.7S", each part with its own sign.
Result<Interval> parse_interval(std::string_view text);

}  // namespace sluice::postgres
