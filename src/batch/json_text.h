// Cells and rows as JSON text: how databases store nested values, and how a row is shown in errors and dead letters.
// Inside JSON, NaN and infinities are the strings "NaN", "Infinity", "-Infinity"; binary is base64; dates and times
// are text as everywhere else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <arrow/type_fwd.h>

namespace sluice {

void append_json(const arrow::Array& array, int64_t row, std::string& out);
std::string row_as_json(const arrow::RecordBatch& batch, int64_t row);

}  // namespace sluice
