// As much of the protobuf wire format as ORC's footers need. https://protobuf.dev/programming-guides/encoding/
#pragma once

#include <cstdint>
#include <string_view>

#include <arrow/status.h>

namespace sluice::orc_format_detail {

// Bytes from front to back. Once something is missing it has failed, and gives zeros.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  uint8_t byte() {
    if (rest_.empty()) return fail(), uint8_t{0};
    auto value = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  // Seven bits a byte, the lowest first.
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t next = byte();
      value |= static_cast<uint64_t>(next & 0x7F) << shift;
      if (next < 0x80) return value;
    }
    return fail(), value;
  }
  std::string_view take(uint64_t bytes) {
    if (bytes > rest_.size()) return fail(), std::string_view();
    auto taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }
  void skip(uint64_t bytes) { (void)take(bytes); }
  bool fail() {
    failed_ = true;
    rest_ = {};
    return true;
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }
  [[nodiscard]] bool done() const { return rest_.empty(); }
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

struct ProtobufField {
  uint64_t number = 0;
  uint64_t value = 0;      // of numbers
  std::string_view bytes;  // of messages, texts and packed numbers
  bool packed = false;     // `bytes` is set
};

// Calls `found` with each field of a message, in their order; Invalid when it is cut or malformed.
template <typename Found>
arrow::Status each_field(std::string_view message, const Found& found) {
  ByteReader in(message);
  while (!in.done()) {
    const uint64_t key = in.varint();
    ProtobufField field;
    field.number = key >> 3;
    switch (key & 7) {
      case 0:
        field.value = in.varint();
        break;
      case 1:
        in.skip(8);
        break;
      case 2:
        field.bytes = in.take(in.varint());
        field.packed = true;
        break;
      case 5:
        in.skip(4);
        break;
      default:
        return arrow::Status::Invalid("a footer is malformed");
    }
    if (in.failed()) return arrow::Status::Invalid("a footer is cut off");
    ARROW_RETURN_NOT_OK(found(field));
  }
  return arrow::Status::OK();
}

// Calls `found` with each value of a repeated number, packed or not.
template <typename Found>
arrow::Status each_number(const ProtobufField& field, const Found& found) {
  if (!field.packed) {
    found(field.value);
    return arrow::Status::OK();
  }
  ByteReader in(field.bytes);
  while (!in.done()) found(in.varint());
  return in.failed() ? arrow::Status::Invalid("a footer is cut off") : arrow::Status::OK();
}

}  // namespace sluice::orc_format_detail
