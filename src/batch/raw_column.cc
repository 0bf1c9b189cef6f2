#include "batch/raw_column.h"

#include <arrow/array/data.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include "batch/arrow_result.h"

namespace sluice {
namespace {

constexpr int64_t kBytesMax = INT32_MAX;
constexpr int64_t kBytesMin = 256;

// Bytes of 0 or 1 → bits.
Result<std::shared_ptr<arrow::Buffer>> packed(const uint8_t* bytes, int64_t count, int64_t* ones) {
  std::shared_ptr<arrow::Buffer> bits = TRY(to_result(arrow::AllocateEmptyBitmap(count)));
  uint8_t* out = bits->mutable_data();
  *ones = 0;
  for (int64_t i = 0; i < count; ++i) {
    out[i >> 3] = static_cast<uint8_t>(out[i >> 3] | (bytes[i] << (i & 7)));
    *ones += bytes[i];
  }
  return bits;
}

}  // namespace

bool GrowingBytes::grow(int64_t more) {
  if (more < 0 || size_ + more > kBytesMax) return false;
  int64_t capacity = std::max({size_ + more, std::min(2 * capacity_, kBytesMax), wanted_, kBytesMin});
  if (room_ != nullptr && *room_ < capacity - capacity_) return false;
  auto done = [&]() -> arrow::Status {
    if (buffer_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(auto fresh, arrow::AllocateResizableBuffer(capacity));
      buffer_ = std::move(fresh);
      return arrow::Status::OK();
    }
    return buffer_->Resize(capacity, /*shrink_to_fit=*/false);
  }();
  if (!done.ok()) return false;
  data_ = buffer_->mutable_data();
  if (room_ != nullptr) *room_ -= buffer_->size() - capacity_;
  capacity_ = buffer_->size();
  return true;
}

std::shared_ptr<arrow::Buffer> GrowingBytes::release() {
  // Arrow wants an address where there are no bytes, too.
  std::shared_ptr<arrow::Buffer> out = buffer_ == nullptr ? std::make_shared<arrow::Buffer>(std::string_view(""))
                                                          : arrow::SliceBuffer(buffer_, 0, size_);
  wanted_ = size_;
  if (room_ != nullptr) *room_ += capacity_;
  buffer_.reset();
  data_ = nullptr;
  size_ = capacity_ = 0;
  return out;
}

RawColumn::RawColumn(TypePtr type, int64_t* room)
    : type_(std::move(type)), values_(room), offsets_(room), valid_(room) {
  switch (type_->id()) {
    case arrow::Type::NA:
      shape_ = Shape::nothing;
      break;
    case arrow::Type::BOOL:
      shape_ = Shape::bits;
      width_ = 1;
      break;
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      shape_ = Shape::text;
      break;
    case arrow::Type::LIST:
    case arrow::Type::MAP:
      shape_ = Shape::list;
      break;
    case arrow::Type::STRUCT:
      shape_ = Shape::group;
      break;
    default:
      shape_ = Shape::fixed;
      width_ = static_cast<const arrow::FixedWidthType&>(*type_).bit_width() / 8;
      break;
  }
  for (const auto& field : type_->fields()) children_.push_back(std::make_unique<RawColumn>(field->type(), room));
}

int64_t RawColumn::bytes() const {
  int64_t bytes = values_.size() + offsets_.size() + valid_.size();
  for (const auto& child : children_) bytes += child->bytes();
  return bytes;
}

bool RawColumn::append_null() {
  if (!has_nulls_ && shape_ != Shape::nothing) {
    has_nulls_ = true;
    if (!valid_.ensure(length_ + 1)) return false;
    valid_.fill(1, length_);
  }
  return append_blank(false);
}

bool RawColumn::append_blank(bool valid) {
  ++length_;
  switch (shape_) {
    case Shape::nothing:
      return true;
    case Shape::bits:
    case Shape::fixed:
      if (!values_.ensure(width_)) return false;
      values_.fill(0, width_);
      break;
    case Shape::text:
      if (!append_offset(values_.size())) return false;
      break;
    case Shape::list:
      if (!append_offset(children_[0]->length())) return false;
      break;
    case Shape::group:
      // Below a null struct even fields that are never null have a place; it must not count as a null of theirs.
      for (size_t i = 0; i < children_.size(); ++i) {
        const bool nullable = type_->field(static_cast<int>(i))->nullable();
        if (!(nullable ? children_[i]->append_null() : children_[i]->append_blank(true))) return false;
      }
      break;
  }
  return !has_nulls_ || append_validity(valid ? 1 : 0);
}

void RawColumn::cut_back(int64_t rows) {
  if (has_nulls_ && valid_.size() < rows) {  // there was no room to say that all before the first null are valid
    has_nulls_ = false;
    valid_.clear();
  }
  if (has_nulls_) valid_.resize_down(rows);
  length_ = rows;
  switch (shape_) {
    case Shape::nothing:
      break;
    case Shape::bits:
    case Shape::fixed:
      values_.resize_down(rows * width_);
      break;
    case Shape::text:
    case Shape::list: {
      int32_t end = 0;
      if (offsets_.size() > 0) {
        offsets_.resize_down(4 * (rows + 1));
        std::memcpy(&end, offsets_.data() + 4 * rows, 4);
      }
      if (shape_ == Shape::text) values_.resize_down(end);
      if (shape_ == Shape::list) children_[0]->cut_back(end);
      break;
    }
    case Shape::group:
      for (auto& child : children_) child->cut_back(rows);
      break;
  }
}

Result<std::shared_ptr<arrow::Buffer>> RawColumn::take_validity(int64_t rows, int64_t* nulls) {
  *nulls = 0;
  if (!has_nulls_) return nullptr;
  int64_t valid = 0;
  auto bits = TRY(packed(valid_.data(), rows, &valid));
  *nulls = rows - valid;
  valid_.clear();
  has_nulls_ = false;
  if (*nulls == 0) return nullptr;
  return bits;
}

Result<std::shared_ptr<arrow::ArrayData>> RawColumn::take(int64_t rows) {
  int64_t nulls = 0;
  auto validity = TRY(take_validity(rows, &nulls));
  std::vector<std::shared_ptr<arrow::Buffer>> buffers{std::move(validity)};
  std::vector<std::shared_ptr<arrow::ArrayData>> children;
  length_ = 0;
  switch (shape_) {
    case Shape::nothing:
      return arrow::ArrayData::Make(type_, rows, {nullptr}, rows);
    case Shape::bits: {
      int64_t ones = 0;
      buffers.push_back(TRY(packed(values_.data(), rows, &ones)));
      values_.clear();
      break;
    }
    case Shape::fixed:
      buffers.push_back(values_.release());
      break;
    case Shape::text:
    case Shape::list: {
      if (offsets_.size() == 0 && !offsets_.ensure(4)) return refused("not enough memory for a batch");
      if (offsets_.size() == 0) offsets_.put<int32_t>(0);
      int32_t end = 0;
      std::memcpy(&end, offsets_.data() + 4 * rows, 4);
      buffers.push_back(offsets_.release());
      if (shape_ == Shape::text) buffers.push_back(values_.release());
      if (shape_ == Shape::list) children.push_back(TRY(children_[0]->take(end)));
      break;
    }
    case Shape::group:
      for (auto& child : children_) children.push_back(TRY(child->take(rows)));
      break;
  }
  return arrow::ArrayData::Make(type_, rows, std::move(buffers), std::move(children), nulls);
}

}  // namespace sluice
