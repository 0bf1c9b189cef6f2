// Reads Arrow IPC files and streams, record batch by record batch. Which of the two it is, the first bytes tell.
#pragma once

#include <memory>

#include "port/format.h"

namespace sluice::ipc_format_detail {

std::unique_ptr<Decoder> make_decoder(SchemaPtr planned, int64_t batch_rows, int64_t batch_bytes);

// The schema of one file, without reading rows.
Result<SchemaPtr> read_schema(const Input& input);
// Rows at which record batches begin, about `piece_bytes` apart; see Format::cuts. A stream cannot be cut.
Result<std::vector<int64_t>> row_cuts(const Input& input, int64_t piece_bytes);

}  // namespace sluice::ipc_format_detail
