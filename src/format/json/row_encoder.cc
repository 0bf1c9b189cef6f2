#include "format/json/row_encoder.h"

#include <cmath>

#include <arrow/array.h>
#include <arrow/extension_type.h>
#include <arrow/record_batch.h>
#include <arrow/type_traits.h>
#include <arrow/util/decimal.h>

#include "batch/time_text.h"
#include "format/json/digits.h"

namespace sluice::json {

Result<void> RowEncoder::prepare(const arrow::Schema& schema) {
  root_.id = arrow::Type::STRUCT;
  for (const auto& field : schema.fields()) {
    root_.children.push_back(TRY(add(field->name(), field->name(), field->type())));
  }
  return {};
}

void RowEncoder::bind(const arrow::RecordBatch& batch) {
  CHECK(batch.num_columns() == static_cast<int>(root_.children.size()));
  for (int i = 0; i < batch.num_columns(); ++i)
    bind(*root_.children[static_cast<size_t>(i)], batch.column_data(i).get());
}

Result<void> RowEncoder::row(int64_t i) {
  int64_t before = at_ - begin_;
  record(root_, i);
  if (!failed_) return {};
  at_ = begin_ + before;
  Error error = std::move(*failed_);
  failed_.reset();
  return error;
}

Result<RowEncoder::Node*> RowEncoder::add(const std::string& name, const std::string& path, const TypePtr& type) {
  Node& node = nodes_.emplace_back();
  node.type = type.get();
  node.id = type->id();
  node.path = path;
  node.key = "," + quoted(name) + ":";
  switch (type->id()) {
    case arrow::Type::STRUCT:
      for (const auto& field : type->fields()) {
        node.children.push_back(TRY(add(field->name(), path + "." + field->name(), field->type())));
      }
      break;
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST:
      node.children.push_back(TRY(add("", path, type->field(0)->type())));
      break;
    case arrow::Type::MAP:
      node.children.push_back(TRY(add("", path, type->field(0)->type())));
      break;
    case arrow::Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryType&>(*type);
      node.children.push_back(TRY(add(name, path, dictionary.value_type())));
      node.children.push_back(TRY(add(name, path, dictionary.index_type())));
      break;
    }
    case arrow::Type::EXTENSION:
      return add(name, path, static_cast<const arrow::ExtensionType&>(*type).storage_type());
    case arrow::Type::TIMESTAMP:
      node.units_per_second = units_per_second(static_cast<const arrow::TimestampType&>(*type).unit());
      break;
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
      node.units_per_second = units_per_second(static_cast<const arrow::TimeType&>(*type).unit());
      break;
    default:
      if (!is_scalar(*type)) {
        return user_error("json cannot hold {} (column '{}'); cast it to VARCHAR", type_name(*type), path);
      }
  }
  return &node;
}

bool RowEncoder::is_scalar(const arrow::DataType& type) {
  auto id = type.id();
  return id == arrow::Type::NA || id == arrow::Type::BOOL || arrow::is_integer(id) || id == arrow::Type::FLOAT ||
         id == arrow::Type::DOUBLE || arrow::is_decimal(id) || arrow::is_base_binary_like(id) ||
         id == arrow::Type::STRING_VIEW || id == arrow::Type::BINARY_VIEW || id == arrow::Type::FIXED_SIZE_BINARY ||
         id == arrow::Type::DATE32 || id == arrow::Type::DATE64;
}

void RowEncoder::bind(Node& node, const arrow::ArrayData* data) {
  node.data = data;
  node.offset = data->offset;
  node.validity = data->buffers[0] != nullptr && data->GetNullCount() > 0 ? data->buffers[0]->data() : nullptr;
  node.values = data->buffers.size() > 1 && data->buffers[1] != nullptr ? data->buffers[1]->data() : nullptr;
  node.text = data->buffers.size() > 2 && data->buffers[2] != nullptr ? data->buffers[2]->data() : nullptr;
  if (node.id == arrow::Type::DICTIONARY) {
    bind(*node.children[0], data->dictionary.get());
    Node& index = *node.children[1];
    index.values = node.values;
    index.offset = node.offset;
    return;
  }
  for (size_t i = 0; i < node.children.size(); ++i) bind(*node.children[i], data->child_data[i].get());
}

