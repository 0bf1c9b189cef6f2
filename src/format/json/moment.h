// Dates and times as JSON documents write them: ISO 8601, with 'T' or a space between date and time.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::json {

struct Moment {
  int64_t days = 0;     // since 1970-01-01
  int64_t seconds = 0;  // of the day, as written
  int64_t nanos = 0;
  int32_t offset_seconds = 0;  // east of Greenwich
  bool has_date = false;
  bool has_time = false;
  bool zoned = false;  // 'Z' or an offset was written
};

// "2026-01-31", "2026-01-31T23:59:59", with a fraction of up to nine digits and 'Z', ±hh, ±hhmm or ±hh:mm after it;
// "23:59:59.5" alone. False for anything else, days that do not exist included.
bool parse_moment(std::string_view text, Moment* moment);

}  // namespace sluice::json
