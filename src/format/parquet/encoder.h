// Writes one Parquet file. Rows are held as Arrow batches until a row group is full and then written column by column;
// an encoder that has not seen a full row group owns nothing but them, so that thousands can be open.
#pragma once

#include <memory>
#include <optional>

#include <parquet/types.h>

#include "port/format.h"

namespace sluice::parquet_format_detail {

struct EncoderOptions {
  parquet::Compression::type codec = parquet::Compression::ZSTD;
  std::optional<int> level;
  int64_t row_group_rows = 0;
  int64_t row_group_bytes = 0;  // of rows in memory
  int64_t page_bytes = 0;
  bool dictionary = true;
  bool statistics = true;
  bool all_encodings = true;  // false: only dictionary and plain, which the oldest readers know
};

std::unique_ptr<Encoder> make_encoder(const EncoderOptions& options, SchemaPtr schema,
                                      std::shared_ptr<arrow::io::OutputStream> out);

}  // namespace sluice::parquet_format_detail