std::string RowEncoder::quoted(const std::string& name) {
  int64_t before = at_ - begin_;
  string(name.data(), static_cast<int64_t>(name.size()));
  std::string out(begin_ + before, at_);
  at_ = begin_ + before;
  return out;
}

void RowEncoder::record(Node& node, int64_t i) {
  if (&node != &root_) i += node.offset;
  room(kScalarRoom);
  *at_++ = '{';
  char* first = nullptr;
  for (Node* child : node.children) {
    bool null = child->is_null(i);
    if (null && options_.omit_nulls) continue;
    const std::string& key = child->key;
    room(static_cast<int64_t>(key.size()) + kScalarRoom);
    size_t comma = first == nullptr ? 1 : 0;
    memcpy(at_, key.data() + comma, key.size() - comma);
    at_ += key.size() - comma;
    first = at_;
    if (null) {
      memcpy(at_, "null", 4);
      at_ += 4;
    } else {
      value(*child, i);
    }
  }
  *at_++ = '}';
}

void RowEncoder::element(Node& node, int64_t i) {
  room(kScalarRoom);
  if (!node.is_null(i)) return value(node, i);
  memcpy(at_, "null", 4);
  at_ += 4;
}

void RowEncoder::list(Node& node, int64_t begin, int64_t end) {
  room(kScalarRoom);
  *at_++ = '[';
  for (int64_t i = begin; i < end; ++i) {
    if (i > begin) *at_++ = ',';
    element(*node.children[0], i);
    room(kScalarRoom);
  }
  *at_++ = ']';
}

// Text keys make an object; others a list of {"key": …, "value": …}.
void RowEncoder::map(Node& node, int64_t i) {
  int64_t begin = node.at<int32_t>(i), end = node.at<int32_t>(i + 1);
  Node& entry = *node.children[0];
  Node& key = *entry.children[0];
  if (key.id != arrow::Type::STRING) return list(node, begin, end);
  room(kScalarRoom);
  *at_++ = '{';
  for (int64_t e = begin; e < end; ++e) {
    if (e > begin) *at_++ = ',';
    value(key, e + entry.offset);
    room(kScalarRoom);
    *at_++ = ':';
    element(*entry.children[1], e + entry.offset);
    room(kScalarRoom);
  }
  *at_++ = '}';
}

template <typename Offset>
void RowEncoder::string_at(Node& node, int64_t i) {
  Offset begin = node.at<Offset>(i), end = node.at<Offset>(i + 1);
  string(reinterpret_cast<const char*>(node.text) + begin, end - begin);
}

template <typename Offset>
void RowEncoder::bytes_at(Node& node, int64_t i) {
  Offset begin = node.at<Offset>(i), end = node.at<Offset>(i + 1);
  bytes(std::string_view(reinterpret_cast<const char*>(node.text) + begin, static_cast<size_t>(end - begin)));
}

