#include "format/ipc/footer.h"

#include <cstring>
#include <optional>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/result.h>

namespace sluice::ipc_format_detail {
namespace {

// A flatbuffer, as far as it is needed here: tables with scalars, tables and vectors of structs in them. Every access
// is checked against the bytes. Layout: https://flatbuffers.dev/internals, all numbers little-endian.
class FlatBytes {
 public:
  FlatBytes(const uint8_t* data, int64_t size) : data_(data), size_(size) {}

  template <typename T>
  [[nodiscard]] std::optional<T> number(int64_t at) const {
    if (at < 0 || at > size_ - static_cast<int64_t>(sizeof(T))) return std::nullopt;
    T value;
    std::memcpy(&value, data_ + at, sizeof(T));
    return value;
  }
  // Where an offset stored at `at` leads.
  [[nodiscard]] std::optional<int64_t> follow(int64_t at) const {
    auto offset = number<uint32_t>(at);
    if (!offset) return std::nullopt;
    return at + *offset;
  }
  // Where the field of that index of the table at `table` lies; unset: it has its default.
  [[nodiscard]] std::optional<int64_t> field(int64_t table, int index) const {
    auto back = number<int32_t>(table);
    if (!back) return std::nullopt;
    int64_t vtable = table - *back;
    auto bytes = number<uint16_t>(vtable);
    int64_t slot = 4 + (2 * index);
    if (!bytes || slot + 2 > *bytes) return std::nullopt;
    auto offset = number<uint16_t>(vtable + slot);
    if (!offset || *offset == 0) return std::nullopt;
    return table + *offset;
  }

 private:
  const uint8_t* data_;
  int64_t size_;
};

// Footer.recordBatches, a vector of Block {offset: int64, metaDataLength: int32, padding, bodyLength: int64}.
constexpr int kFooterRecordBatches = 3;
constexpr int64_t kBlockBytes = 24;
// Message.header, a RecordBatch, whose first field is its number of rows.
constexpr int kMessageHeader = 2;
constexpr int kRecordBatchLength = 0;
// Messages begin with 0xFFFFFFFF and the metadata's length since format version 5, with the length alone before.
constexpr uint32_t kContinuation = 0xFFFFFFFF;

arrow::Status damaged(const char* what) { return arrow::Status::Invalid(what); }

arrow::Result<int64_t> rows_of(arrow::io::RandomAccessFile& file, int64_t offset, int32_t metadata_bytes) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, file.ReadAt(offset, metadata_bytes));
  if (buffer->size() != metadata_bytes) return damaged("it ends within a record batch's metadata");
  FlatBytes all(buffer->data(), buffer->size());
  int64_t prefix = all.number<uint32_t>(0) == kContinuation ? 8 : 4;
  if (buffer->size() <= prefix) return damaged("a record batch's metadata is too short");
  FlatBytes message(buffer->data() + prefix, buffer->size() - prefix);
  auto root = message.follow(0);
  auto header = root ? message.field(*root, kMessageHeader) : std::nullopt;
  auto batch = header ? message.follow(*header) : std::nullopt;
  if (!batch) return damaged("a record batch's metadata cannot be understood");
  auto length = message.field(*batch, kRecordBatchLength);
  int64_t rows = length ? message.number<int64_t>(*length).value_or(-1) : 0;
  if (rows < 0) return damaged("a record batch says that it has fewer than no rows");
  return rows;
}

}  // namespace

arrow::Result<std::vector<RecordBlock>> read_blocks(arrow::io::RandomAccessFile& file) {
  ARROW_ASSIGN_OR_RAISE(int64_t size, file.GetSize());
  constexpr int64_t kEnd = 4 + kMagicBytes;  // the footer's length and the magic behind it
  if (size < kEnd) return damaged("it is too short");
  ARROW_ASSIGN_OR_RAISE(auto end, file.ReadAt(size - kEnd, kEnd));
  if (end->size() != kEnd || std::memcmp(end->data() + 4, kMagic, kMagicBytes) != 0) {
    return damaged("it does not end as an Arrow file does");
  }
  auto footer_bytes = *FlatBytes(end->data(), 4).number<int32_t>(0);
  if (footer_bytes <= 0 || footer_bytes > size - kEnd) return damaged("its footer's length is impossible");
  ARROW_ASSIGN_OR_RAISE(auto buffer, file.ReadAt(size - kEnd - footer_bytes, footer_bytes));
  FlatBytes footer(buffer->data(), buffer->size());
  std::vector<RecordBlock> blocks;
  auto root = footer.follow(0);
  if (!root) return damaged("its footer cannot be understood");
  auto field = footer.field(*root, kFooterRecordBatches);
  if (!field) return blocks;
  auto vector = footer.follow(*field);
  auto count = vector ? footer.number<uint32_t>(*vector) : std::nullopt;
  if (!count) return damaged("its footer cannot be understood");
  for (uint32_t i = 0; i < *count; ++i) {
    int64_t at = *vector + 4 + (i * kBlockBytes);
    auto offset = footer.number<int64_t>(at);
    auto metadata_bytes = footer.number<int32_t>(at + 8);
    auto body_bytes = footer.number<int64_t>(at + 16);
    if (!offset || !metadata_bytes || !body_bytes) return damaged("its footer is cut short");
    if (*offset < 0 || *metadata_bytes <= 0 || *body_bytes < 0 || *offset > size - *metadata_bytes ||
        *body_bytes > size - *metadata_bytes - *offset) {
      return damaged("a record batch lies outside of the file");
    }
    ARROW_ASSIGN_OR_RAISE(int64_t rows, rows_of(file, *offset, *metadata_bytes));
    blocks.push_back({rows, *metadata_bytes + *body_bytes});
  }
  return blocks;
}

}  // namespace sluice::ipc_format_detail
