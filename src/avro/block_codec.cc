#include "avro/block_codec.h"

#include <bzlib.h>
#include <libdeflate.h>
#include <lzma.h>
#include <snappy.h>
#include <zstd.h>

#include <algorithm>

namespace sluice::avro {
namespace {

Error no_memory() { return refused("not enough memory for a block"); }
Error too_large() { return user_error("a block of more than 1 GB"); }
Error damaged(BlockCodec codec) {
  return user_error("its {} data is damaged", kBlockCodecs[static_cast<size_t>(codec)]);
}

// Calls `unpack(capacity)` with ever more room until it is enough. It returns true when done, false to ask for more.
template <typename Unpack>
Result<void> with_room(size_t compressed, Bytes& out, const Unpack& unpack) {
  int64_t room = std::max<int64_t>(4096, 4 * static_cast<int64_t>(compressed));
  for (;; room *= 4) {
    room = std::min(room, kBlockBytesMax);
    out.clear();
    if (!out.ensure(room)) return no_memory();
    if (TRY(unpack(room))) return {};
    if (room == kBlockBytesMax) return too_large();
  }
}

// Raw deflate, without zlib's header and checksum.
class DeflateCoder final : public BlockCoder {
 public:
  explicit DeflateCoder(int level) : level_(level) {}

  Result<void> compress(ByteSpan in, Bytes& out) override {
    if (compressor_ == nullptr) compressor_.reset(libdeflate_alloc_compressor(level_));
    if (compressor_ == nullptr) return no_memory();
    const size_t bound = libdeflate_deflate_compress_bound(compressor_.get(), in.size());
    out.clear();
    if (!out.ensure(static_cast<int64_t>(bound))) return no_memory();
    const size_t size = libdeflate_deflate_compress(compressor_.get(), in.data(), in.size(), out.data(), bound);
    if (size == 0) return bug("deflate did not keep to its bound");
    out.advance(static_cast<int64_t>(size));
    return {};
  }

  Result<void> decompress(ByteSpan in, Bytes& out) override {
    if (decompressor_ == nullptr) decompressor_.reset(libdeflate_alloc_decompressor());
    if (decompressor_ == nullptr) return no_memory();
    return with_room(in.size(), out, [&](int64_t room) -> Result<bool> {
      size_t size = 0;
      const auto done = libdeflate_deflate_decompress(decompressor_.get(), in.data(), in.size(), out.data(),
                                                      static_cast<size_t>(room), &size);
      if (done == LIBDEFLATE_INSUFFICIENT_SPACE) return false;
      if (done != LIBDEFLATE_SUCCESS) return damaged(BlockCodec::deflate);
      out.advance(static_cast<int64_t>(size));
      return true;
    });
  }

 private:
  struct Free {
    void operator()(libdeflate_compressor* p) const { libdeflate_free_compressor(p); }
    void operator()(libdeflate_decompressor* p) const { libdeflate_free_decompressor(p); }
  };
  const int level_;
  std::unique_ptr<libdeflate_compressor, Free> compressor_;
  std::unique_ptr<libdeflate_decompressor, Free> decompressor_;
};

// "Each compressed block is followed by the 4-byte, big-endian CRC32 checksum of the uncompressed data in the block."
class SnappyCoder final : public BlockCoder {
 public:
  Result<void> compress(ByteSpan in, Bytes& out) override {
    out.clear();
    if (!out.ensure(static_cast<int64_t>(snappy::MaxCompressedLength(in.size())) + 4)) return no_memory();
    size_t size = 0;
    snappy::RawCompress(reinterpret_cast<const char*>(in.data()), in.size(), reinterpret_cast<char*>(out.data()),
                        &size);
    out.advance(static_cast<int64_t>(size));
    const uint32_t crc = libdeflate_crc32(0, in.data(), in.size());
    for (int shift = 24; shift >= 0; shift -= 8) out.put(static_cast<uint8_t>(crc >> shift));
    return {};
  }

  Result<void> decompress(ByteSpan in, Bytes& out) override {
    if (in.size() < 4) return user_error("its snappy data has no checksum");
    const auto body = in.first(in.size() - 4);
    const char* compressed = reinterpret_cast<const char*>(body.data());
    size_t size = 0;
    if (!snappy::GetUncompressedLength(compressed, body.size(), &size)) return damaged(BlockCodec::snappy);
    // A copy of up to 64 bytes takes at least two.
    if (size > 32 * body.size() + 64) return damaged(BlockCodec::snappy);
    if (static_cast<int64_t>(size) > kBlockBytesMax) return too_large();
    out.clear();
    if (!out.ensure(static_cast<int64_t>(size))) return no_memory();
    if (size > 0 && !snappy::RawUncompress(compressed, body.size(), reinterpret_cast<char*>(out.data()))) {
      return damaged(BlockCodec::snappy);
    }
    out.advance(static_cast<int64_t>(size));
    uint32_t wanted = 0;
    for (uint8_t byte : in.last(4)) wanted = wanted << 8 | byte;
    if (libdeflate_crc32(0, out.data(), size) != wanted) return user_error("its CRC32 checksum is wrong");
    return {};
  }
};

class ZstandardCoder final : public BlockCoder {
 public:
  explicit ZstandardCoder(int level) : level_(level) {}

  Result<void> compress(ByteSpan in, Bytes& out) override {
    if (compressor_ == nullptr) compressor_.reset(ZSTD_createCCtx());
    if (compressor_ == nullptr) return no_memory();
    const size_t bound = ZSTD_compressBound(in.size());
    out.clear();
    if (!out.ensure(static_cast<int64_t>(bound))) return no_memory();
    const size_t size = ZSTD_compressCCtx(compressor_.get(), out.data(), bound, in.data(), in.size(), level_);
    if (ZSTD_isError(size) != 0) return bug("zstandard did not keep to its bound");
    out.advance(static_cast<int64_t>(size));
    return {};
  }