// kScalarRoom is there. The value is not null.
void RowEncoder::value(Node& node, int64_t i) {
  switch (node.id) {
    case arrow::Type::BOOL: {
      int64_t bit = i + node.offset;
      return literal((node.values[bit >> 3] >> (bit & 7) & 1) != 0 ? "true" : "false");
    }
    case arrow::Type::INT8:
      at_ = put_signed(at_, node.at<int8_t>(i));
      return;
    case arrow::Type::INT16:
      at_ = put_signed(at_, node.at<int16_t>(i));
      return;
    case arrow::Type::INT32:
      at_ = put_signed(at_, node.at<int32_t>(i));
      return;
    case arrow::Type::INT64:
      at_ = put_signed(at_, node.at<int64_t>(i));
      return;
    case arrow::Type::UINT8:
      at_ = put_unsigned(at_, node.at<uint8_t>(i));
      return;
    case arrow::Type::UINT16:
      at_ = put_unsigned(at_, node.at<uint16_t>(i));
      return;
    case arrow::Type::UINT32:
      at_ = put_unsigned(at_, node.at<uint32_t>(i));
      return;
    case arrow::Type::UINT64:
      at_ = put_unsigned(at_, node.at<uint64_t>(i));
      return;
    case arrow::Type::DOUBLE:
      return number(node, node.at<double>(i));
    case arrow::Type::FLOAT:
      return number(node, node.at<float>(i));
    case arrow::Type::STRING:
      return string_at<int32_t>(node, i);
    case arrow::Type::LARGE_STRING:
      return string_at<int64_t>(node, i);
    case arrow::Type::BINARY:
      return bytes_at<int32_t>(node, i);
    case arrow::Type::LARGE_BINARY:
      return bytes_at<int64_t>(node, i);
    case arrow::Type::TIMESTAMP:
      return timestamp(node, node.at<int64_t>(i));
    case arrow::Type::DATE32:
      return date(node, node.at<int32_t>(i));
    case arrow::Type::DATE64:
      return date(node, node.at<int64_t>(i) / 86400000);
    case arrow::Type::STRUCT:
      return record(node, i);
    case arrow::Type::LIST:
      return list(node, node.at<int32_t>(i), node.at<int32_t>(i + 1));
    case arrow::Type::LARGE_LIST:
      return list(node, node.at<int64_t>(i), node.at<int64_t>(i + 1));
    case arrow::Type::MAP:
      return map(node, i);
    default:
      return rare_value(node, i);
  }
}

void RowEncoder::rare_value(Node& node, int64_t i) {
  switch (node.id) {
    case arrow::Type::TIME32:
      return time_of_day(node, node.at<int32_t>(i));
    case arrow::Type::TIME64:
      return time_of_day(node, node.at<int64_t>(i));
    case arrow::Type::FIXED_SIZE_LIST: {
      int64_t size = static_cast<const arrow::FixedSizeListType*>(node.type)->list_size();
      return list(node, (i + node.offset) * size, (i + node.offset + 1) * size);
    }
    case arrow::Type::FIXED_SIZE_BINARY: {
      int64_t width = node.type->byte_width();
      return bytes(
          {reinterpret_cast<const char*>(node.values) + (i + node.offset) * width, static_cast<size_t>(width)});
    }
    case arrow::Type::DICTIONARY:
      return dictionary(node, i);
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW: {
      auto array = arrow::MakeArray(node.data->Copy());
      std::string_view text = static_cast<const arrow::BinaryViewArray&>(*array).GetView(i);
      if (node.id == arrow::Type::BINARY_VIEW) return bytes(text);
      return string(text.data(), static_cast<int64_t>(text.size()));
    }
    default:
      return decimal(node, i);
  }
}

void RowEncoder::dictionary(Node& node, int64_t i) {
  const Node& index = *node.children[1];
  int64_t at = 0;
  switch (index.id) {
    case arrow::Type::INT8:
      at = index.at<int8_t>(i);
      break;
    case arrow::Type::INT16:
      at = index.at<int16_t>(i);
      break;
    case arrow::Type::INT32:
      at = index.at<int32_t>(i);
      break;
    case arrow::Type::UINT8:
      at = index.at<uint8_t>(i);
      break;
    case arrow::Type::UINT16:
      at = index.at<uint16_t>(i);
      break;
    case arrow::Type::UINT32:
      at = index.at<uint32_t>(i);
      break;
    default:
      at = index.at<int64_t>(i);
      break;
  }
  element(*node.children[0], at);
}

