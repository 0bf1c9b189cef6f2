#include "connector/file/partitioner.h"

#include <algorithm>
#include <cstring>

#include <arrow/api.h>
#include <arrow/compute/api_vector.h>

#include "batch/arrow_result.h"
#include "connector/file/hive.h"

namespace sluice::file {

uint32_t KeyTable::number_of(uint64_t key, bool* added) {
  auto& slot = cache_[(key * 0x9E3779B97F4A7C15ULL) >> 53];
  if (slot.key == key && slot.number != UINT32_MAX) {
    *added = false;
    return slot.number;
  }
  auto [entry, fresh] = table_.try_emplace(key, static_cast<uint32_t>(table_.size()));
  slot = {key, entry->second};
  *added = fresh;
  return entry->second;
}

Result<uint32_t> ValueTable::add_value(const arrow::Array& column, int64_t row) {
  constexpr size_t kNameMax = 255;  // NAME_MAX of the usual file systems
  auto text = TRY(to_result(column.GetScalar(row)))->ToString();
  auto folder = partition_folder(name_, text);
  if (folder.size() > kNameMax) {
    return user_error("the value '{:.40}…' of column '{}' is too long for a folder's name ({} bytes; {} are possible)",
                      text, name_, folder.size(), kNameMax);
  }
  folders_.push_back(std::move(folder));
  return static_cast<uint32_t>(folders_.size() - 1);
}

uint32_t ValueTable::null_code() {
  if (null_code_ == UINT32_MAX) {
    null_code_ = static_cast<uint32_t>(folders_.size());
    folders_.push_back(partition_folder(name_, std::nullopt));
  }
  return null_code_;
}

template <typename WordOf>
Result<void> ValueTable::encode_words(const arrow::Array& column, std::span<uint32_t> codes, WordOf word_of) {
  bool nulls = column.null_count() > 0;
  for (size_t row = 0; row < codes.size(); ++row) {
    if (nulls && column.IsNull(static_cast<int64_t>(row))) {
      codes[row] = null_code();
      continue;
    }
    bool added = false;
    uint32_t word = words_.number_of(word_of(row), &added);
    if (added) code_of_word_.push_back(TRY(add_value(column, static_cast<int64_t>(row))));
    codes[row] = code_of_word_[word];
  }
  return {};
}

template <typename ArrayType>
Result<void> ValueTable::encode_bytes(const ArrayType& column, std::span<uint32_t> codes) {
  bool nulls = column.null_count() > 0;
  std::string_view last;
  uint32_t last_code = UINT32_MAX;
  for (size_t row = 0; row < codes.size(); ++row) {
    if (nulls && column.IsNull(static_cast<int64_t>(row))) {
      codes[row] = null_code();
      continue;
    }
    std::string_view bytes = column.GetView(static_cast<int64_t>(row));
    if (last_code == UINT32_MAX || bytes != last) {
      auto known = code_of_bytes_.find(bytes);
      if (known == code_of_bytes_.end()) {
        uint32_t code = TRY(add_value(column, static_cast<int64_t>(row)));
        known = code_of_bytes_.emplace(std::string(bytes), code).first;
      }
      last = bytes;
      last_code = known->second;
    }
    codes[row] = last_code;
  }
  return {};
}

Result<void> ValueTable::encode_dictionary(const arrow::Array& column, std::span<uint32_t> codes) {
  const auto& dictionary = static_cast<const arrow::DictionaryArray&>(column);
  std::vector<uint32_t> of_entry(static_cast<size_t>(dictionary.dictionary()->length()));
  TRY(encode(*dictionary.dictionary(), of_entry));
  for (size_t row = 0; row < codes.size(); ++row) {
    auto index = static_cast<int64_t>(row);
    codes[row] = column.IsNull(index) ? null_code() : of_entry[static_cast<size_t>(dictionary.GetValueIndex(index))];
  }
  return {};
}

Result<void> ValueTable::encode(const arrow::Array& column, std::span<uint32_t> codes) {
  using Id = arrow::Type;
  auto words = [&](auto width) {
    const auto* values = column.data()->template GetValues<decltype(width)>(1);
    return encode_words(column, codes, [values](size_t row) { return static_cast<uint64_t>(values[row]); });
  };
  switch (column.type_id()) {
    case Id::NA:
      return std::fill(codes.begin(), codes.end(), null_code()), Result<void>();
    case Id::BOOL: {
      const auto& booleans = static_cast<const arrow::BooleanArray&>(column);
      return encode_words(column, codes,
                          [&](size_t row) { return uint64_t{booleans.Value(static_cast<int64_t>(row))}; });
    }
    case Id::DICTIONARY:
      return encode_dictionary(column, codes);
    case Id::STRING:
    case Id::BINARY:
      return encode_bytes(static_cast<const arrow::BinaryArray&>(column), codes);
    case Id::LARGE_STRING:
    case Id::LARGE_BINARY:
      return encode_bytes(static_cast<const arrow::LargeBinaryArray&>(column), codes);
    case Id::STRING_VIEW:
    case Id::BINARY_VIEW:
      return encode_bytes(static_cast<const arrow::BinaryViewArray&>(column), codes);
    case Id::FIXED_SIZE_BINARY:
    case Id::DECIMAL128:
    case Id::DECIMAL256:
      return encode_bytes(static_cast<const arrow::FixedSizeBinaryArray&>(column), codes);
    default:
      break;
  }
  switch (arrow::is_primitive(column.type_id()) ? column.type()->byte_width() : 0) {
    case 1:
      return words(uint8_t{});
    case 2:
      return words(uint16_t{});
    case 4:
      return words(uint32_t{});
    case 8:
      return words(uint64_t{});
    default:
      return user_error("cannot partition by '{}' of type {}", name_, type_name(*column.type()));
  }
}

Result<void> DateTable::encode(const arrow::RecordBatch& batch, WallTime arrival, std::span<uint32_t> codes) {
  const auto& column = *batch.column(column_.index());
  for (size_t row = 0; row < codes.size(); ++row) {
    auto time = TRY(column_.at(column, static_cast<int64_t>(row))).value_or(arrival);
    auto bucket = layout_.bucket_of(time);
    bool added = false;
    codes[row] = buckets_.number_of(static_cast<uint64_t>(bucket), &added);
    if (added) folders_.push_back(layout_.date_folder(bucket));
  }
  return {};
}

Result<std::unique_ptr<Partitioner>> Partitioner::create(const arrow::Schema& schema, const Layout& layout) {
  auto partitioner = std::make_unique<Partitioner>();
  partitioner->dates_.emplace(layout, TRY(TimeColumn::find(schema, layout.time_column)));
  partitioner->file_schema_ = arrow::schema(schema.fields(), schema.metadata());
  return partitioner;
}

Result<std::unique_ptr<Partitioner>> Partitioner::create(const arrow::Schema& schema,
                                                         const std::vector<std::string>& columns) {
  auto partitioner = std::make_unique<Partitioner>();
  auto& keys = partitioner->keys_;
  for (const auto& name : columns) {
    int index = schema.GetFieldIndex(name);
    if (index < 0) return user_error("partition_by names '{}', and the rows have no such column", name);
    keys.push_back(index);
    partitioner->values_.emplace_back(name);
  }
  partitioner->levels_.resize(columns.size());
  std::vector<std::shared_ptr<arrow::Field>> rest;
  for (int i = 0; i < schema.num_fields(); ++i) {
    if (std::find(keys.begin(), keys.end(), i) == keys.end()) rest.push_back(schema.field(i));
  }
  partitioner->file_schema_ = arrow::schema(std::move(rest), schema.metadata());
  return partitioner;
}

Result<void> Partitioner::number_rows(const arrow::RecordBatch& batch, WallTime arrival) {
  auto rows = static_cast<size_t>(batch.num_rows());
  ids_.resize(rows);
  if (dates_.has_value()) return dates_->encode(batch, arrival, ids_);
  codes_.resize(rows);
  TRY(values_[0].encode(*batch.column(keys_[0]), ids_));
  for (size_t k = 1; k < keys_.size(); ++k) {
    TRY(values_[k].encode(*batch.column(keys_[k]), codes_));
    auto& level = levels_[k];
    for (size_t row = 0; row < rows; ++row) {
      bool added = false;
      auto number = level.numbers.number_of(uint64_t{ids_[row]} << 32 | codes_[row], &added);
      if (added) {
        const auto& before = k == 1 ? values_[0].folder(ids_[row]) : levels_[k - 1].folders[ids_[row]];
        level.folders.push_back(before + "/" + values_[k].folder(codes_[row]));
      }
      ids_[row] = number;
    }
  }
  return {};
}

// A counting sort over the partitions this batch touches, then one gather per column.
Result<Sorted> Partitioner::sort(const BatchPtr& batch, WallTime arrival) {
  TRY(number_rows(*batch, arrival));
  Sorted sorted;
  arrow::ArrayVector columns;
  for (int i = 0; i < batch->num_columns(); ++i) {
    if (std::find(keys_.begin(), keys_.end(), i) == keys_.end()) columns.push_back(batch->column(i));
  }
  auto rest = arrow::RecordBatch::Make(file_schema_, batch->num_rows(), std::move(columns));
  std::vector<PartitionId> touched;
  for (PartitionId id : ids_) {
    if (id >= counts_.size()) counts_.resize(std::max<size_t>(id + 1, counts_.size() * 2), 0);
    if (counts_[id]++ == 0) touched.push_back(id);
  }
  std::sort(touched.begin(), touched.end());
  int64_t offset = 0;
  for (PartitionId id : touched) {
    sorted.segments.push_back({id, offset, counts_[id]});
    offset += std::exchange(counts_[id], offset);
  }
  if (touched.size() == 1) {
    sorted.batch = std::move(rest);
  } else {
    auto buffer = TRY(to_result(arrow::AllocateBuffer(batch->num_rows() * static_cast<int64_t>(sizeof(uint32_t)))));
    auto* order = reinterpret_cast<uint32_t*>(buffer->mutable_data());
    for (size_t row = 0; row < ids_.size(); ++row) order[counts_[ids_[row]]++] = static_cast<uint32_t>(row);
    auto indices = std::make_shared<arrow::UInt32Array>(batch->num_rows(), std::move(buffer));
    auto taken = TRY(to_result(
        arrow::compute::Take(arrow::Datum(rest), arrow::Datum(indices), arrow::compute::TakeOptions::NoBoundsCheck())));
    sorted.batch = taken.record_batch();
  }
  for (PartitionId id : touched) counts_[id] = 0;
  return sorted;
}

}  // namespace sluice::file
