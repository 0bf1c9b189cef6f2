#include "format/protobuf/writer.h"

#include <bit>
#include <charconv>

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "batch/json_text.h"
#include "batch/plain.h"
#include "batch/time_text.h"
#include "format/protobuf/wire.h"
#include "format/protobuf/write_node.h"

namespace sluice::protobuf {
namespace {

using arrow::Type;

void put_fixed(const void* value, size_t width, std::string& out) {
  out.append(static_cast<const char*>(value), width);  // little-endian, as Arrow is
}

// Puts the length of what follows `begin` in front of it.
void put_length_before(size_t begin, std::string& out) {
  std::string length;
  put_varint(out.size() - begin, length);
  out.insert(begin, length);
}

// A whole number of any width and sign: as 64 bits, and whether they are those of a negative one.
struct Whole {
  uint64_t bits = 0;
  bool negative = false;
};
Whole whole_at(const WriteNode& node, int64_t i) {
  auto of = [](int64_t value) { return Whole{static_cast<uint64_t>(value), value < 0}; };
  switch (node.type->id()) {
    case Type::INT8:
      return of(node.at<int8_t>(i));
    case Type::INT16:
      return of(node.at<int16_t>(i));
    case Type::INT32:
      return of(node.at<int32_t>(i));
    case Type::INT64:
      return of(node.at<int64_t>(i));
    case Type::UINT8:
      return {node.at<uint8_t>(i), false};
    case Type::UINT16:
      return {node.at<uint16_t>(i), false};
    case Type::UINT32:
      return {node.at<uint32_t>(i), false};
    default:
      return {node.at<uint64_t>(i), false};
  }
}

bool in_range(Kind kind, Whole value) {
  const auto number = static_cast<int64_t>(value.bits);
  switch (kind) {
    case Kind::int32:
    case Kind::sint32:
    case Kind::sfixed32:
      return value.negative ? number >= INT32_MIN : value.bits <= INT32_MAX;
    case Kind::int64:
    case Kind::sint64:
    case Kind::sfixed64:
      return value.negative || value.bits <= INT64_MAX;
    case Kind::uint32:
    case Kind::fixed32:
      return !value.negative && value.bits <= UINT32_MAX;
    default:
      return !value.negative;
  }
}

std::string_view text_at(const WriteNode& node, int64_t i) {
  const auto id = node.type->id();
  if (id == Type::FIXED_SIZE_BINARY) return static_cast<const arrow::FixedSizeBinaryArray&>(*node.array).GetView(i);
  return static_cast<const arrow::BinaryArray&>(*node.array).GetView(i);
}

// Seconds towards the past, and the nanoseconds behind them.
void split_moment(int64_t value, int64_t units_per_second, int64_t* seconds, int64_t* nanos) {
  *seconds = value / units_per_second;
  int64_t rest = value % units_per_second;
  if (rest < 0) {
    rest += units_per_second;
    --*seconds;
  }
  *nanos = rest * (1'000'000'000 / units_per_second);
}

}  // namespace

MessageWriter::MessageWriter() = default;
MessageWriter::~MessageWriter() = default;

Result<std::unique_ptr<MessageWriter>> MessageWriter::make(SchemaRef schema, const Message& message,
                                                           const arrow::Schema& columns) {
  std::unique_ptr<MessageWriter> made(new MessageWriter());
  made->plain_ = plain_schema(columns);
  made->root_ = std::make_unique<WriteNode>(TRY(WriteNode::of_message(message, made->plain_->fields(), "")));
  made->schema_ = std::move(schema);
  return made;
}

Result<void> MessageWriter::bind(const BatchPtr& batch) {
  batch_ = TRY(conform(batch, plain_));
  for (auto& child : root_->children) child.bind(*batch_->GetColumnByName(child.field->name));
  return {};
}

Result<void> MessageWriter::write(int64_t row, std::string& out) {
  if (write_fields(*root_, row, out)) return {};
  return user_error("{}", problem_);
}

bool MessageWriter::fail(const WriteNode& node, std::string problem) {
  problem_ = fmt::format("column '{}': {}", node.path, problem);
  return false;
}

bool MessageWriter::write_fields(const WriteNode& node, int64_t index, std::string& out) {
  for (const auto& child : node.children) {
    if (!write_field(child, index, out)) return false;
  }
  return true;
}

bool MessageWriter::write_field(const WriteNode& node, int64_t index, std::string& out) {
  const Field& field = *node.field;
  if (node.is_null(index)) {
    // An empty list or map is the nearest that protobuf has.
    if (field.repeated || !(node.has_default || field.required)) return true;
    return fail(node, field.required ? "NULL, and the field is required"
                                     : "NULL, and the field cannot be absent; declare it optional");
  }
  if (field.map) return write_entries(node, index, out);
  if (field.repeated) return write_elements(node, index, out);
  const size_t before = out.size();
  out += node.tag;
  const size_t begin = out.size();
  if (!write_value(node, index, out)) return false;
  if (node.omits_zero) {
    const bool zeros = out.find_first_not_of('\0', begin) == std::string::npos;
    if (zeros) out.resize(before);
  }
  return true;
}

bool MessageWriter::write_elements(const WriteNode& node, int64_t index, std::string& out) {
  int64_t at = 0;
  int64_t end = 0;
  if (node.type->id() == Type::LIST) {
    const auto& list = static_cast<const arrow::ListArray&>(*node.array);
    at = list.value_offset(index);
    end = at + list.value_length(index);
  } else {
    const auto& list = static_cast<const arrow::FixedSizeListArray&>(*node.array);
    at = list.value_offset(index);
    end = at + list.value_length(index);
  }
  if (at == end) return true;
  const WriteNode& element = node.children[0];
  if (node.packed) out += node.tag;
  const size_t begin = out.size();
  for (; at < end; ++at) {
    if (element.is_null(at)) return fail(node, "a NULL inside a list, which protobuf does not have");
    if (!node.packed) out += element.tag;
    if (!write_value(element, at, out)) return false;
  }
  if (node.packed) put_length_before(begin, out);
  return true;
}

bool MessageWriter::write_entries(const WriteNode& node, int64_t index, std::string& out) {
  const auto& map = static_cast<const arrow::MapArray&>(*node.array);
  int64_t at = map.value_offset(index);
  const int64_t end = at + map.value_length(index);
  const WriteNode& key = node.children[0];
  const WriteNode& value = node.children[1];
  for (; at < end; ++at) {
    if (value.is_null(at)) return fail(node, "a NULL inside a map, which protobuf does not have");
    out += node.tag;
    const size_t begin = out.size();
    out += key.tag;
    if (!write_value(key, at, out)) return false;
    out += value.tag;
    if (!write_value(value, at, out)) return false;
    put_length_before(begin, out);
  }
  return true;
}

bool MessageWriter::write_value(const WriteNode& node, int64_t index, std::string& out) {
  switch (node.field->kind) {
    case Kind::float32: {
      const auto value = node.at<float>(index);
      put_fixed(&value, sizeof value, out);
      return true;
    }
    case Kind::float64: {
      const double value = node.type->id() == Type::FLOAT ? node.at<float>(index) : node.at<double>(index);
      put_fixed(&value, sizeof value, out);
      return true;
    }
    case Kind::boolean:
      out += arrow::bit_util::GetBit(node.values, node.offset + index) ? '\1' : '\0';
      return true;
    case Kind::string:
    case Kind::bytes:
      return write_text(node, index, out);
    case Kind::enumeration:
      return write_symbol(node, index, out);
    case Kind::message:
    case Kind::group:
      return write_message(node, index, out);
    default:
      return write_number(node, index, out);
  }
}

bool MessageWriter::write_number(const WriteNode& node, int64_t index, std::string& out) {
  const Whole value = whole_at(node, index);
  const Kind kind = node.field->kind;
  if (!in_range(kind, value)) {
    return fail(node, fmt::format("{} is out of range for {}",
                                  value.negative ? fmt::format("{}", static_cast<int64_t>(value.bits))
                                                 : fmt::format("{}", value.bits),
                                  to_string(kind)));
  }
  if (kind == Kind::sint32 || kind == Kind::sint64) {
    put_varint(zigzag(static_cast<int64_t>(value.bits)), out);
  } else if (wire_type(kind) == WireType::varint) {
    put_varint(value.bits, out);
  } else {
    put_fixed(&value.bits, wire_type(kind) == WireType::fixed32 ? 4 : 8, out);
  }
  return true;
}

bool MessageWriter::write_text(const WriteNode& node, int64_t index, std::string& out) {
  const auto id = node.type->id();
  std::string_view text;
  if (id == Type::STRING || id == Type::BINARY || id == Type::FIXED_SIZE_BINARY) {
    text = text_at(node, index);
  } else {  // numbers, dates and times as text
    text_.clear();
    append_json(*node.array, index, text_);
    text = text_;
    if (text.starts_with('"')) text = text.substr(1, text.size() - 2);
  }
  put_varint(text.size(), out);
  out += text;
  return true;
}

bool MessageWriter::write_symbol(const WriteNode& node, int64_t index, std::string& out) {
  const std::string_view name = text_at(node, index);
  auto found = node.symbols.find(name);
  int32_t number = 0;
  if (found != node.symbols.end()) {
    number = found->second;
  } else if (std::from_chars(name.data(), name.data() + name.size(), number).ptr != name.data() + name.size() ||
             name.empty()) {
    return fail(node, fmt::format("'{}' is not one of {}", name, node.field->enumeration->name));
  }
  put_varint(static_cast<uint64_t>(static_cast<int64_t>(number)), out);
  return true;
}

bool MessageWriter::write_message(const WriteNode& node, int64_t index, std::string& out) {
  const bool group = node.field->kind == Kind::group;
  const size_t begin = out.size();
  const WellKnown known = node.field->message->known;
  const bool written = known == WellKnown::none || known == WellKnown::wrapper ? write_fields(node, index, out)
                                                                               : write_moment(node, index, out);
  if (!written) return false;
  if (group) {
    put_varint(static_cast<uint64_t>(node.field->number) << 3 | static_cast<uint64_t>(WireType::group_end), out);
  } else {
    put_length_before(begin, out);
  }
  return true;
}

bool MessageWriter::write_moment(const WriteNode& node, int64_t index, std::string& out) {
  int64_t seconds = 0;
  int64_t nanos = 0;
  if (node.type->id() == Type::INTERVAL_MONTH_DAY_NANO) {
    const auto interval = node.at<arrow::MonthDayNanoIntervalType::MonthDayNanos>(index);
    if (interval.months != 0 || interval.days != 0) {
      return fail(node, "an interval of months or days has no fixed length, which a Duration needs");
    }
    seconds = interval.nanoseconds / 1'000'000'000;  // both parts of a Duration have the same sign
    nanos = interval.nanoseconds % 1'000'000'000;
  } else if (node.type->id() == Type::DURATION) {
    const int64_t units = units_per_second(static_cast<const arrow::DurationType&>(*node.type).unit());
    const auto value = node.at<int64_t>(index);
    seconds = value / units;
    nanos = value % units * (1'000'000'000 / units);
  } else {
    const int64_t units = units_per_second(static_cast<const arrow::TimestampType&>(*node.type).unit());
    split_moment(node.at<int64_t>(index), units, &seconds, &nanos);
  }
  if (seconds != 0) {
    out += '\x08';
    put_varint(static_cast<uint64_t>(seconds), out);
  }
  if (nanos != 0) {
    out += '\x10';
    put_varint(static_cast<uint64_t>(nanos), out);
  }
  return true;
}

}  // namespace sluice::protobuf
