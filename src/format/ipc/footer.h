// Where an Arrow file's record batches lie and how many rows each has, without reading their bodies. Arrow's reader
// knows, but does not tell.
#pragma once

#include <cstdint>
#include <vector>

#include <arrow/io/type_fwd.h>
#include <arrow/type_fwd.h>

namespace sluice::ipc_format_detail {

struct RecordBlock {
  int64_t rows = 0;
  int64_t bytes = 0;  // stored
};

// Reads the footer and each block's metadata (a few hundred bytes each). Invalid: the bytes are not what they should
// be.
arrow::Result<std::vector<RecordBlock>> read_blocks(arrow::io::RandomAccessFile& file);

// Files begin and end with this ("Apache Arrow Columnar Format", IPC File Format).
constexpr char kMagic[] = "ARROW1";
constexpr int64_t kMagicBytes = 6;

}  // namespace sluice::ipc_format_detail
