// Reads Parquet files, one row group at a time, never more of one than a batch and its pages.
#pragma once

#include <memory>

#include "port/format.h"

namespace sluice::parquet_format_detail {

// `planned`: the schema of the rows that come out.
std::unique_ptr<Decoder> make_decoder(const DecoderOptions& options, SchemaPtr planned);

// The schema of one file, from its footer alone.
Result<SchemaPtr> read_schema(const Input& input);
// Rows at which row groups begin, about `piece_bytes` apart; see Format::cuts.
Result<std::vector<int64_t>> row_cuts(const Input& input, int64_t piece_bytes);

}  // namespace sluice::parquet_format_detail
