// What one compression format does with bytes; streams.cc puts arrow's streams around it. Inside src/codec only.
#pragma once

#include <algorithm>
#include <climits>
#include <cstdint>
#include <memory>
#include <span>

#include <arrow/io/interfaces.h>
#include <arrow/result.h>
#include <arrow/status.h>

namespace sluice {

using Bytes = std::span<const uint8_t>;
using Space = std::span<uint8_t>;

// zlib and bzip2 count in unsigned int.
inline unsigned clamp_to_unsigned(size_t bytes) { return static_cast<unsigned>(std::min<size_t>(bytes, UINT_MAX)); }

class Decompressor {
 public:
  virtual ~Decompressor() = default;
  struct Step {
    size_t consumed = 0;
    size_t produced = 0;
    bool between_frames = false;  // what was consumed so far ends where a frame (gzip: member) ends
  };
  // Does as much as both spans allow. Neither consumed nor produced: it needs more input. Goes on with the next frame
  // by itself. Damaged data is Invalid.
  virtual arrow::Result<Step> decompress(Bytes in, Space out) = 0;
};

class Compressor {
 public:
  virtual ~Compressor() = default;
  enum class Then { go_on, flush, finish };
  // Writes to `out` what `in` and `then` make ready. Nothing may follow `finish`.
  virtual arrow::Status compress(Bytes in, Then then, arrow::io::OutputStream& out) = 0;
};

std::unique_ptr<Decompressor> gzip_decompressor();
std::unique_ptr<Decompressor> zstd_decompressor();
std::unique_ptr<Decompressor> snappy_decompressor();
std::unique_ptr<Decompressor> lz4_decompressor();
std::unique_ptr<Decompressor> bzip2_decompressor();

std::unique_ptr<Compressor> gzip_compressor(int level);
std::unique_ptr<Compressor> zstd_compressor(int level);
std::unique_ptr<Compressor> snappy_compressor();
std::unique_ptr<Compressor> lz4_compressor(int level);
std::unique_ptr<Compressor> bzip2_compressor(int level);

}  // namespace sluice
