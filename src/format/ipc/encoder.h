// Writes one Arrow IPC file or stream.
#pragma once

#include <memory>
#include <optional>

#include <arrow/util/type_fwd.h>

#include "port/format.h"

namespace sluice::ipc_format_detail {

struct EncoderOptions {
  std::optional<arrow::Compression::type> codec;  // of the columns' buffers; unset: none
  bool stream = false;
  int64_t batch_rows = 0;  // of a record batch; smaller ones are joined
  int64_t batch_bytes = 0;
};

std::unique_ptr<Encoder> make_encoder(const EncoderOptions& options, const SchemaPtr& schema,
                                      std::shared_ptr<arrow::io::OutputStream> out);

}  // namespace sluice::ipc_format_detail
