// Dictionaries of text built ahead of Parquet's own writer. Given indices, that writer neither hashes every value again
// nor compares each with the column's least and greatest: a repeating text column costs half.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>

#include "base/result.h"

namespace sluice::parquet_format_detail {

// Replaces the text leaves at `paths` ("event", "user.city") of one column, given as the arrays of a row group, by
// dictionary arrays that share one dictionary. A leaf with too many different values stays as it is.
Result<arrow::ArrayVector> encode_text(const std::string& column, const arrow::ArrayVector& chunks,
                                       const std::vector<std::string>& paths);

}  // namespace sluice::parquet_format_detail
