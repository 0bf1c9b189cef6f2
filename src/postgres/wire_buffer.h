// Bytes on their way to the server.
#pragma once

#include <cstring>
#include <memory>
#include <string_view>

#include "postgres/bytes.h"

namespace sluice::postgres {

// What std::string does, with appends of a few bytes inlined.
class WireBuffer {
 public:
  // `bytes` more at the end, to be filled in.
  char* extend(size_t bytes) {
    if (size_ + bytes > capacity_) grow(size_ + bytes);
    char* at = data_.get() + size_;
    size_ += bytes;
    return at;
  }
  void append(std::string_view bytes) {
    if (!bytes.empty()) std::memcpy(extend(bytes.size()), bytes.data(), bytes.size());
  }
  template <typename T>
  void put(T value) {
    const T swapped = load_be<T>(reinterpret_cast<const char*>(&value));
    std::memcpy(extend(sizeof(T)), &swapped, sizeof(T));
  }
  template <typename T>
  void put_at(size_t at, T value) {
    const T swapped = load_be<T>(reinterpret_cast<const char*>(&value));
    std::memcpy(data_.get() + at, &swapped, sizeof(T));
  }
  void truncate(size_t size) { size_ = size; }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] size_t capacity() const { return capacity_; }
  [[nodiscard]] std::string_view view() const { return {data_.get(), size_}; }

 private:
  void grow(size_t bytes);
  std::unique_ptr<char[]> data_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace sluice::postgres
