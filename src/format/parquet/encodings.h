// How each column is best written, judged by its first row group: building a dictionary of values that hardly repeat is
// the main waste of a Parquet writer, and integers are smaller and cheaper as packed differences.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>
#include <parquet/types.h>

#include "batch/schema.h"

namespace sluice::parquet_format_detail {

struct ColumnEncoding {
  std::string path;  // Parquet's: "user.id", "tags.list.element", "props.key_value.key"
  bool dictionary = true;
  bool text_repeats = false;  // few enough different texts that encode_text() should build the dictionary
  parquet::Encoding::type encoding = parquet::Encoding::PLAIN;  // where there is no dictionary
};

// One entry per leaf column. Costs about 2 ns a value.
std::vector<ColumnEncoding> choose_encodings(const arrow::Schema& schema, const std::vector<BatchPtr>& rows);

}  // namespace sluice::parquet_format_detail
