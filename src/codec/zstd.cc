// Zstandard, RFC 8878. The library goes from frame to frame and skips skippable ones by itself.
#include <zstd.h>

#include <vector>

#include "codec/coder.h"

namespace sluice {
namespace {

class ZstdDecompressor final : public Decompressor {
 public:
  arrow::Result<Step> decompress(Bytes in, Space out) override {
    if (zstd_ == nullptr) return arrow::Status::OutOfMemory("no memory for zstd");
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    size_t hint = ZSTD_decompressStream(zstd_.get(), &to, &from);
    if (ZSTD_isError(hint) != 0) {
      const char* reason = ZSTD_getErrorName(hint);
      if (!any_) return arrow::Status::Invalid("this is not readable zstd data: ", reason);
      return arrow::Status::Invalid("damaged zstd data: ", reason);
    }
    any_ |= to.pos > 0;
    bool moved = from.pos > 0 || to.pos > 0;
    between_ = moved ? hint == 0 : between_;  // 0: a frame is decoded and flushed
    return Step{from.pos, to.pos, between_};
  }

 private:
  struct Free {
    void operator()(ZSTD_DCtx* zstd) const { ZSTD_freeDCtx(zstd); }
  };
  std::unique_ptr<ZSTD_DCtx, Free> zstd_{ZSTD_createDCtx()};
  bool any_ = false;
  bool between_ = false;
};

class ZstdCompressor final : public Compressor {
 public:
  explicit ZstdCompressor(int level) {
    if (zstd_ == nullptr) return;
    ZSTD_CCtx_setParameter(zstd_.get(), ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(zstd_.get(), ZSTD_c_checksumFlag, 1);  // as the zstd command does
  }

  arrow::Status compress(Bytes in, Then then, arrow::io::OutputStream& out) override {
    if (zstd_ == nullptr) return arrow::Status::OutOfMemory("no memory for zstd");
    auto directive = then == Then::finish ? ZSTD_e_end : then == Then::flush ? ZSTD_e_flush : ZSTD_e_continue;
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    size_t left = 0;
    do {
      ZSTD_outBuffer to{buffer_.data(), buffer_.size(), 0};
      left = ZSTD_compressStream2(zstd_.get(), &to, &from, directive);
      if (ZSTD_isError(left) != 0) return arrow::Status::UnknownError("zstd: ", ZSTD_getErrorName(left));
      if (to.pos > 0) ARROW_RETURN_NOT_OK(out.Write(buffer_.data(), static_cast<int64_t>(to.pos)));
    } while (directive == ZSTD_e_continue ? from.pos < from.size : left > 0);
    return arrow::Status::OK();
  }

 private:
  struct Free {
    void operator()(ZSTD_CCtx* zstd) const { ZSTD_freeCCtx(zstd); }
  };
  std::unique_ptr<ZSTD_CCtx, Free> zstd_{ZSTD_createCCtx()};
  std::vector<uint8_t> buffer_ = std::vector<uint8_t>(ZSTD_CStreamOutSize());
};

}  // namespace

std::unique_ptr<Decompressor> zstd_decompressor() { return std::make_unique<ZstdDecompressor>(); }
std::unique_ptr<Compressor> zstd_compressor(int level) { return std::make_unique<ZstdCompressor>(level); }

}  // namespace sluice
