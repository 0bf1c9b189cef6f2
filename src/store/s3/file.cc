#include "store/s3/file.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <mutex>
#include <utility>

#include <arrow/buffer.h>

#include "batch/arrow_result.h"
#include "store/s3/faults.h"

namespace sluice::s3 {
namespace {

constexpr int64_t kFirstBytes = 256 << 10;  // of a stream; a footer, a sample
constexpr int64_t kBlockBytes = 4 << 20;    // of a stream that goes on
constexpr size_t kBlocksAhead = 4;
constexpr int64_t kLargeBytes = 1 << 20;  // a single read from here on is split into parallel ranges
constexpr int64_t kPiecesMax = 8;

Request range_request(const ObjectInfo& object, int64_t begin, std::span<uint8_t> into) {
  Request request;
  request.address = address_of(object.path);
  request.into = into;
  request.headers.emplace_back("If-Match", "\"" + object.version + "\"");
  auto bytes = static_cast<int64_t>(into.size());
  if (begin != 0 || bytes != object.bytes) {
    request.headers.emplace_back("Range", fmt::format("bytes={}-{}", begin, begin + bytes - 1));
  }
  return request;
}

Result<void> judge_range(const Request& request, const Answer& answer) {
  if (answer.http.status == 412 || answer.http.status == 404 || answer.http.status == 416) {
    return transient("{} was {} after it was listed: run again to read what is there now", request.address.url(),
                     answer.http.status == 404 ? "removed" : "replaced");
  }
  if (!answer.ok()) return unexpected(request, answer);
  if (answer.http.bytes_into != static_cast<int64_t>(request.into.size())) {
    return transient("the service sends {} bytes of {} instead of {}", answer.http.bytes_into, request.address.url(),
                     request.into.size());
  }
  return {};
}

class ObjectFile final : public arrow::io::RandomAccessFile {
 public:
  ObjectFile(Client& client, MemoryShare& memory, const Context& context, ObjectInfo object, std::optional<Range> ahead)
      : client_(client), memory_(memory), context_(context), object_(std::move(object)), whole_(std::move(ahead)) {}
  ~ObjectFile() override = default;
  ObjectFile(const ObjectFile&) = delete;
  ObjectFile& operator=(const ObjectFile&) = delete;

  arrow::Status Close() override {
    std::lock_guard lock(mutex_);
    closed_ = true;
    whole_.reset();
    stream_.clear();
    return arrow::Status::OK();
  }
  [[nodiscard]] bool closed() const override { return closed_; }
  [[nodiscard]] arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Seek(int64_t position) override {
    position_ = position;
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> GetSize() override { return object_.bytes; }
  arrow::Result<int64_t> Read(int64_t nbytes, void* out) override {
    ARROW_ASSIGN_OR_RAISE(auto got, ReadAt(position_, nbytes, out));
    position_ += got;
    return got;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t nbytes) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, nbytes));
    position_ += buffer->size();
    return buffer;
  }

  arrow::Result<int64_t> ReadAt(int64_t position, int64_t nbytes, void* out) override {
    nbytes = std::clamp<int64_t>(object_.bytes - position, 0, nbytes);
    if (nbytes == 0) return 0;
    auto done = read_into(position, {static_cast<uint8_t*>(out), static_cast<size_t>(nbytes)});
    if (!done.ok()) return to_arrow(done.error());
    return nbytes;
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t nbytes) override {
    nbytes = std::clamp<int64_t>(object_.bytes - position, 0, nbytes);
    if (nbytes > 0 && object_.bytes <= kWholeBytesMax) {  // no copy
      std::lock_guard lock(mutex_);
      auto have = fetch_whole();
      if (!have.ok()) return to_arrow(have.error());
      return arrow::SliceBuffer(whole_->buffer, position, nbytes);
    }
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(nbytes));
    ARROW_RETURN_NOT_OK(ReadAt(position, nbytes, buffer->mutable_data()));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

 private:
  Result<void> read_into(int64_t position, std::span<uint8_t> out) {
    auto bytes = static_cast<int64_t>(out.size());
    {
      std::lock_guard lock(mutex_);
      if (closed_) return bug("{} is read after it was closed", object_.path);
      if (object_.bytes <= kWholeBytesMax) {
        TRY(fetch_whole());
        std::memcpy(out.data(), whole_->buffer->data() + position, out.size());
        return {};
      }
      // A small read may be the first of a stream; a large one is, when it goes on where the last one ended.
      bool goes_on = position == 0 || position == last_end_ || in_stream(position);
      last_end_ = position + bytes;
      if (bytes < kLargeBytes || goes_on) return read_stream(position, out);
    }
    return read_pieces(position, out);
  }

