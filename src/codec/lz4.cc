// The LZ4 frame format (github.com/lz4/lz4, doc/lz4_Frame_format.md). The legacy format of `lz4 -l` is not it.
#include <lz4frame.h>

#include <algorithm>
#include <vector>

#include "codec/coder.h"

namespace sluice {
namespace {

constexpr size_t kPartBytes = 256 << 10;

class Lz4Decompressor final : public Decompressor {
 public:
  Lz4Decompressor() {
    if (LZ4F_isError(LZ4F_createDecompressionContext(&lz4_, LZ4F_VERSION)) != 0) lz4_ = nullptr;
  }
  ~Lz4Decompressor() override { LZ4F_freeDecompressionContext(lz4_); }

  arrow::Result<Step> decompress(Bytes in, Space out) override {
    if (lz4_ == nullptr) return arrow::Status::OutOfMemory("no memory for lz4");
    static constexpr uint8_t kNothing = 0;  // the library does not take a null source
    size_t consumed = in.size();
    size_t produced = out.size();
    size_t hint = LZ4F_decompress(lz4_, out.data(), &produced, in.empty() ? &kNothing : in.data(), &consumed,
                                  /*options=*/nullptr);
    if (LZ4F_isError(hint) != 0) {
      const char* reason = LZ4F_getErrorName(hint);
      if (!any_) return arrow::Status::Invalid("this is not readable lz4 data: ", reason);
      return arrow::Status::Invalid("damaged lz4 data: ", reason);
    }
    any_ |= produced > 0;
    if (consumed > 0 || produced > 0) between_ = hint == 0;  // 0: the frame is complete
    return Step{consumed, produced, between_};
  }

 private:
  LZ4F_dctx* lz4_ = nullptr;
  bool any_ = false;
  bool between_ = false;
};

class Lz4Compressor final : public Compressor {
 public:
  explicit Lz4Compressor(int level) {
    if (LZ4F_isError(LZ4F_createCompressionContext(&lz4_, LZ4F_VERSION)) != 0) lz4_ = nullptr;
    preferences_.compressionLevel = level;
    preferences_.frameInfo.blockSizeID = LZ4F_max256KB;
    preferences_.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;  // as the lz4 command does
    buffer_.resize(LZ4F_compressBound(kPartBytes, &preferences_) + LZ4F_HEADER_SIZE_MAX);
  }
  ~Lz4Compressor() override { LZ4F_freeCompressionContext(lz4_); }

  arrow::Status compress(Bytes in, Then then, arrow::io::OutputStream& out) override {
    if (lz4_ == nullptr) return arrow::Status::OutOfMemory("no memory for lz4");
    if (!begun_) {
      begun_ = true;
      ARROW_RETURN_NOT_OK(put(LZ4F_compressBegin(lz4_, buffer_.data(), buffer_.size(), &preferences_), out));
    }
    while (!in.empty()) {
      Bytes part = in.first(std::min(in.size(), kPartBytes));
      in = in.subspan(part.size());
      ARROW_RETURN_NOT_OK(
          put(LZ4F_compressUpdate(lz4_, buffer_.data(), buffer_.size(), part.data(), part.size(), nullptr), out));
    }
    if (then == Then::flush) return put(LZ4F_flush(lz4_, buffer_.data(), buffer_.size(), nullptr), out);
    if (then == Then::finish) return put(LZ4F_compressEnd(lz4_, buffer_.data(), buffer_.size(), nullptr), out);
    return arrow::Status::OK();
  }

 private:
  arrow::Status put(size_t bytes, arrow::io::OutputStream& out) {
    if (LZ4F_isError(bytes) != 0) return arrow::Status::UnknownError("lz4: ", LZ4F_getErrorName(bytes));
    if (bytes == 0) return arrow::Status::OK();
    return out.Write(buffer_.data(), static_cast<int64_t>(bytes));
  }

  LZ4F_cctx* lz4_ = nullptr;
  LZ4F_preferences_t preferences_ = LZ4F_INIT_PREFERENCES;
  std::vector<uint8_t> buffer_;
  bool begun_ = false;
};

}  // namespace

std::unique_ptr<Decompressor> lz4_decompressor() { return std::make_unique<Lz4Decompressor>(); }
std::unique_ptr<Compressor> lz4_compressor(int level) { return std::make_unique<Lz4Compressor>(level); }

}  // namespace sluice
