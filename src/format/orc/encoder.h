// Writes one ORC file. Rows are held as Arrow batches until there are enough to open the ORC writer for, whose buffers
// cost far more than a few rows: thousands of encoders can be open.
#pragma once

#include <memory>

#include <arrow/util/type_fwd.h>

#include "port/format.h"

namespace sluice::orc_format_detail {

struct EncoderOptions {
  arrow::Compression::type codec = arrow::Compression::ZSTD;
  int64_t stripe_bytes = 64 << 20;
  int64_t block_bytes = 256 << 10;
  bool dictionary = true;
};

// An error when `schema` holds what ORC has no type for.
Result<std::unique_ptr<Encoder>> make_encoder(const EncoderOptions& options, const SchemaPtr& schema,
                                              std::shared_ptr<arrow::io::OutputStream> out);

}  // namespace sluice::orc_format_detail
