#include "batch/json_text.h"

#include <arrow/api.h>
#include <arrow/util/base64.h>
#include <fmt/format.h>

#include <cmath>

#include "base/json_string.h"
#include "batch/time_text.h"

namespace sluice {
namespace {

void append_real(double value, std::string& out) {
  if (std::isnan(value)) {
    out += "\"NaN\"";
  } else if (std::isinf(value)) {
    out += value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  } else {
    fmt::format_to(std::back_inserter(out), "{}", value);  // the shortest text that reads back as the same double
  }
}

void append_list(const arrow::Array& values, int64_t begin, int64_t end, std::string& out) {
  out += '[';
  for (int64_t at = begin; at < end; ++at) {
    if (at > begin) out += ',';
    append_json(values, at, out);
  }
  out += ']';
}

// {"key": value} for text keys, else [[key, value], …].
void append_map(const arrow::MapArray& map, int64_t row, std::string& out) {
  const bool text_keys = arrow::is_base_binary_like(map.keys()->type_id());
  const int64_t begin = map.value_offset(row);
  const int64_t end = begin + map.value_length(row);
  out += text_keys ? '{' : '[';
  for (int64_t at = begin; at < end; ++at) {
    if (at > begin) out += ',';
    if (!text_keys) out += '[';
    append_json(*map.keys(), at, out);
    out += text_keys ? ':' : ',';
    append_json(*map.items(), at, out);
    if (!text_keys) out += ']';
  }
  out += text_keys ? '}' : ']';
}

void append_struct(const arrow::StructArray& array, int64_t row, std::string& out) {
  out += '{';
  for (int field = 0; field < array.num_fields(); ++field) {
    if (field > 0) out += ',';
    append_json_string(array.struct_type()->field(field)->name(), out);
    out += ':';
    append_json(*array.field(field), row, out);
  }
  out += '}';
}

template <typename ArrayType>
auto value_of(const arrow::Array& array, int64_t row) {
  return static_cast<const ArrayType&>(array).Value(row);
}
template <typename ArrayType>
std::string_view view_of(const arrow::Array& array, int64_t row) {
  return static_cast<const ArrayType&>(array).GetView(row);
}

void append_integer(const arrow::Array& array, int64_t row, std::string& out) {
  auto add = [&](auto value) { fmt::format_to(std::back_inserter(out), "{}", value); };
  switch (array.type_id()) {
    case arrow::Type::INT8:
      return add(value_of<arrow::Int8Array>(array, row));
    case arrow::Type::INT16:
      return add(value_of<arrow::Int16Array>(array, row));
    case arrow::Type::INT32:
      return add(value_of<arrow::Int32Array>(array, row));
    case arrow::Type::INT64:
      return add(value_of<arrow::Int64Array>(array, row));
    case arrow::Type::UINT8:
      return add(value_of<arrow::UInt8Array>(array, row));
    case arrow::Type::UINT16:
      return add(value_of<arrow::UInt16Array>(array, row));
    case arrow::Type::UINT32:
      return add(value_of<arrow::UInt32Array>(array, row));
    default:
      return add(value_of<arrow::UInt64Array>(array, row));
  }
}

void append_moment(const std::optional<std::string>& text, int64_t raw, std::string& out) {
  append_json_string(text.has_value() ? *text : std::to_string(raw), out);
}

}  // namespace

void append_json(const arrow::Array& array, int64_t row, std::string& out) {
  if (array.IsNull(row)) {
    out += "null";
    return;
  }
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      out += value_of<arrow::BooleanArray>(array, row) ? "true" : "false";
      return;
    case arrow::Type::HALF_FLOAT:
      return append_real(arrow::util::Float16::FromBits(value_of<arrow::HalfFloatArray>(array, row)).ToDouble(), out);
    case arrow::Type::FLOAT: {
      const float value = value_of<arrow::FloatArray>(array, row);
      if (!std::isfinite(value)) return append_real(value, out);
      fmt::format_to(std::back_inserter(out), "{}", value);
      return;
    }
    case arrow::Type::DOUBLE:
      return append_real(value_of<arrow::DoubleArray>(array, row), out);
    case arrow::Type::DECIMAL32:
      out += static_cast<const arrow::Decimal32Array&>(array).FormatValue(row);
      return;
    case arrow::Type::DECIMAL64:
      out += static_cast<const arrow::Decimal64Array&>(array).FormatValue(row);
      return;
    case arrow::Type::DECIMAL128:
      out += static_cast<const arrow::Decimal128Array&>(array).FormatValue(row);
      return;
    case arrow::Type::DECIMAL256:
      out += static_cast<const arrow::Decimal256Array&>(array).FormatValue(row);
      return;
    case arrow::Type::STRING:
      return append_json_string(view_of<arrow::StringArray>(array, row), out);
    case arrow::Type::LARGE_STRING:
      return append_json_string(view_of<arrow::LargeStringArray>(array, row), out);
    case arrow::Type::STRING_VIEW:
      return append_json_string(view_of<arrow::StringViewArray>(array, row), out);
    case arrow::Type::BINARY:
      return append_json_string(arrow::util::base64_encode(view_of<arrow::BinaryArray>(array, row)), out);
    case arrow::Type::LARGE_BINARY:
      return append_json_string(arrow::util::base64_encode(view_of<arrow::LargeBinaryArray>(array, row)), out);
    case arrow::Type::BINARY_VIEW:
      return append_json_string(arrow::util::base64_encode(view_of<arrow::BinaryViewArray>(array, row)), out);
    case arrow::Type::FIXED_SIZE_BINARY:
      return append_json_string(arrow::util::base64_encode(view_of<arrow::FixedSizeBinaryArray>(array, row)), out);
    case arrow::Type::DATE32: {
      const int64_t days = value_of<arrow::Date32Array>(array, row);
      return append_moment(date_text(days), days, out);
    }
    case arrow::Type::DATE64: {
      const int64_t millis = value_of<arrow::Date64Array>(array, row);
      return append_moment(date_text(millis / 86'400'000), millis, out);
    }
    case arrow::Type::TIMESTAMP: {
      const auto& type = static_cast<const arrow::TimestampType&>(*array.type());
      const int64_t value = value_of<arrow::TimestampArray>(array, row);
      return append_moment(timestamp_text(value, type.unit(), !type.timezone().empty()), value, out);
    }
    case arrow::Type::TIME32:
      return append_json_string(time_of_day_text(value_of<arrow::Time32Array>(array, row),
                                                 static_cast<const arrow::Time32Type&>(*array.type()).unit()),
                                out);
    case arrow::Type::TIME64:
      return append_json_string(time_of_day_text(value_of<arrow::Time64Array>(array, row),
                                                 static_cast<const arrow::Time64Type&>(*array.type()).unit()),
                                out);
    case arrow::Type::STRUCT:
      return append_struct(static_cast<const arrow::StructArray&>(array), row, out);
    case arrow::Type::MAP:
      return append_map(static_cast<const arrow::MapArray&>(array), row, out);
    case arrow::Type::LIST: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      return append_list(*list.values(), list.value_offset(row), list.value_offset(row + 1), out);
    }
    case arrow::Type::LARGE_LIST: {
      const auto& list = static_cast<const arrow::LargeListArray&>(array);
      return append_list(*list.values(), list.value_offset(row), list.value_offset(row + 1), out);
    }
    case arrow::Type::FIXED_SIZE_LIST: {
      const auto& list = static_cast<const arrow::FixedSizeListArray&>(array);
      return append_list(*list.values(), list.value_offset(row), list.value_offset(row + 1), out);
    }
    case arrow::Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array);
      return append_json(*dictionary.dictionary(), dictionary.GetValueIndex(row), out);
    }
    default:
      break;
  }
  if (arrow::is_integer(array.type_id())) return append_integer(array, row, out);
  auto scalar = array.GetScalar(row);
  append_json_string(scalar.ok() ? scalar.ValueUnsafe()->ToString() : "?", out);
}

std::string row_as_json(const arrow::RecordBatch& batch, int64_t row) {
  std::string out = "{";
  for (int column = 0; column < batch.num_columns(); ++column) {
    if (column > 0) out += ',';
    append_json_string(batch.schema()->field(column)->name(), out);
    out += ':';
    append_json(*batch.column(column), row, out);
  }
  return out + '}';
}

}  // namespace sluice
