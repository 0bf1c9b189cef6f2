// Arrow's streams around a Decompressor or Compressor. Inside src/codec only.
#pragma once

#include <memory>
#include <string_view>

#include <arrow/io/type_fwd.h>

#include "codec/coder.h"

namespace sluice {

// `name` is the codec's, for errors.
std::shared_ptr<arrow::io::InputStream> decompressed_stream(std::string_view name,
                                                            std::unique_ptr<Decompressor> decompressor,
                                                            std::shared_ptr<arrow::io::InputStream> in);
std::shared_ptr<arrow::io::OutputStream> compressed_stream(std::unique_ptr<Compressor> compressor,
                                                           std::shared_ptr<arrow::io::OutputStream> out);

}  // namespace sluice