template <typename T>
void RowEncoder::number(Node& node, T value) {
  if (!std::isfinite(value)) return not_a_number(node, static_cast<double>(value));
  if constexpr (sizeof(T) == 8) {
    at_ = put_double(at_, value);
  } else {
    at_ = put_float(at_, value);
  }
}

void RowEncoder::not_a_number(Node& node, double value) {
  switch (options_.nan) {
    case NotANumber::null:
      return literal("null");
    case NotANumber::text:
      return literal(value != value ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    case NotANumber::error:
      fail(node, fmt::format("{} is not a JSON number; set nan := null or nan := text", value));
  }
}

void RowEncoder::decimal(Node& node, int64_t i) {
  int32_t scale = static_cast<const arrow::DecimalType*>(node.type)->scale();
  int64_t width = node.type->byte_width();
  const uint8_t* bytes = node.values + (i + node.offset) * width;
  std::string digits;
  if (width == 32) {
    digits = arrow::Decimal256(bytes).ToIntegerString();
  } else {
    __int128 number = 0;
    memcpy(&number, bytes, static_cast<size_t>(width));
    auto unused = static_cast<int>(128 - 8 * width);
    number = static_cast<__int128>(static_cast<unsigned __int128>(number) << unused) >> unused;
    auto small = static_cast<int64_t>(number);
    if (small == number) {
      char text[24];
      digits.assign(text, static_cast<size_t>(put_signed(text, small) - text));
    } else {
      digits = arrow::Decimal128(static_cast<int64_t>(number >> 64), static_cast<uint64_t>(number)).ToIntegerString();
    }
  }
  put_decimal(std::move(digits), scale);
}

void RowEncoder::put_decimal(std::string digits, int32_t scale) {
  room(static_cast<int64_t>(digits.size()) + std::abs(scale) + kScalarRoom);
  if (digits[0] == '-') {
    *at_++ = '-';
    digits.erase(0, 1);
  }
  auto places = static_cast<size_t>(std::max(scale, 0));
  if (digits.size() <= places) digits.insert(0, places + 1 - digits.size(), '0');
  if (scale < 0 && digits != "0") digits.append(static_cast<size_t>(-scale), '0');
  literal(std::string_view(digits).substr(0, digits.size() - places));
  if (places == 0) return;
  *at_++ = '.';
  literal(std::string_view(digits).substr(digits.size() - places));
}

bool RowEncoder::date_text(Node& node, int64_t days) {
  if (days != node.date) {
    if (put_date(node.date_text, days) == nullptr) {
      fail(node, "the year is not within 0 and 9999");
      return false;
    }
    node.date = days;
  }
  memcpy(at_, node.date_text, 16);
  at_ += 10;
  return true;
}

void RowEncoder::date(Node& node, int64_t days) {
  *at_++ = '"';
  date_text(node, days);
  *at_++ = '"';
}

void RowEncoder::timestamp(Node& node, int64_t value) {
  int64_t per_day = 86400 * node.units_per_second;
  int64_t days = value / per_day;
  int64_t rest = value % per_day;
  if (rest < 0) {
    rest += per_day;
    --days;
  }
  *at_++ = '"';
  if (!date_text(node, days)) return;
  *at_++ = 'T';
  int64_t seconds = rest / node.units_per_second;
  at_ = put_clock(at_, seconds, (rest - seconds * node.units_per_second) * (1000000000 / node.units_per_second));
  if (!static_cast<const arrow::TimestampType*>(node.type)->timezone().empty()) *at_++ = 'Z';
  *at_++ = '"';
}

void RowEncoder::time_of_day(Node& node, int64_t value) {
  *at_++ = '"';
  int64_t seconds = value / node.units_per_second;
  at_ = put_clock(at_, seconds, value % node.units_per_second * (1000000000 / node.units_per_second));
  *at_++ = '"';
}

void RowEncoder::fail(const Node& node, const std::string& what) {
  if (!failed_) failed_ = user_error("column '{}': {}", node.path, what);
}

}  // namespace sluice::json
