#include <algorithm>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <fmt/ranges.h>

#include "avro/container.h"
#include "batch/arrow_result.h"

namespace sluice::avro {
namespace {

constexpr std::string_view kMagic("Obj\x01", 4);
constexpr int64_t kHeaderBytesMax = 64 << 20;
constexpr int64_t kSyncBytes = 16;
constexpr int64_t kBlockHeadBytesMax = 2 * kVarintBytesMax;

// Reads the header's parts; `at` is null once the bytes were not enough.
struct Cursor {
  const uint8_t* at;
  const uint8_t* end;

  int64_t varint() {
    int64_t value = 0;
    if (at != nullptr) at = get_varint(at, end, &value);
    return value;
  }
  std::string_view text() {
    const int64_t size = varint();
    if (at == nullptr || size < 0 || size > end - at) {
      at = nullptr;
      return {};
    }
    std::string_view text(reinterpret_cast<const char*>(at), static_cast<size_t>(size));
    at += size;
    return text;
  }
};

}  // namespace

Error ContainerReader::incomplete(std::string_view problem) const {
  return user_error("{} is not a complete Avro file: {}", name_, problem);
}

Error ContainerReader::damaged(int64_t row, std::string_view problem) const {
  const auto place =
      block_.numbered ? fmt::format("block {}", block_.number) : fmt::format("at byte {}", block_.offset);
  return user_error("{} is damaged: {}, after row {}: {}", name_, place, row, problem);
}

Result<ByteSpan> ContainerReader::bytes_at(int64_t offset, int64_t count) {
  count = std::min(count, file_bytes_ - offset);
  const int64_t window_end = window_offset_ + (window_ == nullptr ? 0 : window_->size());
  if (window_ == nullptr || offset < window_offset_ || offset + count > window_end) {
    const int64_t wanted = std::min(std::max(count, window_bytes_), file_bytes_ - offset);
    window_ = TRY(to_result(file_->ReadAt(offset, wanted)).while_doing("reading " + name_));
    window_offset_ = offset;
    if (window_->size() < count) return incomplete("it has become shorter while it was read");
  }
  return ByteSpan(window_->data() + (offset - window_offset_), static_cast<size_t>(count));
}

Result<std::unique_ptr<ContainerReader>> ContainerReader::open(const std::string& name,
                                                               std::shared_ptr<arrow::io::RandomAccessFile> file,
                                                               int64_t window_bytes) {
  std::unique_ptr<ContainerReader> reader(new ContainerReader());
  reader->name_ = name;
  reader->file_bytes_ = TRY(to_result(file->GetSize()));
  reader->file_ = std::move(file);
  reader->window_bytes_ = window_bytes;
  TRY(reader->read_header());
  return reader;
}

Result<void> ContainerReader::read_header() {
  if (file_bytes_ == 0) return incomplete("it is empty (0 bytes)");
  for (int64_t bytes = 4 << 10;; bytes *= 4) {
    auto head = TRY(bytes_at(0, bytes));
    if (TRY(parse_header(head))) break;
    if (bytes >= file_bytes_) return incomplete("it ends within its header");
    if (bytes > kHeaderBytesMax) return incomplete("its header is longer than 64 MB");
  }
  auto codec = metadata_.find("avro.codec");
  if (codec != metadata_.end() && !codec->second.empty()) {
    auto found = find_block_codec(codec->second);
    if (!found) {
      return user_error("{} is compressed with the unknown codec '{}'; those that can be read are {}", name_,
                        codec->second.substr(0, 60), fmt::join(kBlockCodecs, ", "));
    }
    codec_ = *found;
  }
  coder_ = make_block_coder(codec_);
  auto json = metadata_.find("avro.schema");
  if (json == metadata_.end()) return incomplete("its header holds no schema");
  auto schema = Schema::parse(json->second);
  if (!schema.ok()) return user_error("{}: {}", name_, schema.error().what);
  schema_ = std::move(schema).value();
  return {};
}

// False: more bytes are needed.
Result<bool> ContainerReader::parse_header(ByteSpan bytes) {
  const auto* begin = reinterpret_cast<const char*>(bytes.data());
  const size_t magic = std::min(bytes.size(), kMagic.size());
  if (std::string_view(begin, magic) != kMagic.substr(0, magic)) {
    return incomplete("it does not begin with 'Obj' and the version 1");
  }
  if (magic < kMagic.size()) return false;
  metadata_.clear();
  Cursor cursor{bytes.data() + kMagic.size(), bytes.data() + bytes.size()};
  for (;;) {
    int64_t count = cursor.varint();
    if (cursor.at == nullptr) return false;
    if (count == 0) break;
    if (count == INT64_MIN) return incomplete("its header is damaged");
    if (count < 0) cursor.varint();  // the size in bytes
    for (count = std::abs(count); count > 0; --count) {
      auto key = cursor.text();
      auto value = cursor.text();
      if (cursor.at == nullptr) return false;
      metadata_.insert_or_assign(std::string(key), std::string(value));
    }
  }
  if (cursor.end - cursor.at < kSyncBytes) return false;
  std::copy_n(cursor.at, kSyncBytes, sync_.begin());
  next_offset_ = cursor.at + kSyncBytes - bytes.data();
  return true;
}

Result<bool> ContainerReader::next(bool skipping) {
  block_.offset = next_offset_;
  block_.first_row = next_row_;
  block_.number = next_number_;
  if (next_offset_ == file_bytes_) return false;
  auto head = TRY(bytes_at(next_offset_, kBlockHeadBytesMax));
  Cursor cursor{head.data(), head.data() + head.size()};
  block_.rows = cursor.varint();
  block_.stored_bytes = cursor.varint();
  if (cursor.at == nullptr) return damaged(next_row_, "the file ends within the block's head");
  payload_offset_ = next_offset_ + (cursor.at - head.data());
  const int64_t left = file_bytes_ - payload_offset_;
  if (block_.rows < 0) return damaged(next_row_, fmt::format("it announces {} rows", block_.rows));
  if (block_.stored_bytes < 0) return damaged(next_row_, fmt::format("it announces {} bytes", block_.stored_bytes));
  if (block_.stored_bytes > left - kSyncBytes) {
    return damaged(next_row_, fmt::format("it announces {} bytes and the file has {} more: it was cut short",
                                          block_.stored_bytes, std::max<int64_t>(0, left - kSyncBytes)));
  }
  if (block_.stored_bytes > kBlockBytesMax) return damaged(next_row_, "it is larger than 1 GB");
  const int64_t end = payload_offset_ + block_.stored_bytes;
  // All of the block in one piece, unless only what stands around its rows matters.
  if (!skipping) TRY(bytes_at(next_offset_, end + kSyncBytes - next_offset_));
  auto marker = TRY(bytes_at(end, kSyncBytes));
  if (!std::equal(marker.begin(), marker.end(), sync_.begin())) {
    return damaged(next_row_, "the sync marker behind it is wrong");
  }
  if (next_row_ > INT64_MAX - block_.rows) return damaged(next_row_, fmt::format("it announces {} rows", block_.rows));
  next_offset_ = end + kSyncBytes;
  next_row_ += block_.rows;
  ++next_number_;
  return true;
}

Result<ByteSpan> ContainerReader::payload() {
  auto stored = TRY(bytes_at(payload_offset_, block_.stored_bytes));
  if (coder_ == nullptr) return stored;
  auto done = coder_->decompress(stored, unpacked_);
  if (!done.ok()) {
    if (done.error().fault != Fault::user) return std::move(done).error();
    return damaged(block_.first_row, done.error().what);
  }
  return unpacked_.span();
}

Result<bool> ContainerReader::jump(int64_t offset, int64_t row) {
  if (offset < next_offset_ || offset > file_bytes_) return false;
  auto marker = TRY(bytes_at(offset - kSyncBytes, kSyncBytes));
  if (!std::equal(marker.begin(), marker.end(), sync_.begin())) return false;
  next_offset_ = offset;
  next_row_ = row;
  next_number_ = 0;
  block_.numbered = false;
  return true;
}

}  // namespace sluice::avro