  Result<void> fetch_whole() {
    if (!whole_.has_value()) whole_ = TRY(start_range(client_, context_, object_, 0, object_.bytes));
    if (!whole_->pending.has_value()) return {};
    auto done = finish_range(client_, context_, object_, &*whole_);
    if (!done.ok()) whole_.reset();
    return done;
  }

  [[nodiscard]] int64_t stream_end() const { return stream_.back().begin + stream_.back().buffer->size(); }
  [[nodiscard]] bool in_stream(int64_t position) const {
    return !stream_.empty() && position >= stream_.front().begin && position <= stream_end();
  }

  // Blocks end to end from the reader's position on. They get larger and more while the reader goes on; what memory
  // does not allow is not fetched ahead.
  Result<void> read_stream(int64_t position, std::span<uint8_t> out) {
    if (!in_stream(position)) {
      stream_.clear();
      block_bytes_ = kFirstBytes;
      blocks_ahead_ = 0;
    }
    while (!out.empty()) {
      while (!stream_.empty() && position >= stream_.front().begin + stream_.front().buffer->size()) {
        stream_.pop_front();
        block_bytes_ = std::min(block_bytes_ * 2, kBlockBytes);
        blocks_ahead_ = std::min(blocks_ahead_ + 1, kBlocksAhead);
      }
      if (stream_.empty()) TRY(extend_stream(position, /*needed=*/true));
      while (stream_.size() <= blocks_ahead_ && stream_end() < object_.bytes) {
        if (!TRY(extend_stream(stream_end(), /*needed=*/false))) break;
      }
      auto& block = stream_.front();
      if (auto done = finish_range(client_, context_, object_, &block); !done.ok()) {
        stream_.clear();
        return done;
      }
      auto offset = position - block.begin;
      auto bytes = std::min<int64_t>(static_cast<int64_t>(out.size()), block.buffer->size() - offset);
      std::memcpy(out.data(), block.buffer->data() + offset, static_cast<size_t>(bytes));
      out = out.subspan(static_cast<size_t>(bytes));
      position += bytes;
    }
    return {};
  }

  // False when there is no memory for a block that is not needed yet.
  Result<bool> extend_stream(int64_t begin, bool needed) {
    auto bytes = std::min(block_bytes_, object_.bytes - begin);
    auto held = memory_.take(context_.memory, bytes);
    if (!held.has_value() && !needed) return false;
    auto range = TRY(start_range(client_, context_, object_, begin, bytes));
    if (held.has_value()) range.held = std::move(*held);
    stream_.push_back(std::move(range));
    return true;
  }

  // Straight into the caller's memory.
  Result<void> read_pieces(int64_t position, std::span<uint8_t> out) {
    auto total = static_cast<int64_t>(out.size());
    auto pieces = std::clamp<int64_t>(total / kLargeBytes, 1, kPiecesMax);
    auto each = (total + pieces - 1) / pieces;
    std::vector<Client::Pending> pending;
    for (int64_t done = 0; done < total; done += each) {
      auto piece = out.subspan(static_cast<size_t>(done), static_cast<size_t>(std::min(each, total - done)));
      pending.push_back(TRY(client_.start(context_, range_request(object_, position + done, piece))));
    }
    for (auto& piece : pending) {
      auto request = piece.request;
      TRY(judge_range(request, TRY(client_.finish(context_, std::move(piece)))));
    }
    return {};
  }

  Client& client_;
  MemoryShare& memory_;
  Context context_;
  const ObjectInfo object_;
  std::mutex mutex_;
  int64_t position_ = 0;
  bool closed_ = false;
  std::optional<Range> whole_;
  std::deque<Range> stream_;
  int64_t last_end_ = -1;
  int64_t block_bytes_ = kFirstBytes;
  size_t blocks_ahead_ = 0;
};

}  // namespace

Result<Range> start_range(Client& client, Context& context, const ObjectInfo& object, int64_t begin, int64_t bytes) {
  Range range;
  range.begin = begin;
  std::shared_ptr<arrow::Buffer> buffer = TRY(to_result(arrow::AllocateBuffer(bytes)));
  if (bytes > 0) {
    std::span<uint8_t> into(buffer->mutable_data(), static_cast<size_t>(bytes));
    range.pending = TRY(client.start(context, range_request(object, begin, into)));
  }
  range.buffer = std::move(buffer);
  return range;
}

Result<void> finish_range(Client& client, Context& context, const ObjectInfo&, Range* range) {
  if (!range->pending.has_value()) return {};
  auto pending = std::move(*range->pending);
  range->pending.reset();
  auto request = pending.request;
  return judge_range(request, TRY(client.finish(context, std::move(pending))));
}

std::shared_ptr<arrow::io::RandomAccessFile> open_object(Client& client, MemoryShare& memory, const Context& context,
                                                         ObjectInfo object, std::optional<Range> ahead) {
  return std::make_shared<ObjectFile>(client, memory, context, std::move(object), std::move(ahead));
}

}  // namespace sluice::s3
