#include "format/parquet/dictionary.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string_view>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include "batch/arrow_result.h"

namespace sluice::parquet_format_detail {
namespace {

constexpr int32_t kEntriesMax = 32 * 1024;
constexpr size_t kBytesMax = 512 << 10;  // well below the dictionary page at which Arrow gives up

uint64_t load8(const uint8_t* data) {
  uint64_t word;
  std::memcpy(&word, data, 8);
  return word;
}
uint64_t load4(const uint8_t* data) {
  uint32_t word;
  std::memcpy(&word, data, 4);
  return word;
}

// Up to 16 bytes, the two words and the length are the text itself; beyond, its ends.
struct Key {
  uint64_t head = 0;
  uint64_t tail = 0;
  uint32_t size = 0;
  bool operator==(const Key&) const = default;
};

Key key_of(const uint8_t* data, uint32_t size) {
  if (size >= 8) return {load8(data), load8(data + size - 8), size};
  if (size >= 4) return {load4(data) | load4(data + size - 4) << 32, 0, size};
  if (size == 0) return {};
  return {data[0] | uint64_t{data[size / 2]} << 8 | uint64_t{data[size - 1]} << 16, 0, size};
}

uint64_t fold(uint64_t a, uint64_t b) {
  auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t hash_of(const Key& key, const uint8_t* data) {
  uint64_t hash = fold(key.head ^ 0x9E3779B97F4A7C15ULL, key.tail ^ 0xD6E8FEB86659FD93ULL ^ key.size);
  for (uint32_t at = 8; at + 8 < key.size; at += 8) hash = fold(hash ^ load8(data + at), 0xA0761D6478BD642FULL);
  return hash;
}

class TextDictionary {
 public:
  TextDictionary() : slots_(1024) { offsets_.push_back(0); }

  // The text's number, or -1 when the dictionary would grow too large.
  int32_t find_or_add(const uint8_t* data, uint32_t size) {
    Key key = key_of(data, size);
    uint64_t hash = hash_of(key, data);
    for (size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      Slot& slot = slots_[at];
      if (slot.index < 0) return add(slot, key, data);
      if (slot.key == key && (size <= 16 || same(slot.index, data, size))) return slot.index;
    }
  }

  Result<std::shared_ptr<arrow::Array>> finish(const std::shared_ptr<arrow::DataType>& type) {
    auto length = static_cast<int64_t>(offsets_.size()) - 1;
    return arrow::MakeArray(arrow::ArrayData::Make(
        type, length,
        {nullptr, arrow::Buffer::FromVector(std::move(offsets_)), arrow::Buffer::FromString(std::move(bytes_))}, 0));
  }

 private:
  struct Slot {
    Key key;
    int32_t index = -1;
  };

  [[nodiscard]] bool same(int32_t index, const uint8_t* data, uint32_t size) const {
    return std::memcmp(bytes_.data() + offsets_[static_cast<size_t>(index)], data, size) == 0;
  }

  int32_t add(Slot& slot, const Key& key, const uint8_t* data) {
    auto index = static_cast<int32_t>(offsets_.size()) - 1;
    if (index >= kEntriesMax || bytes_.size() + key.size > kBytesMax) return -1;
    slot = {key, index};
    bytes_.append(reinterpret_cast<const char*>(data), key.size);
    offsets_.push_back(static_cast<int32_t>(bytes_.size()));
    if (2 * offsets_.size() > slots_.size()) grow();
    return index;
  }

  void grow() {
    std::vector<Slot> larger(slots_.size() * 2);
    for (const auto& slot : slots_) {
      if (slot.index < 0) continue;
      const auto* text = reinterpret_cast<const uint8_t*>(bytes_.data()) + offsets_[static_cast<size_t>(slot.index)];
      size_t at = hash_of(slot.key, text) & (larger.size() - 1);
      while (larger[at].index >= 0) at = (at + 1) & (larger.size() - 1);
      larger[at] = slot;
    }
    slots_ = std::move(larger);
  }

  std::vector<Slot> slots_;
  std::vector<int32_t> offsets_;
  std::string bytes_;
};

using DataPtr = std::shared_ptr<arrow::ArrayData>;

// The numbers of `length` texts from `begin` on, placed so that they keep the array's offset. Null: too many.
Result<std::shared_ptr<arrow::Buffer>> index_texts(const arrow::ArrayData& text, int64_t begin, int64_t length,
                                                   TextDictionary& dictionary) {
  int64_t first = text.offset + begin;
  std::shared_ptr<arrow::Buffer> buffer = TRY(to_result(arrow::AllocateBuffer((first + length) * 4)));
  auto* indices = reinterpret_cast<int32_t*>(buffer->mutable_data());
  std::fill_n(indices, first, 0);
  const auto* offsets = reinterpret_cast<const int32_t*>(text.buffers[1]->data());
  const uint8_t* bytes = text.buffers[2] == nullptr ? nullptr : text.buffers[2]->data();
  const uint8_t* validity = text.MayHaveNulls() ? text.buffers[0]->data() : nullptr;
  for (int64_t i = first; i < first + length; ++i) {
    if (validity != nullptr && !arrow::bit_util::GetBit(validity, i)) {
      indices[i] = 0;
      continue;
    }
    indices[i] = dictionary.find_or_add(bytes + offsets[i], static_cast<uint32_t>(offsets[i + 1] - offsets[i]));
    if (indices[i] < 0) return std::shared_ptr<arrow::Buffer>();
  }
  return buffer;
}

// Up to 256 texts are numbered by bytes: less to move, and Arrow marks the used ones in a table instead of hashing.
Result<std::shared_ptr<arrow::Buffer>> narrowed(const arrow::Buffer& indices) {
  int64_t count = indices.size() / 4;
  std::shared_ptr<arrow::Buffer> bytes = TRY(to_result(arrow::AllocateBuffer(count)));
  const auto* from = reinterpret_cast<const int32_t*>(indices.data());
  uint8_t* to = bytes->mutable_data();
  for (int64_t i = 0; i < count; ++i) to[i] = static_cast<uint8_t>(from[i]);
  return bytes;
}

// The leaf at `path` in one array: the array data that holds it, and which of its rows belong to the array.
struct LeafRows {
  DataPtr data;
  int64_t begin = 0;
  int64_t length = 0;
};

// `way`: child numbers from the column down to the leaf.
LeafRows leaf_of(const arrow::Array& array, const std::vector<int>& way) {
  LeafRows leaf{array.data(), 0, array.length()};
  for (int child : way) {
    leaf.begin += leaf.data->offset;
    leaf.data = leaf.data->child_data[static_cast<size_t>(child)];
  }
  return leaf;
}

// A copy of the array's structs down to the leaf, with `leaf` in its place.
DataPtr with_leaf(const DataPtr& data, const std::vector<int>& way, size_t depth, const DataPtr& leaf) {
  if (depth == way.size()) return leaf;
  auto child = static_cast<size_t>(way[depth]);
  auto copy = std::make_shared<arrow::ArrayData>(*data);
  copy->child_data[child] = with_leaf(data->child_data[child], way, depth + 1, leaf);
  auto fields = data->type->fields();
  fields[child] = fields[child]->WithType(copy->child_data[child]->type);
  copy->type = arrow::struct_(fields);
  return copy;
}

// Child numbers of "city" or "address.city" below a column. Empty: no text there, or not through structs alone.
std::optional<std::vector<int>> find_way(const arrow::DataType& column, std::string_view path) {
  std::vector<int> way;
  const arrow::DataType* type = &column;
  while (type->id() == arrow::Type::STRUCT) {
    bool found = false;
    for (int i = 0; i < type->num_fields() && !found; ++i) {
      const auto& name = type->field(i)->name();
      if (!path.starts_with(name) || (path.size() > name.size() && path[name.size()] != '.')) continue;
      path.remove_prefix(std::min(path.size(), name.size() + 1));
      way.push_back(i);
      type = type->field(i)->type().get();
      found = true;
    }
    if (!found) return std::nullopt;
  }
  if (!path.empty() || (type->id() != arrow::Type::STRING && type->id() != arrow::Type::BINARY)) return std::nullopt;
  return way;
}

Result<arrow::ArrayVector> encode_leaf(const arrow::ArrayVector& chunks, const std::vector<int>& way) {
  TextDictionary dictionary;
  std::vector<std::shared_ptr<arrow::Buffer>> indices;
  for (const auto& chunk : chunks) {
    auto leaf = leaf_of(*chunk, way);
    indices.push_back(TRY(index_texts(*leaf.data, leaf.begin, leaf.length, dictionary)));
    if (indices.back() == nullptr) return chunks;
  }
  auto text_type = leaf_of(*chunks[0], way).data->type;
  auto values = TRY(dictionary.finish(text_type));
  bool narrow = values->length() <= 256;
  auto type = arrow::dictionary(narrow ? arrow::uint8() : arrow::int32(), text_type);
  arrow::ArrayVector encoded;
  for (size_t i = 0; i < chunks.size(); ++i) {
    auto leaf = leaf_of(*chunks[i], way);
    if (narrow) indices[i] = TRY(narrowed(*indices[i]));
    auto data = arrow::ArrayData::Make(type, leaf.begin + leaf.length, {leaf.data->buffers[0], indices[i]},
                                       arrow::kUnknownNullCount, leaf.data->offset);
    data->dictionary = values->data();
    encoded.push_back(arrow::MakeArray(with_leaf(chunks[i]->data(), way, 0, data)));
  }
  return encoded;
}

}  // namespace

Result<arrow::ArrayVector> encode_text(const std::string& column, const arrow::ArrayVector& chunks,
                                       const std::vector<std::string>& paths) {
  arrow::ArrayVector encoded = chunks;
  for (const auto& path : paths) {
    if (!path.starts_with(column) || encoded.empty()) continue;
    std::string_view below = std::string_view(path).substr(column.size());
    if (!below.empty() && below[0] != '.') continue;
    auto way = find_way(*encoded[0]->type(), below.empty() ? below : below.substr(1));
    if (way) encoded = TRY(encode_leaf(encoded, *way));
  }
  return encoded;
}

}  // namespace sluice::parquet_format_detail
