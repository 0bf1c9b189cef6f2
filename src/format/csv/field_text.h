// Going over the fields of a column.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "format/csv/column.h"

namespace sluice::csv {

// Calls each(record, text, bytes) for every field; absent(record) where a short record has none.
template <typename Each, typename Absent>
inline void for_each_field(const Fields& fields, Each each, Absent absent) {
  const uint32_t* ends = fields.ends + fields.index;
  for (uint32_t i = 0; i < fields.records; ++i) {
    if (fields.counts != nullptr && fields.index >= fields.counts[i]) [[unlikely]] {
      absent(i);
      continue;
    }
    const uint32_t* end = ends + fields.first[i];  // end[-1]: of the field before, or of the record before
    uint32_t begin = end[-1] + 1;
    uint32_t bytes = *end - begin;
    bool last = fields.last || (fields.counts != nullptr && fields.index + 1 == fields.counts[i]);
    if (last && bytes > 0 && fields.data[*end - 1] == '\r') --bytes;
    each(i, fields.data + begin, bytes);
  }
}

inline std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// For errors.
inline constexpr size_t kShownBytes = 80;

inline std::string shown(std::string_view text) {
  return text.size() <= kShownBytes ? std::string(text) : std::string(text.substr(0, kShownBytes)) + "…";
}

}  // namespace sluice::csv
