#include "connector/file/byte_stream.h"

#include <algorithm>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/io/memory.h>

#include "batch/arrow_result.h"

namespace sluice::file {
namespace {

class StreamFrom final : public arrow::io::InputStream {
 public:
  StreamFrom(std::shared_ptr<arrow::io::RandomAccessFile> file, int64_t offset)
      : file_(std::move(file)), position_(offset) {}

  arrow::Status Close() override {
    file_.reset();
    return arrow::Status::OK();
  }
  [[nodiscard]] bool closed() const override { return file_ == nullptr; }
  [[nodiscard]] arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Result<int64_t> Read(int64_t nbytes, void* out) override {
    ARROW_ASSIGN_OR_RAISE(auto got, file_->ReadAt(position_, nbytes, out));
    position_ += got;
    return got;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t nbytes) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, file_->ReadAt(position_, nbytes));
    position_ += buffer->size();
    return buffer;
  }

 private:
  std::shared_ptr<arrow::io::RandomAccessFile> file_;
  int64_t position_;
};

constexpr int64_t kSkipBytes = 1 << 20;
// An error that has to wait for its line number longer than this takes names the byte instead.
constexpr int64_t kCountedBytesMax = 1 << 30;

}  // namespace

std::shared_ptr<arrow::io::InputStream> stream_from(std::shared_ptr<arrow::io::RandomAccessFile> file, int64_t offset) {
  return std::make_shared<StreamFrom>(std::move(file), offset);
}

Result<std::shared_ptr<arrow::io::RandomAccessFile>> read_whole(std::shared_ptr<arrow::io::RandomAccessFile> file,
                                                                int64_t bytes) {
  // One byte more shows that it ends there.
  auto content = TRY(to_result(file->ReadAt(0, bytes + 1)));
  if (content->size() != bytes) return file;
  return std::shared_ptr<arrow::io::RandomAccessFile>(std::make_shared<arrow::io::BufferReader>(std::move(content)));
}

Result<std::shared_ptr<arrow::io::InputStream>> open_bytes(std::shared_ptr<arrow::io::RandomAccessFile> file,
                                                           Codec codec, int64_t offset, const std::string& name) {
  if (codec == Codec::none) return stream_from(std::move(file), offset);
  return open_compressed_bytes(stream_from(std::move(file), 0), codec, offset, name);
}

Result<std::shared_ptr<arrow::io::InputStream>> open_compressed_bytes(std::shared_ptr<arrow::io::InputStream> stored,
                                                                      Codec codec, int64_t offset,
                                                                      const std::string& name) {
  auto stream = TRY(open_decompressed(codec, std::move(stored)));
  std::vector<uint8_t> ignored(static_cast<size_t>(std::min(offset, kSkipBytes)));
  for (int64_t left = offset; left > 0;) {
    auto got = TRY(to_result(stream->Read(std::min(left, kSkipBytes), ignored.data())));
    if (got == 0) {
      return user_error("{}: has been read up to decompressed byte {} before and is shorter now", name, offset);
    }
    left -= got;
  }
  return stream;
}

Result<int64_t> count_line_feeds(std::shared_ptr<arrow::io::RandomAccessFile> file, Codec codec, int64_t end,
                                 const std::string& name, const std::stop_token& stop) {
  if (end > kCountedBytesMax) return refused("{}: its first {} bytes are too many to count lines in", name, end);
  auto stream = TRY(open_bytes(std::move(file), codec, 0, name));
  std::vector<uint8_t> piece(static_cast<size_t>(std::min(end, kSkipBytes)));
  int64_t line_feeds = 0;
  for (int64_t left = end; left > 0;) {
    if (stop.stop_requested()) return cancelled();
    auto got = TRY(to_result(stream->Read(std::min(left, kSkipBytes), piece.data())));
    if (got == 0) return refused("{}: is shorter now", name);
    line_feeds += std::count(piece.begin(), piece.begin() + got, '\n');
    left -= got;
  }
  return line_feeds;
}

Result<bool> holds_already_read(std::shared_ptr<arrow::io::RandomAccessFile> file, Codec codec,
                                const FilePosition& read) {
  auto stream = TRY(open_decompressed(codec, stream_from(std::move(file), 0)));
  std::vector<uint8_t> window;  // everything until the head is known, then the last bytes
  int64_t seen = 0;
  bool head_known = false;
  auto want_head = static_cast<size_t>(read.head.bytes);
  while (seen < read.at) {
    size_t before = window.size();
    auto ask = std::min(read.at - seen, kSkipBytes);
    window.resize(before + static_cast<size_t>(ask));
    auto got = TRY(to_result(stream->Read(ask, window.data() + before)));
    window.resize(before + static_cast<size_t>(got));
    if (got == 0) return false;
    seen += got;
    if (!head_known && window.size() >= want_head) {
      if (fingerprint_of({window.data(), want_head}) != read.head) return false;
      head_known = true;
    }
    if (head_known && window.size() > kTailBytes) {
      window.erase(window.begin(), window.end() - kTailBytes);
    }
  }
  auto tail = static_cast<size_t>(read.tail.bytes);
  if (!head_known || window.size() < tail) return false;
  return fingerprint_of({window.data() + window.size() - tail, tail}) == read.tail;
}

}  // namespace sluice::file
