// How much of a row as it was comes with its change: metadata of the column _op, where the source says so.
#pragma once

#include <string_view>

namespace sluice {

inline constexpr std::string_view kOldRows = "old_rows";
inline constexpr std::string_view kOldRowsKey = "key";    // the columns that are not nullable, and no others
inline constexpr std::string_view kOldRowsFull = "full";  // all; those that are not nullable are the key

}  // namespace sluice
