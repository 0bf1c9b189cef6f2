// PostgreSQL's numeric in its binary form: base-10,000 digits with a weight
// (src/backend/utils/adt/numeric.c, numeric_send).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <arrow/util/decimal.h>

#include "base/result.h"

namespace sluice::postgres {

// From binary. The value must have no more than `scale` digits behind the point and `precision` in all.
Result<arrow::Decimal128> decimal_of_binary(std::string_view bytes, int precision, int scale);
// From PostgreSQL's text ("-12.50", "1e5" never occurs).
Result<arrow::Decimal128> decimal_of_text(std::string_view text, int precision, int scale);
// PostgreSQL's own text of a binary value: NaN, Infinity, -Infinity, or digits with its display scale.
Result<std::string> text_of_binary(std::string_view bytes);

// The binary form (without its length) of a decimal; appended to `out`.
void append_binary(const arrow::Decimal128& value, int scale, std::string* out);

}  // namespace sluice::postgres
