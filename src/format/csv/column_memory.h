// The memory behind the columns of a batch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include <arrow/buffer.h>
#include <arrow/result.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/bitmap_generate.h>

namespace sluice::csv {

// Memory that Arrow can take over, grown by doubling, with room behind it for careless stores of 64 bytes.
class GrowingBuffer {
 public:
  arrow::Status need(int64_t bytes) {
    if (bytes + kSlack <= capacity_) return arrow::Status::OK();
    int64_t capacity = std::max({bytes + kSlack, capacity_ * 2, usual_});
    if (buffer_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(buffer_, arrow::AllocateResizableBuffer(capacity));
    } else {
      ARROW_RETURN_NOT_OK(buffer_->Resize(capacity, false));
    }
    capacity_ = capacity;
    return arrow::Status::OK();
  }
  [[nodiscard]] uint8_t* data() const { return buffer_->mutable_data(); }
  template <typename T>
  [[nodiscard]] T* as() const {
    return reinterpret_cast<T*>(buffer_->mutable_data());
  }
  // The first `bytes`; this then begins anew, as large as it was needed this time.
  arrow::Result<std::shared_ptr<arrow::Buffer>> take(int64_t bytes) {
    ARROW_RETURN_NOT_OK(need(bytes));
    usual_ = bytes + bytes / 16 + kSlack;
    // Memory that was not touched costs nothing; a half empty buffer would be held by whoever keeps the batch.
    ARROW_RETURN_NOT_OK(buffer_->Resize(bytes, /*shrink_to_fit=*/capacity_ > usual_ + usual_ / 2));
    capacity_ = 0;
    return std::shared_ptr<arrow::Buffer>(std::exchange(buffer_, nullptr));
  }

 private:
  static constexpr int64_t kSlack = 64;
  std::unique_ptr<arrow::ResizableBuffer> buffer_;
  int64_t capacity_ = 0;
  int64_t usual_ = 0;
};

// Whether each row has a value, a byte each until the batch is finished.
class Validity {
 public:
  arrow::Status need(int64_t rows) { return bytes_.need(rows); }
  [[nodiscard]] uint8_t* data() const { return bytes_.data(); }
  arrow::Result<std::shared_ptr<arrow::Buffer>> take(int64_t rows, int64_t* nulls) {
    bool any = rows > 0 && std::memchr(bytes_.data(), 0, static_cast<size_t>(rows)) != nullptr;
    *nulls = !any ? 0 : std::count(bytes_.data(), bytes_.data() + rows, uint8_t{0});
    if (*nulls == 0) return std::shared_ptr<arrow::Buffer>();
    ARROW_ASSIGN_OR_RAISE(auto bits, arrow::AllocateBuffer(arrow::bit_util::BytesForBits(rows)));
    const uint8_t* valid = bytes_.data();
    arrow::internal::GenerateBitsUnrolled(bits->mutable_data(), 0, rows, [&] { return *valid++ != 0; });
    return std::shared_ptr<arrow::Buffer>(std::move(bits));
  }

 private:
  GrowingBuffer bytes_;
};

}  // namespace sluice::csv
