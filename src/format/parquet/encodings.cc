#include "format/parquet/encodings.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string_view>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

namespace sluice::parquet_format_detail {
namespace {

using arrow::Type;

constexpr double kRepeatingTextsMax = 16 * 1024;

uint64_t mix(uint64_t x) {  // the finalizer of MurmurHash3
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33);
}

uint64_t hash_bytes(const uint8_t* data, int64_t size) {
  uint64_t hash = static_cast<uint64_t>(size) * 0x9E3779B97F4A7C15ULL;
  while (size >= 8) {
    uint64_t word;
    std::memcpy(&word, data, 8);
    hash = mix(hash ^ word);
    data += 8;
    size -= 8;
  }
  uint64_t tail = 0;
  std::memcpy(&tail, data, static_cast<size_t>(size));
  return mix(hash ^ tail);
}

// Linear counting (Whang, Vander-Zanden and Taylor, 1990): a bit per hash value, the share of zero bits tells how many
// distinct values there were. Within a few percent up to several times as many values as bits.
class DistinctCounter {
 public:
  explicit DistinctCounter(int64_t values) {
    auto bits = std::bit_ceil(static_cast<uint64_t>(std::clamp<int64_t>(2 * values, 1024, 1 << 20)));
    words_.resize(bits / 64);
    mask_ = bits - 1;
  }
  void add(uint64_t hash) {
    uint64_t bit = hash & mask_;
    words_[bit / 64] |= uint64_t{1} << (bit % 64);
  }
  [[nodiscard]] double estimate() const {
    int64_t set = 0;
    for (uint64_t word : words_) set += std::popcount(word);
    auto bits = static_cast<double>(mask_ + 1);
    double zero = std::max(1.0, bits - static_cast<double>(set));
    return bits * std::log(bits / zero);
  }

