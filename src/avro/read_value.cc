// RowReader: walking the plan over the bytes of one row.
#include <array>
#include <bit>
#include <utility>

#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include "avro/bytes.h"
#include "avro/read_node.h"
#include "avro/reader.h"
#include "batch/utf8.h"

namespace sluice::avro {
namespace {

static_assert(std::endian::native == std::endian::little, "Avro's floats are little-endian, as are Arrow's");

constexpr int kSkipDepthMax = 128;
// Elements without bytes (nulls, empty records): nothing in the file bounds their number.
constexpr int64_t kEmptiesMax = 1 << 20;
constexpr int64_t kMillisPerDay = 86'400'000;

bool is_ascii(const uint8_t* text, int64_t size) {
  uint64_t seen = 0;
  int64_t i = 0;
  for (; i + 8 <= size; i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, text + i, 8);
    seen |= word;
  }
  for (; i < size; ++i) seen |= static_cast<uint64_t>(text[i]) << 56 | text[i];
  return (seen & 0x8080808080808080U) == 0;
}

template <typename T>
T load(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

// Two's complement, big-endian, of any length → little-endian of `width` bytes. False: it does not fit.
template <size_t width>
bool widen_decimal(const uint8_t* from, int64_t size, std::array<uint8_t, width>& to) {
  const uint8_t sign = size > 0 && (from[0] & 0x80) != 0 ? 0xff : 0;
  while (size > static_cast<int64_t>(width)) {
    if (*from != sign) return false;
    ++from;
    --size;
  }
  to.fill(sign);
  for (int64_t i = 0; i < size; ++i) to[static_cast<size_t>(i)] = from[size - 1 - i];
  return size < static_cast<int64_t>(width) || (to[width - 1] & 0x80) == (sign & 0x80);
}

std::array<char, 36> uuid_text(const uint8_t* bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::array<char, 36> text{};
  size_t at = 0;
  for (size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text[at++] = '-';
    text[at++] = kDigits[bytes[i] >> 4];
    text[at++] = kDigits[bytes[i] & 15];
  }
  return text;
}

}  // namespace

const uint8_t* RowReader::fail(const ReadNode& node, std::string problem) {
  problem_ = node.path.empty() ? std::move(problem) : fmt::format("field {}: {}", node.path, problem);
  return nullptr;
}
const uint8_t* RowReader::cut(const ReadNode& node) { return fail(node, "the row's bytes end within a value"); }
const uint8_t* RowReader::full(const ReadNode& node) { return fail(node, "the row takes too much memory"); }

const uint8_t* RowReader::read_value(const ReadNode& node, const uint8_t* at) {
  int64_t value = 0;
  if (node.null_branch >= 0) {
    at = get_varint(at, end_, &value);
    if (at == nullptr) return cut(node);
    if (value == node.null_branch) return node.out->append_null() ? at : full(node);
    if (value != 1 - node.null_branch) return fail(node, fmt::format("there is no union branch {}", value));
  }
  switch (node.op) {
    case ReadOp::int32:
    case ReadOp::time32:
    case ReadOp::int64:
    case ReadOp::time64:
    case ReadOp::int_to_float32:
    case ReadOp::int_to_float64:
      return read_number(node, at);
    case ReadOp::boolean:
      if (at >= end_) return cut(node);
      if (*at > 1) return fail(node, fmt::format("a boolean of {}", *at));
      return node.out->append(*at) ? at + 1 : full(node);
    case ReadOp::float32:
      if (end_ - at < 4) return cut(node);
      return node.out->append(load<uint32_t>(at)) ? at + 4 : full(node);
    case ReadOp::float32_to_64:
      if (end_ - at < 4) return cut(node);
      return node.out->append(static_cast<double>(load<float>(at))) ? at + 4 : full(node);
    case ReadOp::float64:
      if (end_ - at < 8) return cut(node);
      return node.out->append(load<uint64_t>(at)) ? at + 8 : full(node);
    case ReadOp::text:
    case ReadOp::binary:
      return read_text(node, at);
    case ReadOp::fixed:
      if (end_ - at < node.size) return cut(node);
      return node.out->append_bytes(at, node.size) ? at + node.size : full(node);
    case ReadOp::uuid: {
      if (end_ - at < 16) return cut(node);
      const auto text = uuid_text(at);
      return node.out->append_text(reinterpret_cast<const uint8_t*>(text.data()), text.size()) ? at + 16 : full(node);
    }
    case ReadOp::symbol:
      return read_symbol(node, at);
    case ReadOp::nothing:
      return node.out->append_null() ? at : full(node);
    case ReadOp::skip:
      return skip(*node.type, at, 0);
    case ReadOp::record:
      return read_record(node, at);
    case ReadOp::blocks:
      return read_blocks(node, at);
    case ReadOp::either:
    case ReadOp::member:
      return read_either(node, at);
    case ReadOp::decimal:
      return read_decimal(node, at);
    case ReadOp::duration:
      return read_duration(node, at);
    case ReadOp::constant:
      return read_constant(node, at);
    case ReadOp::fail:
      problem_ = node.path;
      return nullptr;
  }
  return fail(node, "an operation that is not read");
}

// A varint, by the column it goes to.
const uint8_t* RowReader::read_number(const ReadNode& node, const uint8_t* at) {
  int64_t value = 0;
  at = get_varint(at, end_, &value);
  if (at == nullptr) return cut(node);
  bool room = true;
  switch (node.op) {
    case ReadOp::int32:
    case ReadOp::time32:
      if (value < INT32_MIN || value > INT32_MAX) return fail(node, fmt::format("{} is no int", value));
      if (node.op == ReadOp::time32 && (value < 0 || value >= kMillisPerDay)) {
        return fail(node, fmt::format("{} ms is no time of day", value));
      }
      room = node.out->append(static_cast<int32_t>(value));
      break;
    case ReadOp::time64:
      if (value < 0 || value >= kMillisPerDay * 1000) return fail(node, fmt::format("{} us is no time of day", value));
      room = node.out->append(value);
      break;
    case ReadOp::int_to_float32:
      room = node.out->append(static_cast<float>(value));
      break;
    case ReadOp::int_to_float64:
      room = node.out->append(static_cast<double>(value));
      break;
    default:
      room = node.out->append(value);
      break;
  }
  return room ? at : full(node);
}

const uint8_t* RowReader::read_symbol(const ReadNode& node, const uint8_t* at) {
  int64_t value = 0;
  at = get_varint(at, end_, &value);
  if (at == nullptr) return cut(node);
  const auto index = static_cast<uint64_t>(value);
  if (index >= node.symbols.size()) return fail(node, fmt::format("there is no enum symbol {}", value));
  const auto& symbol = node.symbols[index];
  if (!node.symbol_known[index]) return fail(node, fmt::format("the reader schema has no symbol {}", symbol));
  const auto* text = reinterpret_cast<const uint8_t*>(symbol.data());
  return node.out->append_text(text, std::ssize(symbol)) ? at : full(node);
}

const uint8_t* RowReader::read_text(const ReadNode& node, const uint8_t* at) {
  int64_t size = 0;
  at = get_varint(at, end_, &size);
  if (at == nullptr || size > end_ - at) return cut(node);
  if (size < 0) return fail(node, fmt::format("a length of {} bytes", size));
  if (node.op == ReadOp::text && !is_ascii(at, size) &&
      !is_utf8({reinterpret_cast<const char*>(at), static_cast<size_t>(size)})) {
    return fail(node, "text that is not UTF-8");
  }
  return node.out->append_text(at, size) ? at + size : full(node);
}

const uint8_t* RowReader::read_record(const ReadNode& node, const uint8_t* at) {
  for (const auto& child : node.children) {
    at = read_value(child, at);
    if (at == nullptr) return nullptr;
  }
  if (node.out != nullptr && !node.out->append_group()) return full(node);
  return at;
}

bool RowReader::plausible(int64_t count, int64_t bytes_min, const uint8_t* at) {
  if (bytes_min > 0) return count <= (end_ - at) / bytes_min;
  if (count > kEmptiesMax) return false;
  empties_ += count;
  return empties_ <= kEmptiesMax;
}

// "A block with count zero indicates the end of the array. … If a block's count is negative, its absolute value is
// used, and the count is followed immediately by a long block size."
const uint8_t* RowReader::read_blocks(const ReadNode& node, const uint8_t* at) {
  for (;;) {
    int64_t count = 0;
    int64_t bytes = 0;
    at = get_varint(at, end_, &count);
    if (at == nullptr) return cut(node);
    if (count == 0) return node.out->append_list() ? at : full(node);
    if (count < 0) {
      at = get_varint(at, end_, &bytes);
      if (at == nullptr) return cut(node);
      if (count == INT64_MIN) return fail(node, "a damaged element count");
      count = -count;
    }
    if (!plausible(count, node.size, at))
      return fail(node, fmt::format("{} elements, more than the row can hold", count));
    const bool is_map = node.out->child(0).children() == 2 && node.out->type()->id() == arrow::Type::MAP;
    for (; count > 0; --count) {
      for (const auto& child : node.children) {
        at = read_value(child, at);
        if (at == nullptr) return nullptr;
      }
      if (is_map && !node.out->child(0).append_group()) return full(node);
    }
  }
}

const uint8_t* RowReader::read_either(const ReadNode& node, const uint8_t* at) {
  if (node.op == ReadOp::either) {
    int64_t branch = 0;
    at = get_varint(at, end_, &branch);
    if (at == nullptr) return cut(node);
    const auto index = static_cast<uint64_t>(branch);
    if (index >= node.children.size()) return fail(node, fmt::format("there is no union branch {}", branch));
    return read_value(node.children[index], at);
  }
  at = read_value(node.children[0], at);
  if (at == nullptr) return nullptr;
  for (size_t i = 0; i < node.out->children(); ++i) {
    if (i != node.member && !node.out->child(i).append_null()) return full(node);
  }
  return node.out->append_group() ? at : full(node);
}

const uint8_t* RowReader::read_decimal(const ReadNode& node, const uint8_t* at) {
  int64_t size = node.size;
  if (node.type->kind == Kind::bytes) {
    at = get_varint(at, end_, &size);
    if (at == nullptr) return cut(node);
    if (size < 0) return fail(node, fmt::format("a length of {} bytes", size));
  }
  if (size > end_ - at) return cut(node);
  bool fits = false;
  bool room = true;
  if (node.out->width() == 16) {
    std::array<uint8_t, 16> bytes;
    fits = widen_decimal(at, size, bytes) && arrow::Decimal128(bytes.data()).FitsInPrecision(node.precision);
    room = !fits || node.out->append_bytes(bytes.data(), 16);
  } else {
    std::array<uint8_t, 32> bytes;
    fits = widen_decimal(at, size, bytes) && arrow::Decimal256(bytes.data()).FitsInPrecision(node.precision);
    room = !fits || node.out->append_bytes(bytes.data(), 32);
  }
  if (!fits) return fail(node, fmt::format("a decimal of more than {} digits", node.precision));
  return room ? at + size : full(node);
}

// "three little-endian unsigned integers": months, days, milliseconds.
const uint8_t* RowReader::read_duration(const ReadNode& node, const uint8_t* at) {
  if (end_ - at < 12) return cut(node);
  const auto months = load<uint32_t>(at);
  const auto days = load<uint32_t>(at + 4);
  if (months > INT32_MAX || days > INT32_MAX) return fail(node, "a duration of more than 2^31 months or days");
  std::array<uint8_t, 16> out;
  const int64_t nanos = static_cast<int64_t>(load<uint32_t>(at + 8)) * 1'000'000;
  std::memcpy(out.data(), &months, 4);
  std::memcpy(out.data() + 4, &days, 4);
  std::memcpy(out.data() + 8, &nanos, 8);
  return node.out->append_bytes(out.data(), 16) ? at + 12 : full(node);
}

const uint8_t* RowReader::read_constant(const ReadNode& node, const uint8_t* at) {
  const uint8_t* row_end = std::exchange(end_, node.bytes.data() + node.bytes.size() - 1);
  const uint8_t* done = read_value(node.children[0], node.bytes.data());
  end_ = row_end;
  return done == nullptr ? nullptr : at;
}

const uint8_t* RowReader::skip(const Type& type, const uint8_t* at, int depth) {
  static const ReadNode kNowhere;
  int64_t value = 0;
  auto skip_bytes = [&](int64_t bytes) { return bytes >= 0 && bytes <= end_ - at ? at + bytes : cut(kNowhere); };
  switch (type.kind) {
    case Kind::null:
      return at;
    case Kind::boolean:
      return skip_bytes(1);
    case Kind::float32:
      return skip_bytes(4);
    case Kind::float64:
      return skip_bytes(8);
    case Kind::fixed:
      return skip_bytes(type.size);
    case Kind::array:
    case Kind::map:
      return depth > kSkipDepthMax ? fail(kNowhere, "values nested too deeply") : skip_blocks(type, at, depth);
    case Kind::record:
      if (depth > kSkipDepthMax) return fail(kNowhere, "values nested too deeply");
      for (const auto& field : type.fields) {
        at = skip(*field.type, at, depth + 1);
        if (at == nullptr) return nullptr;
      }
      return at;
    default:
      break;
  }
  at = get_varint(at, end_, &value);
  if (at == nullptr) return cut(kNowhere);
  if (type.kind == Kind::bytes || type.kind == Kind::string) return skip_bytes(value);
  if (type.kind != Kind::either) return at;
  if (static_cast<uint64_t>(value) >= type.branches.size()) {
    return fail(kNowhere, fmt::format("there is no union branch {}", value));
  }
  return skip(*type.branches[static_cast<size_t>(value)], at, depth + 1);
}

const uint8_t* RowReader::skip_blocks(const Type& type, const uint8_t* at, int depth) {
  static const ReadNode kNowhere;
  const bool is_map = type.kind == Kind::map;
  for (;;) {
    int64_t count = 0;
    int64_t bytes = 0;
    at = get_varint(at, end_, &count);
    if (at == nullptr) return cut(kNowhere);
    if (count == 0) return at;
    if (count < 0) {  // the block says how long it is
      at = get_varint(at, end_, &bytes);
      if (at == nullptr || bytes < 0 || bytes > end_ - at) return cut(kNowhere);
      at += bytes;
      continue;
    }
    if (!plausible(count, type.element->bytes_min + (is_map ? 1 : 0), at)) {
      return fail(kNowhere, fmt::format("{} elements, more than the row can hold", count));
    }
    for (; count > 0; --count) {
      if (is_map) {
        at = get_varint(at, end_, &bytes);
        if (at == nullptr || bytes < 0 || bytes > end_ - at) return cut(kNowhere);
        at += bytes;
      }
      at = skip(*type.element, at, depth + 1);
      if (at == nullptr) return nullptr;
    }
  }
}

}  // namespace sluice::avro
