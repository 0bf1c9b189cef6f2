// Texts, bytes, JSON, uuids and arrays as PostgreSQL's binary values.
#include <algorithm>
#include <string>

#include "base/ascii.h"
#include "batch/json_text.h"
#include "postgres/encoders.h"

namespace sluice::postgres {
namespace {

bool put_bytes(const arrow::Array& from, int64_t row, WireBuffer& out) {
  out.append(bytes_of(from, row));
  return true;
}

// What the value is in JSON, without the quotes of a text.
void put_as_text(const arrow::Array& from, int64_t row, WireBuffer& out) {
  std::string text;
  append_json(from, row, text);
  std::string_view shown = text;
  if (shown.size() >= 2 && shown.front() == '"') shown = shown.substr(1, shown.size() - 2);
  out.append(shown);
}

// With or without hyphens, in braces or not, as PostgreSQL reads it.
bool put_uuid(std::string_view text, WireBuffer& out) {
  if (text.size() >= 2 && text.front() == '{' && text.back() == '}') text = text.substr(1, text.size() - 2);
  char* at = out.extend(16);
  int digits = 0;
  for (char c : text) {
    if (c == '-' && digits > 0 && digits % 4 == 0) continue;
    const int digit = hex_digit(c);
    if (digit < 0 || digits == 32) return false;
    at[digits / 2] = static_cast<char>(digits % 2 == 0 ? digit << 4 : at[digits / 2] | digit);
    ++digits;
  }
  return digits == 32;
}

std::shared_ptr<arrow::Array> values_of(const arrow::Array& list) {
  if (list.type_id() == arrow::Type::LIST) return static_cast<const arrow::ListArray&>(list).values();
  if (list.type_id() == arrow::Type::LARGE_LIST) return static_cast<const arrow::LargeListArray&>(list).values();
  return static_cast<const arrow::FixedSizeListArray&>(list).values();
}

// Where a row's elements begin among all, and how many they are.
std::pair<int64_t, int64_t> bounds_of(const arrow::Array& array, int64_t row) {
  if (array.type_id() == arrow::Type::LIST) {
    const auto& list = static_cast<const arrow::ListArray&>(array);
    return {list.value_offset(row), list.value_length(row)};
  }
  if (array.type_id() == arrow::Type::LARGE_LIST) {
    const auto& list = static_cast<const arrow::LargeListArray&>(array);
    return {list.value_offset(row), list.value_length(row)};
  }
  const auto& list = static_cast<const arrow::FixedSizeListArray&>(array);
  return {list.value_offset(row), list.value_length(row)};
}

// One dimension from 1 on, or none (src/backend/utils/adt/arrayfuncs.c, array_recv).
class ListEncoder final : public ColumnEncoder {
 public:
  ListEncoder(std::shared_ptr<arrow::Array> array, std::shared_ptr<arrow::Array> values, const Type& element)
      : array_(std::move(array)), values_(std::move(values)), oid_(element.oid) {
    encoder_ = create_encoder(values_, element);
  }
  bool append(int64_t row, WireBuffer& out) override {
    if (array_->IsNull(row)) {
      out.put<int32_t>(-1);
      return true;
    }
    const auto [begin, length] = bounds_of(*array_, row);
    const size_t length_at = out.size();
    out.put<int32_t>(0);
    out.put<int32_t>(length == 0 ? 0 : 1);
    const size_t nulls_at = out.size();
    out.put<int32_t>(0);
    out.put<uint32_t>(oid_);
    if (length > 0) {
      out.put<int32_t>(static_cast<int32_t>(length));
      out.put<int32_t>(1);
    }
    bool nulls = false;
    for (int64_t at = begin; at < begin + length; ++at) {
      nulls = nulls || values_->IsNull(at);
      if (!encoder_->append(at, out)) return false;
    }
    if (nulls) out.put_at<int32_t>(nulls_at, 1);
    out.put_at<int32_t>(length_at, static_cast<int32_t>(out.size() - length_at - 4));
    return true;
  }