  // Writers that stream leave the size out of the frame.
  Result<void> decompress(ByteSpan in, Bytes& out) override {
    if (decompressor_ == nullptr) decompressor_.reset(ZSTD_createDCtx());
    if (decompressor_ == nullptr) return no_memory();
    ZSTD_DCtx_reset(decompressor_.get(), ZSTD_reset_session_only);
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    int64_t room = std::max<int64_t>(4096, 4 * std::ssize(in));
    out.clear();
    for (size_t left = 1; left != 0 || from.pos < from.size;) {
      if (out.size() + room > kBlockBytesMax) return too_large();
      if (!out.ensure(room)) return no_memory();
      ZSTD_outBuffer to{out.end(), static_cast<size_t>(room), 0};
      const size_t read_before = from.pos;
      left = ZSTD_decompressStream(decompressor_.get(), &to, &from);
      if (ZSTD_isError(left) != 0) return damaged(BlockCodec::zstandard);
      if (to.pos == 0 && from.pos == read_before && left != 0) return damaged(BlockCodec::zstandard);
      out.advance(static_cast<int64_t>(to.pos));
    }
    return {};
  }

 private:
  struct Free {
    void operator()(ZSTD_CCtx* p) const { ZSTD_freeCCtx(p); }
    void operator()(ZSTD_DCtx* p) const { ZSTD_freeDCtx(p); }
  };
  const int level_;
  std::unique_ptr<ZSTD_CCtx, Free> compressor_;
  std::unique_ptr<ZSTD_DCtx, Free> decompressor_;
};

class Bzip2Coder final : public BlockCoder {
 public:
  explicit Bzip2Coder(int level) : level_(level) {}

  Result<void> compress(ByteSpan in, Bytes& out) override {
    auto bound = static_cast<unsigned>(in.size() + in.size() / 100 + 600);  // as its manual says
    out.clear();
    if (!out.ensure(bound)) return no_memory();
    const int done = BZ2_bzBuffToBuffCompress(to_char(out.data()), &bound, to_char(in.data()),
                                              static_cast<unsigned>(in.size()), level_, 0, 0);
    if (done != BZ_OK) return bug("bzip2 did not keep to its bound");
    out.advance(bound);
    return {};
  }

  Result<void> decompress(ByteSpan in, Bytes& out) override {
    return with_room(in.size(), out, [&](int64_t room) -> Result<bool> {
      auto size = static_cast<unsigned>(room);
      const int done = BZ2_bzBuffToBuffDecompress(to_char(out.data()), &size, to_char(in.data()),
                                                  static_cast<unsigned>(in.size()), 0, 0);
      if (done == BZ_OUTBUFF_FULL) return false;
      if (done != BZ_OK) return damaged(BlockCodec::bzip2);
      out.advance(size);
      return true;
    });
  }

 private:
  // The library takes what it only reads as char*, too.
  static char* to_char(const uint8_t* bytes) { return reinterpret_cast<char*>(const_cast<uint8_t*>(bytes)); }
  const int level_;
};

class XzCoder final : public BlockCoder {
 public:
  explicit XzCoder(uint32_t level) : level_(level) {}

  Result<void> compress(ByteSpan in, Bytes& out) override {
    const size_t bound = lzma_stream_buffer_bound(in.size());
    size_t size = 0;
    out.clear();
    if (!out.ensure(static_cast<int64_t>(bound))) return no_memory();
    if (lzma_easy_buffer_encode(level_, LZMA_CHECK_CRC64, nullptr, in.data(), in.size(), out.data(), &size, bound) !=
        LZMA_OK) {
      return no_memory();
    }
    out.advance(static_cast<int64_t>(size));
    return {};
  }

  Result<void> decompress(ByteSpan in, Bytes& out) override {
    return with_room(in.size(), out, [&](int64_t room) -> Result<bool> {
      uint64_t memory_max = 128 << 20;
      size_t read = 0;
      size_t written = 0;
      const auto done = lzma_stream_buffer_decode(&memory_max, 0, nullptr, in.data(), &read, in.size(), out.data(),
                                                  &written, static_cast<size_t>(room));
      if (done == LZMA_BUF_ERROR) return false;
      if (done != LZMA_OK) return damaged(BlockCodec::xz);
      out.advance(static_cast<int64_t>(written));
      return true;
    });
  }

 private:
  const uint32_t level_;
};

}  // namespace

std::optional<BlockCodec> find_block_codec(std::string_view name) {
  const auto* found = std::find(kBlockCodecs.begin(), kBlockCodecs.end(), name);
  if (found == kBlockCodecs.end()) return std::nullopt;
  return static_cast<BlockCodec>(found - kBlockCodecs.begin());
}

std::unique_ptr<BlockCoder> make_block_coder(BlockCodec codec, std::optional<int> level) {
  switch (codec) {
    case BlockCodec::null:
      return nullptr;
    case BlockCodec::deflate:
      return std::make_unique<DeflateCoder>(level.value_or(6));
    case BlockCodec::snappy:
      return std::make_unique<SnappyCoder>();
    case BlockCodec::zstandard:
      return std::make_unique<ZstandardCoder>(level.value_or(3));
    case BlockCodec::bzip2:
      return std::make_unique<Bzip2Coder>(level.value_or(9));
    case BlockCodec::xz:
      return std::make_unique<XzCoder>(static_cast<uint32_t>(level.value_or(6)));
  }
  return nullptr;
}

}  // namespace sluice::avro
