// Column names of one file, and which field of a record belongs to which column of the source.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <arrow/type_fwd.h>

#include "format/csv/window.h"

namespace sluice::csv {

// The fields of one record of a window, unquoted. `bad` tells whether one is not quoted correctly.
std::vector<std::string> split_record(const Dialect& dialect, const Window& window, uint32_t record, bool* bad);

// The first record that is not an empty line; window.records() when all are.
uint32_t first_filled_record(const Window& window);

// Names as written; empty ones become column0, column1, …, and a repeated one gets _1, _2, … appended.
std::vector<std::string> unique_names(std::vector<std::string> names);
// column0 … for files without a header.
std::vector<std::string> numbered_names(size_t count);

// The header line at the beginning of `head` (a file's first bytes).
Result<std::vector<std::string>> read_header(const Dialect& dialect, std::string_view head);

}  // namespace sluice::csv
