// How the blocks of Avro files are compressed ("Required Codecs", "Optional Codecs").
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "avro/bytes.h"
#include "base/result.h"

namespace sluice::avro {

enum class BlockCodec : uint8_t { null, deflate, snappy, zstandard, bzip2, xz };
// avro.codec's spelling, in the order of the enum.
inline constexpr std::array<std::string_view, 6> kBlockCodecs = {"null",      "deflate", "snappy",
                                                                 "zstandard", "bzip2",   "xz"};
// Unset: unknown.
std::optional<BlockCodec> find_block_codec(std::string_view name);

// No block is larger, as stored or in memory: a small one may announce or unpack to anything.
inline constexpr int64_t kBlockBytesMax = int64_t{1} << 30;

// One of each thread; keeps what the libraries need between blocks.
class BlockCoder {
 public:
  virtual ~BlockCoder() = default;
  // Both replace what `out` holds. Damaged data, and data that grows beyond kBlockBytesMax, is an error without place.
  virtual Result<void> compress(ByteSpan in, Bytes& out) = 0;
  virtual Result<void> decompress(ByteSpan in, Bytes& out) = 0;
};
// `level`: deflate 1–12 (6), zstandard 1–22 (3), bzip2 1–9 (9), xz 0–9 (6); the others have none. Null for codec null.
std::unique_ptr<BlockCoder> make_block_coder(BlockCodec codec, std::optional<int> level = {});

}  // namespace sluice::avro