 private:
  const std::shared_ptr<arrow::Array> array_;
  const std::shared_ptr<arrow::Array> values_;
  const uint32_t oid_;
  std::unique_ptr<ColumnEncoder> encoder_;
};

// {"a \"b\"",NULL} (src/backend/utils/adt/arrayfuncs.c, array_in).
bool put_array_text(const arrow::Array& values, int64_t begin, int64_t length, WireBuffer& out) {
  out.append("{");
  for (int64_t at = begin; at < begin + length; ++at) {
    if (at > begin) out.append(",");
    if (values.IsNull(at)) {
      out.append("NULL");
      continue;
    }
    std::string quoted = "\"";
    for (const char c : bytes_of(values, at)) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c;
    }
    out.append(quoted + '"');
  }
  out.append("}");
  return true;
}

}  // namespace

std::string_view bytes_of(const arrow::Array& array, int64_t row) {
  if (array.type_id() == arrow::Type::LARGE_STRING || array.type_id() == arrow::Type::LARGE_BINARY) {
    return static_cast<const arrow::LargeBinaryArray&>(array).GetView(row);
  }
  if (array.type_id() == arrow::Type::FIXED_SIZE_BINARY) {
    return static_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(row);
  }
  return static_cast<const arrow::BinaryArray&>(array).GetView(row);
}

std::unique_ptr<ColumnEncoder> encode_text(const std::shared_ptr<arrow::Array>& array) {
  if (is_text(*array->type()) || is_bytes(*array->type())) return sized(array, put_bytes);
  return sized(array, [](const arrow::Array& from, int64_t row, WireBuffer& out) {
    put_as_text(from, row, out);
    return true;
  });
}

std::unique_ptr<ColumnEncoder> encode_bytes(const std::shared_ptr<arrow::Array>& array) {
  return sized(array, put_bytes);
}

// A varchar(n) drops blanks behind its n characters without a word; what else is too long the server refuses.
std::unique_ptr<ColumnEncoder> encode_varchar(const std::shared_ptr<arrow::Array>& array, int length) {
  return sized(array, [length](const arrow::Array& from, int64_t row, WireBuffer& out) {
    const auto value = bytes_of(from, row);
    if (value.ends_with(' ') && value.size() > static_cast<size_t>(length)) {
      const auto characters = std::count_if(
          value.begin(), value.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; });
      if (characters > length) return false;
    }
    return put_bytes(from, row, out);
  });
}

// "char" takes the first byte of anything; PostgreSQL writes those beyond ASCII as \ooo.
std::unique_ptr<ColumnEncoder> encode_single_byte(const std::shared_ptr<arrow::Array>& array) {
  return sized(array, [](const arrow::Array& from, int64_t row, WireBuffer& out) {
    const auto value = bytes_of(from, row);
    if (value.size() > 1 && (value.size() != 4 || value[0] != '\\')) return false;
    return put_bytes(from, row, out);
  });
}

std::unique_ptr<ColumnEncoder> encode_jsonb(const std::shared_ptr<arrow::Array>& array) {
  const bool is_json_text = is_text(*array->type());
  return sized(array, [is_json_text](const arrow::Array& from, int64_t row, WireBuffer& out) {
    out.put<uint8_t>(1);  // its version
    if (is_json_text) return put_bytes(from, row, out);
    put_as_text(from, row, out);
    return true;
  });
}

std::unique_ptr<ColumnEncoder> encode_uuid(const std::shared_ptr<arrow::Array>& array) {
  return sized(
      array, [](const arrow::Array& from, int64_t row, WireBuffer& out) { return put_uuid(bytes_of(from, row), out); });
}

std::unique_ptr<ColumnEncoder> encode_list(const std::shared_ptr<arrow::Array>& array, const Type& element) {
  return std::make_unique<ListEncoder>(array, values_of(*array), element);
}

std::unique_ptr<ColumnEncoder> encode_list_text(const std::shared_ptr<arrow::Array>& array) {
  return sized(array, [values = values_of(*array)](const arrow::Array& from, int64_t row, WireBuffer& out) {
    const auto [begin, length] = bounds_of(from, row);
    return put_array_text(*values, begin, length, out);
  });
}

}  // namespace sluice::postgres
