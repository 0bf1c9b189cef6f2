#include "postgres/wire_buffer.h"

#include <algorithm>

namespace sluice::postgres {

void WireBuffer::grow(size_t bytes) {
  const size_t capacity = std::max(bytes, std::max<size_t>(capacity_ * 2, 4096));
  auto data = std::make_unique_for_overwrite<char[]>(capacity);
  if (size_ > 0) std::memcpy(data.get(), data_.get(), size_);
  data_ = std::move(data);
  capacity_ = capacity;
}

}  // namespace sluice::postgres
