// bzip2: one stream after another, as pbzip2 and `cat` make them.
#include <bzlib.h>

#include <algorithm>
#include <climits>
#include <vector>

#include "codec/coder.h"

namespace sluice {
namespace {

class Bzip2Decompressor final : public Decompressor {
 public:
  ~Bzip2Decompressor() override { end(); }

  arrow::Result<Step> decompress(Bytes in, Space out) override {
    Step step;
    if (!inside_) {
      step.between_frames = streams_ > 0;
      if (in.empty()) return step;
      bzip2_ = {};
      if (BZ2_bzDecompressInit(&bzip2_, 0, 0) != BZ_OK) return arrow::Status::OutOfMemory("no memory for bzip2");
      inside_ = true;
    }
    bzip2_.next_in = const_cast<char*>(reinterpret_cast<const char*>(in.data()));
    bzip2_.avail_in = clamp_to_unsigned(in.size());
    bzip2_.next_out = reinterpret_cast<char*>(out.data());
    bzip2_.avail_out = clamp_to_unsigned(out.size());
    int verdict = BZ2_bzDecompress(&bzip2_);
    step.consumed = clamp_to_unsigned(in.size()) - bzip2_.avail_in;
    step.produced = clamp_to_unsigned(out.size()) - bzip2_.avail_out;
    step.between_frames = verdict == BZ_STREAM_END;
    switch (verdict) {
      case BZ_OK:
        return step;
      case BZ_STREAM_END:
        ++streams_;
        return end(), step;
      case BZ_MEM_ERROR:
        return arrow::Status::OutOfMemory("no memory for bzip2");
      case BZ_DATA_ERROR_MAGIC:
        if (streams_ == 0) return arrow::Status::Invalid("this is not bzip2 data");
        return arrow::Status::Invalid("damaged bzip2 data: bytes that are no bzip2 stream follow stream ", streams_);
      default:
        return arrow::Status::Invalid("damaged bzip2 data: a block's checksum or structure is wrong");
    }
  }

 private:
  void end() {
    if (inside_) BZ2_bzDecompressEnd(&bzip2_);
    inside_ = false;
  }

  bz_stream bzip2_{};
  bool inside_ = false;
  int64_t streams_ = 0;
};

class Bzip2Compressor final : public Compressor {
 public:
  explicit Bzip2Compressor(int level) { failed_ = BZ2_bzCompressInit(&bzip2_, level, 0, 0) != BZ_OK; }
  ~Bzip2Compressor() override { BZ2_bzCompressEnd(&bzip2_); }

  arrow::Status compress(Bytes in, Then then, arrow::io::OutputStream& out) override {
    if (failed_) return arrow::Status::OutOfMemory("no memory for bzip2");
    while (!in.empty()) {  // BZ_RUN without input is an error, hence no call at all then
      Bytes part = in.first(clamp_to_unsigned(in.size()));
      in = in.subspan(part.size());
      bzip2_.next_in = const_cast<char*>(reinterpret_cast<const char*>(part.data()));
      bzip2_.avail_in = static_cast<unsigned>(part.size());
      while (bzip2_.avail_in > 0) ARROW_RETURN_NOT_OK(run(BZ_RUN, out).status());
    }
    if (then == Then::go_on) return arrow::Status::OK();
    int action = then == Then::finish ? BZ_FINISH : BZ_FLUSH;
    int done = then == Then::finish ? BZ_STREAM_END : BZ_RUN_OK;
    while (true) {
      ARROW_ASSIGN_OR_RAISE(int verdict, run(action, out));
      if (verdict == done) return arrow::Status::OK();
    }
  }

 private:
  arrow::Result<int> run(int action, arrow::io::OutputStream& out) {
    bzip2_.next_out = reinterpret_cast<char*>(buffer_.data());
    bzip2_.avail_out = static_cast<unsigned>(buffer_.size());
    int verdict = BZ2_bzCompress(&bzip2_, action);
    if (verdict < 0) return arrow::Status::UnknownError("bzip2: error ", verdict);
    size_t ready = buffer_.size() - bzip2_.avail_out;
    if (ready > 0) ARROW_RETURN_NOT_OK(out.Write(buffer_.data(), static_cast<int64_t>(ready)));
    return verdict;
  }

  bz_stream bzip2_{};
  bool failed_ = false;
  std::vector<uint8_t> buffer_ = std::vector<uint8_t>(128 << 10);
};

}  // namespace

std::unique_ptr<Decompressor> bzip2_decompressor() { return std::make_unique<Bzip2Decompressor>(); }
std::unique_ptr<Compressor> bzip2_compressor(int level) { return std::make_unique<Bzip2Compressor>(level); }

}  // namespace sluice
