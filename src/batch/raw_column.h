// A column being read: raw bytes that become an Arrow array. Appending is inline and knows its type from the plan, so
// that a value costs no call through a builder.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/type_fwd.h>

#include "base/result.h"
#include "batch/growing_bytes.h"
#include "batch/schema.h"

namespace sluice {

class RawColumn {
 public:
  enum class Shape : uint8_t { nothing, bits, fixed, text, list, group };

  // `room`: what all columns of a reader may still take in memory.
  RawColumn(TypePtr type, int64_t* room);

  [[nodiscard]] const TypePtr& type() const { return type_; }
  [[nodiscard]] int64_t length() const { return length_; }
  [[nodiscard]] int64_t width() const { return width_; }
  [[nodiscard]] RawColumn& child(size_t index) { return *children_[index]; }
  [[nodiscard]] size_t children() const { return children_.size(); }
  // Memory of the values so far.
  [[nodiscard]] int64_t bytes() const;

  // All of these return false when there is no room for the value, or one column's text passes 2 GB.
  template <typename T>
  [[nodiscard]] bool append(T value) {
    if (!values_.ensure(static_cast<int64_t>(sizeof(T)))) return false;
    values_.put(value);
    return appended();
  }
  [[nodiscard]] bool append_bytes(const uint8_t* from, int64_t size) {  // of a fixed or bits column: one value
    if (!values_.ensure(size)) return false;
    values_.append(from, size);
    return appended();
  }
  [[nodiscard]] bool append_text(const uint8_t* from, int64_t size) {
    if (!values_.ensure(size) || !append_offset(values_.size() + size)) return false;
    values_.append(from, size);
    return appended();
  }
  // A list (or map) whose elements have been appended to the child.
  [[nodiscard]] bool append_list() { return append_offset(children_[0]->length()) && appended(); }
  // A struct whose fields have been appended to the children.
  [[nodiscard]] bool append_group() { return appended(); }
  [[nodiscard]] bool append_null();

  // Forgets what lies behind the first `rows` values.
  void cut_back(int64_t rows);
  // The first `rows` values; what lies behind them is dropped. The column is empty afterwards.
  Result<std::shared_ptr<arrow::ArrayData>> take(int64_t rows);

 private:
  [[nodiscard]] bool appended() {
    ++length_;
    if (!has_nulls_) [[likely]]
      return true;
    return append_validity(1);
  }
  // A value of zeros, valid or not.
  [[nodiscard]] bool append_blank(bool valid);
  [[nodiscard]] bool append_validity(uint8_t valid) {
    if (!valid_.ensure(1)) return false;
    valid_.put(valid);
    return true;
  }
  [[nodiscard]] bool append_offset(int64_t offset) {
    if (offset > INT32_MAX || !offsets_.ensure(8)) return false;
    if (offsets_.size() == 0) offsets_.put<int32_t>(0);
    offsets_.put(static_cast<int32_t>(offset));
    return true;
  }
  Result<std::shared_ptr<arrow::Buffer>> take_validity(int64_t rows, int64_t* nulls);

  const TypePtr type_;
  Shape shape_ = Shape::nothing;
  int64_t width_ = 0;  // bytes of a fixed value
  int64_t length_ = 0;
  bool has_nulls_ = false;
  GrowingBytes values_;   // bits: one byte each until they are taken
  GrowingBytes offsets_;  // int32, beginning with 0
  GrowingBytes valid_;    // one byte each; empty while has_nulls_ is false
  std::vector<std::unique_ptr<RawColumn>> children_;
};

}  // namespace sluice
