// gzip, RFC 1952: a file is one member after another; what follows the last one may only be zero padding (tapes).
#include <zlib.h>

#include <algorithm>
#include <climits>
#include <string>
#include <vector>

#include "codec/coder.h"

namespace sluice {
namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib.h, inflateInit2: 15 is the largest window, +16 means gzip only

class GzipDecompressor final : public Decompressor {
 public:
  GzipDecompressor() { failed_ = inflateInit2(&zlib_, kGzipWindow) != Z_OK; }
  ~GzipDecompressor() override { inflateEnd(&zlib_); }

  arrow::Result<Step> decompress(Bytes in, Space out) override {
    if (failed_) return arrow::Status::OutOfMemory("no memory for zlib");
    Step step;
    if (!inside_) {
      if (members_ > 0) step.consumed = skip_padding(in);
      step.between_frames = members_ > 0;
      if (step.consumed == in.size()) return step;
      if (padded_) return not_a_member();
      if (inflateReset(&zlib_) != Z_OK) return arrow::Status::UnknownError("zlib refused to start");
      inside_ = true;
    }
    Bytes data = in.subspan(step.consumed);
    zlib_.next_in = const_cast<Bytef*>(data.data());
    zlib_.avail_in = clamp_to_unsigned(data.size());
    zlib_.next_out = out.data();
    zlib_.avail_out = clamp_to_unsigned(out.size());
    int verdict = inflate(&zlib_, Z_NO_FLUSH);
    step.consumed += clamp_to_unsigned(data.size()) - zlib_.avail_in;
    step.produced = clamp_to_unsigned(out.size()) - zlib_.avail_out;
    step.between_frames = verdict == Z_STREAM_END;
    if (verdict == Z_STREAM_END) {
      inside_ = false;
      ++members_;
    } else if (verdict == Z_MEM_ERROR) {
      return arrow::Status::OutOfMemory("no memory for zlib");
    } else if (verdict != Z_OK && verdict != Z_BUF_ERROR) {  // Z_BUF_ERROR: nothing to do without more input
      if (zlib_.total_out == 0 && zlib_.total_in <= 2) return not_a_member();
      std::string reason = zlib_.msg != nullptr ? zlib_.msg : "unknown reason";
      return arrow::Status::Invalid("damaged gzip data: ", reason);
    }
    return step;
  }

 private:
  size_t skip_padding(Bytes in) {
    auto first = std::find_if(in.begin(), in.end(), [](uint8_t byte) { return byte != 0; });
    padded_ |= first != in.begin();
    return static_cast<size_t>(first - in.begin());
  }
  [[nodiscard]] arrow::Status not_a_member() const {
    if (members_ == 0) return arrow::Status::Invalid("this is not gzip data");
    return arrow::Status::Invalid("damaged gzip data: bytes that are no gzip member follow member ", members_);
  }

  z_stream zlib_{};
  bool failed_ = false;
  bool inside_ = false;
  bool padded_ = false;
  int64_t members_ = 0;
};

class GzipCompressor final : public Compressor {
 public:
  explicit GzipCompressor(int level) {
    failed_ = deflateInit2(&zlib_, level, Z_DEFLATED, kGzipWindow, /*memLevel=*/8, Z_DEFAULT_STRATEGY) != Z_OK;
  }
  ~GzipCompressor() override { deflateEnd(&zlib_); }

  arrow::Status compress(Bytes in, Then then, arrow::io::OutputStream& out) override {
    if (failed_) return arrow::Status::OutOfMemory("no memory for zlib");
    int flush = then == Then::finish ? Z_FINISH : then == Then::flush ? Z_SYNC_FLUSH : Z_NO_FLUSH;
    do {
      zlib_.next_in = const_cast<Bytef*>(in.data());
      zlib_.avail_in = clamp_to_unsigned(in.size());
      bool last = in.size() <= UINT_MAX;
      ARROW_RETURN_NOT_OK(drain(last ? flush : Z_NO_FLUSH, out));
      in = in.subspan(clamp_to_unsigned(in.size()));
    } while (!in.empty());
    return arrow::Status::OK();
  }

 private:
  arrow::Status drain(int flush, arrow::io::OutputStream& out) {
    do {
      zlib_.next_out = buffer_.data();
      zlib_.avail_out = static_cast<uInt>(buffer_.size());
      int verdict = deflate(&zlib_, flush);
      if (verdict == Z_STREAM_ERROR) return arrow::Status::UnknownError("zlib lost its state");
      size_t ready = buffer_.size() - zlib_.avail_out;
      if (ready > 0) ARROW_RETURN_NOT_OK(out.Write(buffer_.data(), static_cast<int64_t>(ready)));
      if (verdict == Z_STREAM_END) break;
    } while (zlib_.avail_out == 0 || zlib_.avail_in > 0);
    return arrow::Status::OK();
  }

  z_stream zlib_{};
  bool failed_ = false;
  std::vector<uint8_t> buffer_ = std::vector<uint8_t>(128 << 10);
};

}  // namespace

std::unique_ptr<Decompressor> gzip_decompressor() { return std::make_unique<GzipDecompressor>(); }
std::unique_ptr<Compressor> gzip_compressor(int level) { return std::make_unique<GzipCompressor>(level); }

}  // namespace sluice
