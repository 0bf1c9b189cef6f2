// Dates and times as the ISO 8601 text that SQLite's own functions read, too: 2026-01-31, 23:59:59.123456,
// 2026-01-31T23:59:59.123456Z. The number of fraction digits follows the unit, so that the order of the text is the
// order of time (years 0 to 9999).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <arrow/type.h>

namespace sluice {

constexpr int64_t units_per_second(arrow::TimeUnit::type unit) {
  constexpr int64_t kUnits[] = {1, 1000, 1'000'000, 1'000'000'000};
  return kUnits[unit];
}

// Empty where no calendar reaches: beyond the years -32767 to 32767.
std::optional<std::string> date_text(int64_t days_since_epoch);
std::optional<std::string> timestamp_text(int64_t value, arrow::TimeUnit::type unit, bool utc);
std::string time_of_day_text(int64_t value, arrow::TimeUnit::type unit);

}  // namespace sluice
