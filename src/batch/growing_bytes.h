// Bytes that grow at their end, without a value for what is not written yet: what decoders and encoders append to.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include <arrow/buffer.h>

namespace sluice {

using ByteSpan = std::span<const uint8_t>;

class GrowingBytes {
 public:
  GrowingBytes() = default;
  // `room`: how many more bytes all who share it may take; outlives this.
  explicit GrowingBytes(int64_t* room) : room_(room) {}
  [[nodiscard]] uint8_t* data() { return data_; }
  [[nodiscard]] const uint8_t* data() const { return data_; }
  [[nodiscard]] int64_t size() const { return size_; }
  [[nodiscard]] ByteSpan span() const { return {data_, static_cast<size_t>(size_)}; }
  void clear() { size_ = 0; }
  void resize_down(int64_t size) { size_ = size; }

  // Room for `more` bytes behind the end. False: there is no room for them, or they would exceed 2 GB.
  [[nodiscard]] bool ensure(int64_t more) {
    if (size_ + more <= capacity_) [[likely]]
      return true;
    return grow(more);
  }
  // After ensure().
  uint8_t* end() { return data_ + size_; }
  void advance(int64_t written) { size_ += written; }
  void append(const void* bytes, int64_t count) {
    if (count > 0) std::memcpy(end(), bytes, static_cast<size_t>(count));
    size_ += count;
  }
  template <typename T>
  void put(T value) {
    std::memcpy(end(), &value, sizeof(value));
    size_ += static_cast<int64_t>(sizeof(value));
  }
  void fill(uint8_t value, int64_t count) {
    if (count > 0) std::memset(end(), value, static_cast<size_t>(count));
    size_ += count;
  }
  // Hands the bytes over; the next ones get as much room at once.
  std::shared_ptr<arrow::Buffer> release();

 private:
  bool grow(int64_t more);

  std::shared_ptr<arrow::ResizableBuffer> buffer_;
  uint8_t* data_ = nullptr;
  int64_t size_ = 0;
  int64_t capacity_ = 0;
  int64_t wanted_ = 0;  // what the last buffer came to
  int64_t* room_ = nullptr;
};

}  // namespace sluice
