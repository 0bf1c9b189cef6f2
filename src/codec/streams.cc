#include "codec/streams.h"

#include <string>
#include <utility>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>

namespace sluice {
namespace {

constexpr int64_t kReadBytes = 256 << 10;

class DecompressedStream final : public arrow::io::InputStream {
 public:
  DecompressedStream(std::string_view name, std::unique_ptr<Decompressor> decompressor,
                     std::shared_ptr<arrow::io::InputStream> in)
      : name_(name), decompressor_(std::move(decompressor)), in_(std::move(in)) {}
  ~DecompressedStream() override { (void)Close(); }

  arrow::Status Close() override {
    if (std::exchange(closed_, true)) return arrow::Status::OK();
    pending_.reset();
    rest_ = {};
    return in_->Close();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return produced_; }

  arrow::Result<int64_t> Read(int64_t bytes, void* to) override {
    if (closed_) return arrow::Status::Invalid("read from a closed ", name_, " stream");
    Space space(static_cast<uint8_t*>(to), static_cast<size_t>(bytes));
    while (!space.empty()) {
      ARROW_ASSIGN_OR_RAISE(auto step, decompressor_->decompress(rest_, space));
      rest_ = rest_.subspan(step.consumed);
      space = space.subspan(step.produced);
      consumed_ += static_cast<int64_t>(step.consumed);
      complete_ = step.between_frames;
      if (step.consumed > 0 || step.produced > 0) continue;
      ARROW_ASSIGN_OR_RAISE(bool more, refill());
      if (!more) break;
    }
    int64_t read = bytes - static_cast<int64_t>(space.size());
    produced_ += read;
    return read;
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t bytes) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(bytes));
    ARROW_ASSIGN_OR_RAISE(int64_t read, Read(bytes, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(read, /*shrink_to_fit=*/false));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

 private:
  // False at the end of the data; the end is only an end between frames, after at least one.
  arrow::Result<bool> refill() {
    if (!rest_.empty()) return arrow::Status::Invalid("damaged ", name_, " data after ", consumed_, " bytes");
    ARROW_ASSIGN_OR_RAISE(pending_, in_->Read(kReadBytes));
    if (pending_->size() > 0) {
      rest_ = {pending_->data(), static_cast<size_t>(pending_->size())};
      return true;
    }
    if (consumed_ == 0) return arrow::Status::Invalid("truncated ", name_, " data: it is empty");
    if (complete_) return false;
    return arrow::Status::Invalid("truncated ", name_, " data: it ends after ", consumed_,
                                  " bytes, before its own end; copy the file again");
  }

  const std::string name_;
  std::unique_ptr<Decompressor> decompressor_;
  std::shared_ptr<arrow::io::InputStream> in_;
  std::shared_ptr<arrow::Buffer> pending_;
  Bytes rest_;  // of pending_
  int64_t consumed_ = 0;
  int64_t produced_ = 0;
  bool complete_ = false;
  bool closed_ = false;
};

class CompressedStream final : public arrow::io::OutputStream {
 public:
  CompressedStream(std::unique_ptr<Compressor> compressor, std::shared_ptr<arrow::io::OutputStream> out)
      : compressor_(std::move(compressor)), out_(std::move(out)) {}

  arrow::Status Close() override {
    if (std::exchange(closed_, true)) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(compressor_->compress({}, Compressor::Then::finish, *out_));
    return out_->Flush();
  }
  // Without its end the data is recognisably cut short, which is what an abandoned write should leave.
  arrow::Status Abort() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return written_; }

  using arrow::io::OutputStream::Write;
  arrow::Status Write(const void* data, int64_t bytes) override {
    if (closed_) return arrow::Status::Invalid("write to a closed compressed stream");
    written_ += bytes;
    return compressor_->compress({static_cast<const uint8_t*>(data), static_cast<size_t>(bytes)},
                                 Compressor::Then::go_on, *out_);
  }
  arrow::Status Flush() override {
    if (closed_) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(compressor_->compress({}, Compressor::Then::flush, *out_));
    return out_->Flush();
  }

 private:
  std::unique_ptr<Compressor> compressor_;
  std::shared_ptr<arrow::io::OutputStream> out_;
  int64_t written_ = 0;
  bool closed_ = false;
};

}  // namespace

std::shared_ptr<arrow::io::InputStream> decompressed_stream(std::string_view name,
                                                            std::unique_ptr<Decompressor> decompressor,
                                                            std::shared_ptr<arrow::io::InputStream> in) {
  return std::make_shared<DecompressedStream>(name, std::move(decompressor), std::move(in));
}

std::shared_ptr<arrow::io::OutputStream> compressed_stream(std::unique_ptr<Compressor> compressor,
                                                           std::shared_ptr<arrow::io::OutputStream> out) {
  return std::make_shared<CompressedStream>(std::move(compressor), std::move(out));
}

}  // namespace sluice
