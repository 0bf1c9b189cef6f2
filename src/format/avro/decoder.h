// Reads Avro files block by block. Positions are row numbers: a block's head says how many rows to pass over.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "avro/schema.h"
#include "port/format.h"

namespace sluice::avro_format_detail {

// Where blocks begin that somebody found on the way: a reader that starts there need not pass over all before. Shared
// by a format's decoders; thread-safe.
class BlockIndex {
 public:
  struct Place {
    int64_t row = 0;
    int64_t offset = 0;
  };
  void record(const std::string& file, std::vector<Place> places);
  // The last one at or before `row`. Row 0 without one.
  [[nodiscard]] Place find(const std::string& file, int64_t row) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<Place>> places_;  // ascending
};

// The rows at which to cut; see Format::cuts. Records what it finds.
Result<std::vector<int64_t>> find_cuts(Context& context, const Input& input, int64_t piece_bytes, BlockIndex& index);

// `planned`: the schema of the rows that come out. `reader`: the reader schema; null: each file's own.
struct DecoderPlan {
  DecoderOptions options;
  SchemaPtr planned;
  avro::SchemaRef reader;
};
std::unique_ptr<Decoder> make_decoder(DecoderPlan plan, std::shared_ptr<const BlockIndex> index);

}  // namespace sluice::avro_format_detail