 private:
  std::vector<uint64_t> words_;
  uint64_t mask_ = 0;
};

// What is learnt of a leaf column over all batches of the sample.
struct Leaf {
  std::string path;
  TypePtr type;
  arrow::ArrayVector chunks;
  int64_t values = 0;  // without nulls, about
};

void collect(const std::string& path, const std::shared_ptr<arrow::Array>& array, std::vector<Leaf>& leaves,
             size_t& next) {
  switch (array->type_id()) {
    case Type::STRUCT: {
      const auto& fields = array->type()->fields();
      const auto& parent = static_cast<const arrow::StructArray&>(*array);
      for (int i = 0; i < static_cast<int>(fields.size()); ++i) {
        collect(path + '.' + fields[static_cast<size_t>(i)]->name(), parent.field(i), leaves, next);
      }
      return;
    }
    case Type::MAP: {
      const auto& map = static_cast<const arrow::MapArray&>(*array);
      int64_t begin = map.value_offset(0);
      int64_t length = map.value_offset(map.length()) - begin;
      collect(path + ".key_value.key", map.keys()->Slice(begin, length), leaves, next);
      collect(path + ".key_value.value", map.items()->Slice(begin, length), leaves, next);
      return;
    }
    case Type::LIST: {
      const auto& list = static_cast<const arrow::ListArray&>(*array);
      int64_t begin = list.value_offset(0);
      collect(path + ".list.element", list.values()->Slice(begin, list.value_offset(list.length()) - begin), leaves,
              next);
      return;
    }
    default:
      break;
  }
  if (next == leaves.size()) leaves.push_back({path, array->type(), {}, 0});
  auto& leaf = leaves[next++];
  leaf.chunks.push_back(array);
  leaf.values += array->length() - array->null_count();
}

// Bytes of values of a fixed width, or nothing for other types.
template <typename Visit>
void visit_fixed(const arrow::Array& array, int width, const Visit& visit) {
  const uint8_t* data = array.data()->buffers[1]->data() + array.offset() * width;
  for (int64_t i = 0; i < array.length(); ++i) visit(data + i * width);
}

int64_t load_integer(const uint8_t* data, int width) {
  if (width == 4) {
    int32_t value;
    std::memcpy(&value, data, 4);
    return value;
  }
  int64_t value;
  std::memcpy(&value, data, 8);
  return value;
}

// Mean bits per value of DELTA_BINARY_PACKED: the spread of differences in miniblocks of 32.
double delta_bits(const Leaf& leaf, int width) {
  double bits = 0;
  int64_t miniblocks = 0;
  for (const auto& chunk : leaf.chunks) {
    const uint8_t* data = chunk->data()->buffers[1]->data() + chunk->offset() * width;
    for (int64_t i = 0; i + 33 <= chunk->length(); i += 33 * 8) {  // one miniblock in eight is enough
      int64_t low = INT64_MAX;
      int64_t high = INT64_MIN;
      for (int64_t k = i; k < i + 32; ++k) {
        auto difference = static_cast<int64_t>(static_cast<uint64_t>(load_integer(data + (k + 1) * width, width)) -
                                               static_cast<uint64_t>(load_integer(data + k * width, width)));
        low = std::min(low, difference);
        high = std::max(high, difference);
      }
      bits += std::bit_width(static_cast<uint64_t>(high) - static_cast<uint64_t>(low));
      ++miniblocks;
    }
  }
  return miniblocks == 0 ? 8.0 * width : bits / static_cast<double>(miniblocks);
}

double count_distinct(const Leaf& leaf, int width) {
  DistinctCounter counter(leaf.values);
  for (const auto& chunk : leaf.chunks) {
    if (width > 0) {
      visit_fixed(*chunk, width, [&](const uint8_t* value) { counter.add(hash_bytes(value, width)); });
      continue;
    }
    const auto& text = static_cast<const arrow::BinaryArray&>(*chunk);
    for (int64_t i = 0; i < text.length(); ++i) {
      auto view = text.GetView(i);
      counter.add(hash_bytes(reinterpret_cast<const uint8_t*>(view.data()), static_cast<int64_t>(view.size())));
    }
  }
  return counter.estimate();
}

ColumnEncoding choose(const Leaf& leaf) {
  ColumnEncoding choice{leaf.path};
  if (leaf.values == 0) return choice;
  Type::type id = leaf.type->id();
  bool text = id == Type::STRING || id == Type::BINARY;
  bool integer = id == Type::INT32 || id == Type::INT64 || id == Type::UINT32 || id == Type::UINT64 ||
                 id == Type::DATE32 || id == Type::TIMESTAMP || id == Type::TIME32 || id == Type::TIME64;
  bool fixed = arrow::is_fixed_width(id) && id != Type::BOOL && id != Type::DICTIONARY;
  if (!text && !fixed) return choice;
  int width = text ? 0 : static_cast<const arrow::FixedWidthType&>(*leaf.type).bit_width() / 8;
  auto values = static_cast<double>(leaf.values);
  double distinct = std::min(values, count_distinct(leaf, width));
  double index_bytes = values * std::ceil(std::log2(std::max(2.0, distinct))) / 8;
  if (text) {
    choice.encoding = parquet::Encoding::DELTA_LENGTH_BYTE_ARRAY;
    choice.dictionary = distinct < 0.5 * values;
    choice.text_repeats = choice.dictionary && distinct < kRepeatingTextsMax;
  } else if (integer) {
    choice.encoding = parquet::Encoding::DELTA_BINARY_PACKED;
    choice.dictionary = index_bytes + distinct * width < 0.9 * values * delta_bits(leaf, width) / 8;
  } else {
    choice.dictionary = index_bytes + distinct * width < 0.75 * values * width;
  }
  return choice;
}

}  // namespace

std::vector<ColumnEncoding> choose_encodings(const arrow::Schema& schema, const std::vector<BatchPtr>& rows) {
  std::vector<Leaf> leaves;
  for (const auto& batch : rows) {
    size_t next = 0;
    for (int i = 0; i < batch->num_columns(); ++i) collect(schema.field(i)->name(), batch->column(i), leaves, next);
  }
  std::vector<ColumnEncoding> choices;
  choices.reserve(leaves.size());
  for (const auto& leaf : leaves) choices.push_back(choose(leaf));
  return choices;
}

}  // namespace sluice::parquet_format_detail
