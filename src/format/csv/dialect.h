// How the files of one endpoint are written: the format's options, checked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "options/option.h"

namespace sluice::csv {

// Of UTF-8; may stand at the start of a file and is no part of its first name.
inline constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

struct Dialect {
  char delimiter = ',';
  char quote = '"';   // '\0': values are never quoted
  char escape = '"';  // equal to quote: a quote inside a quoted value is doubled
  bool header = true;
  std::string null;  // as it stands in the file, unquoted
  std::string encoding = "utf-8";
  int64_t skip_rows = 0;
  int64_t sample_rows = 0;
  bool all_varchar = false;
  bool pad = false;  // rows with too few fields get NULLs

  [[nodiscard]] bool has_quote() const { return quote != '\0'; }
  [[nodiscard]] bool doubles_quotes() const { return escape == quote; }
};

Result<Dialect> parse_dialect(const OptionValues& options);

}  // namespace sluice::csv
