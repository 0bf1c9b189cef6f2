// How ColumnEncoders are made of a function for each value; and those of texts, bytes and arrays.
#pragma once

#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <arrow/array.h>

#include "postgres/bytes.h"
#include "postgres/encode.h"

namespace sluice::postgres {

// A value of eight bytes or fewer, written as it is on the wire; nothing when it does not fit.
template <typename Array, typename Convert>
class FixedEncoder final : public ColumnEncoder {
 public:
  FixedEncoder(std::shared_ptr<arrow::Array> array, Convert convert)
      : owner_(std::move(array)), array_(static_cast<const Array&>(*owner_)), convert_(convert) {}
  bool append(int64_t row, WireBuffer& out) override {
    if (array_.IsNull(row)) {
      out.put<int32_t>(-1);
      return true;
    }
    const auto wire = convert_(array_.Value(row));
    using Wire = typename decltype(wire)::value_type;
    if (!wire) return false;
    char* at = out.extend(4 + sizeof(Wire));
    store_be<int32_t>(at, sizeof(Wire));
    store_be<Wire>(at + 4, *wire);
    return true;
  }

 private:
  template <typename T>
  static void store_be(char* at, T value) {
    const T swapped = load_be<T>(reinterpret_cast<const char*>(&value));
    std::memcpy(at, &swapped, sizeof(T));
  }
  const std::shared_ptr<arrow::Array> owner_;
  const Array& array_;
  const Convert convert_;
};

template <typename Array, typename Convert>
std::unique_ptr<ColumnEncoder> fixed(const std::shared_ptr<arrow::Array>& array, Convert convert) {
  return std::make_unique<FixedEncoder<Array, Convert>>(array, convert);
}

// A value of any length: `write` appends it behind its length.
template <typename Write>
class SizedEncoder final : public ColumnEncoder {
 public:
  SizedEncoder(std::shared_ptr<arrow::Array> array, Write write) : array_(std::move(array)), write_(std::move(write)) {}
  bool append(int64_t row, WireBuffer& out) override {
    if (array_->IsNull(row)) {
      out.put<int32_t>(-1);
      return true;
    }
    const size_t length_at = out.size();
    out.put<int32_t>(0);
    if (!write_(*array_, row, out)) return false;
    const size_t bytes = out.size() - length_at - 4;
    if (bytes > static_cast<size_t>(std::numeric_limits<int32_t>::max())) return false;
    out.put_at<int32_t>(length_at, static_cast<int32_t>(bytes));
    return true;
  }

 private:
  const std::shared_ptr<arrow::Array> array_;
  Write write_;
};

template <typename Write>
std::unique_ptr<ColumnEncoder> sized(const std::shared_ptr<arrow::Array>& array, Write write) {
  return std::make_unique<SizedEncoder<Write>>(array, std::move(write));
}

std::string_view bytes_of(const arrow::Array& array, int64_t row);

std::unique_ptr<ColumnEncoder> encode_text(const std::shared_ptr<arrow::Array>& array);  // of anything
std::unique_ptr<ColumnEncoder> encode_bytes(const std::shared_ptr<arrow::Array>& array);
std::unique_ptr<ColumnEncoder> encode_varchar(const std::shared_ptr<arrow::Array>& array, int length);
std::unique_ptr<ColumnEncoder> encode_single_byte(const std::shared_ptr<arrow::Array>& array);  // "char"
std::unique_ptr<ColumnEncoder> encode_jsonb(const std::shared_ptr<arrow::Array>& array);
std::unique_ptr<ColumnEncoder> encode_uuid(const std::shared_ptr<arrow::Array>& array);
std::unique_ptr<ColumnEncoder> encode_list(const std::shared_ptr<arrow::Array>& array, const Type& element);
// A list of texts as PostgreSQL writes an array, for the server to read.
std::unique_ptr<ColumnEncoder> encode_list_text(const std::shared_ptr<arrow::Array>& array);

}  // namespace sluice::postgres
