// Reads Arrow IPC files and streams, record batch by record batch. Which of the two it is, the first bytes tell.
#pragma once

#include <memory>

#include "port/format.h"

namespace sluice::ipc_format_detail {

// `planned`: the schema of the rows that come out.
std::unique_ptr<Decoder> make_decoder(const DecoderOptions& options, SchemaPtr planned);

// The schema of one file, without reading rows.
Result<SchemaPtr> read_schema(const Input& input);
// Rows at which record batches begin, about `piece_bytes` apart; see Format::cuts. A stream cannot be cut.
Result<std::vector<int64_t>> row_cuts(const Input& input, int64_t piece_bytes);

}  // namespace sluice::ipc_format_detail
