// Which partition each row belongs to. Values are looked up once per distinct value, rows by hashing raw keys.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <arrow/type_fwd.h>

#include "batch/schema.h"
#include "connector/file/layout.h"

namespace sluice::file {

using PartitionId = uint32_t;

// Rows of one partition that stand together in a sorted batch.
struct Segment {
  PartitionId partition;
  int64_t offset;
  int64_t rows;
};

// A batch without its key columns, its rows ordered by partition; within one they keep their order.
struct Sorted {
  BatchPtr batch;
  std::vector<Segment> segments;
};

// Maps 64-bit keys to consecutive numbers, with a small direct-mapped cache before the table: neighbouring rows repeat
// a few hundred values.
class KeyTable {
 public:
  KeyTable() : cache_(kCacheSlots) {}
  // `added` tells whether the key is new.
  uint32_t number_of(uint64_t key, bool* added);
  [[nodiscard]] size_t size() const { return table_.size(); }

 private:
  static constexpr size_t kCacheSlots = 2048;
  struct Slot {
    uint64_t key = 0;
    uint32_t number = UINT32_MAX;
  };
  std::vector<Slot> cache_;
  std::unordered_map<uint64_t, uint32_t> table_;
};

// One key column's values so far. NULL is a value like the others.
class ValueTable {
 public:
  explicit ValueTable(std::string name) : name_(std::move(name)) {}
  // The number of each row's value, into `codes`.
  Result<void> encode(const arrow::Array& column, std::span<uint32_t> codes);
  // "day=2026-01-01"
  [[nodiscard]] const std::string& folder(uint32_t code) const { return folders_[code]; }

 private:
  template <typename WordOf>
  Result<void> encode_words(const arrow::Array& column, std::span<uint32_t> codes, WordOf word_of);
  template <typename ArrayType>
  Result<void> encode_bytes(const ArrayType& column, std::span<uint32_t> codes);
  Result<void> encode_dictionary(const arrow::Array& column, std::span<uint32_t> codes);
  Result<uint32_t> add_value(const arrow::Array& column, int64_t row);
  uint32_t null_code();

  struct BytesHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::string name_;
  KeyTable words_;
  std::vector<uint32_t> code_of_word_;
  std::unordered_map<std::string, uint32_t, BytesHash, std::equal_to<>> code_of_bytes_;
  uint32_t null_code_ = UINT32_MAX;
  std::vector<std::string> folders_;  // by code
};

// The folders of a layout's dates, by each record's time. The column stays in the files. A record without a time goes
// where its arrival belongs.
class DateTable {
 public:
  DateTable(Layout layout, TimeColumn column) : layout_(std::move(layout)), column_(std::move(column)) {}
  // The number of each row's folder, into `codes`.
  Result<void> encode(const arrow::RecordBatch& batch, WallTime arrival, std::span<uint32_t> codes);
  // "2025/01/15/10"
  [[nodiscard]] const std::string& folder(uint32_t code) const { return folders_[code]; }

 private:
  const Layout layout_;
  const TimeColumn column_;
  KeyTable buckets_;
  std::vector<std::string> folders_;
};

class Partitioner {
 public:
  // Hive folders by the values of columns.
  static Result<std::unique_ptr<Partitioner>> create(const arrow::Schema& schema,
                                                     const std::vector<std::string>& columns);
  // Date folders by the layout's time column.
  static Result<std::unique_ptr<Partitioner>> create(const arrow::Schema& schema, const Layout& layout);

  // `arrival`: of records whose own time is NULL.
  Result<Sorted> sort(const BatchPtr& batch, WallTime arrival);
  // "a=1/b=x"
  [[nodiscard]] const std::string& folder(PartitionId partition) const {
    if (dates_.has_value()) return dates_->folder(partition);
    return levels_.size() == 1 ? values_[0].folder(partition) : levels_.back().folders[partition];
  }
  [[nodiscard]] const SchemaPtr& file_schema() const { return file_schema_; }

 private:
  Result<void> number_rows(const arrow::RecordBatch& batch, WallTime arrival);

  // The first k+1 keys taken together: a number for each combination, and its folders.
  struct Level {
    KeyTable numbers;                  // of (number at the level before) << 32 | code; unused at level 0
    std::vector<std::string> folders;  // "a=1/b=x"; unused at level 0
  };
  std::optional<DateTable> dates_;  // else keys_
  std::vector<int> keys_;
  SchemaPtr file_schema_;
  std::vector<ValueTable> values_;
  std::vector<Level> levels_;
  std::vector<PartitionId> ids_;  // by row of the current batch
  std::vector<uint32_t> codes_;
  std::vector<int64_t> counts_;  // by partition; zero between batches
};

}  // namespace sluice::file
