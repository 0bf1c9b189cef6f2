#include "format/protobuf/reader.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <simdjson.h>

#include "batch/plain.h"
#include "format/protobuf/arrow_schema.h"
#include "format/protobuf/json_value.h"
#include "format/protobuf/message_plan.h"
#include "format/protobuf/wire.h"

namespace sluice::protobuf {
namespace {

constexpr size_t kPairsComparedMax = 32;
constexpr int64_t kNanosMax = 999'999'999;

bool is_utf8(ByteSpan text) { return simdjson::validate_utf8(reinterpret_cast<const char*>(text.data()), text.size()); }

std::string_view as_text(ByteSpan bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

bool is_wide(Kind kind) {
  switch (kind) {
    case Kind::int64:
    case Kind::uint64:
    case Kind::sint64:
    case Kind::fixed64:
    case Kind::sfixed64:
    case Kind::float64:
      return true;
    default:
      return false;
  }
}

}  // namespace

MessageReader::MessageReader() = default;
MessageReader::~MessageReader() = default;

Result<std::unique_ptr<MessageReader>> MessageReader::make(SchemaRef schema, const Message& message,
                                                           const arrow::Schema* wanted) {
  std::unique_ptr<MessageReader> made(new MessageReader());
  made->arrow_ = TRY(to_arrow(message));
  if (wanted != nullptr) made->arrow_ = narrowed(*made->arrow_, *wanted);
  for (const auto& field : made->arrow_->fields()) {
    made->columns_.push_back(std::make_unique<RawColumn>(field->type(), &made->room_));
  }
  made->root_ = MessagePlan::of_columns(message, *made->arrow_, made->columns_);
  made->schema_ = std::move(schema);
  return made;
}

bool MessageReader::fail(const FieldPlan& field, std::string problem) {
  problem_ = fmt::format("field {}: {}", field.path, problem);
  return false;
}
bool MessageReader::full(const FieldPlan& field) { return fail(field, "the message takes too much memory"); }

void MessageReader::cut_back() {
  for (auto& column : columns_) column->cut_back(rows_);
}

bool MessageReader::read(ByteSpan bytes) {
  static constexpr uint8_t kNothing = 0;
  merged_.clear();
  problem_.clear();
  if (message(*root_, bytes.empty() ? ByteSpan(&kNothing, size_t{0}) : bytes)) {
    ++rows_;
    return true;
  }
  if (problem_.empty()) problem_ = "the message ends within a value, or it is not protobuf";
  cut_back();
  return false;
}

bool MessageReader::append_nulls() {
  for (auto& column : columns_) {
    if (column->append_null()) continue;
    problem_ = "there is no room for another row";
    cut_back();
    return false;
  }
  ++rows_;
  return true;
}

Result<BatchPtr> MessageReader::take() {
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  for (auto& column : columns_) columns.push_back(TRY(column->take(rows_)));
  return arrow::RecordBatch::Make(arrow_, std::exchange(rows_, 0), std::move(columns));
}

bool MessageReader::message(MessagePlan& plan, ByteSpan bytes) { return scan(plan, bytes) && emit(plan); }

// Finds the values of the singular fields, for the last of each counts; elements of lists are appended at once.
bool MessageReader::scan(MessagePlan& plan, ByteSpan bytes) {
  for (auto& field : plan.fields) {
    field.seen = false;
    field.entries.clear();
  }
  At at = bytes.data();
  const At end = at + bytes.size();
  while (at < end) {
    uint64_t tag = 0;
    at = get_varint(at, end, &tag);
    if (at == nullptr) return false;
    const uint64_t number = tag >> 3;
    if (number == 0 || tag > 0xffff'ffff) {
      problem_ = "it is not protobuf: a field has no number";
      return false;
    }
    const int32_t index = plan.index_of(static_cast<uint32_t>(number));
    at = index < 0 ? skip_field(static_cast<uint32_t>(tag), at, end)
                   : field(plan, static_cast<size_t>(index), static_cast<uint32_t>(tag & 7), at, end);
    if (at == nullptr) return false;
  }
  return true;
}

MessageReader::At MessageReader::field(MessagePlan& plan, size_t index, uint32_t wire, At at, At end) {
  FieldPlan& field = plan.fields[index];
  const Field& declared = *field.field;
  if (declared.oneof >= 0) {
    for (auto& other : plan.fields) {
      if (other.field->oneof == declared.oneof && &other != &field) other.seen = false;
    }
  }
  if (!field.wanted) return skip_field(static_cast<uint32_t>(declared.number) << 3 | wire, at, end);
  const auto expected = static_cast<uint32_t>(wire_type(declared.kind));
  uint64_t bits = 0;
  ByteSpan span;
  const bool is_packed = declared.repeated && wire == static_cast<uint32_t>(WireType::length) && wire != expected &&
                         declared.kind != Kind::group;
  if (wire != expected && !is_packed) {
    fail(field, fmt::format("it was written with wire type {}, which is no {}; was it another schema?", wire,
                            to_string(declared.kind)));
    return nullptr;
  }
  at = payload(field, wire, at, end, &bits, &span);
  if (at == nullptr) return nullptr;
  if (declared.map) {
    field.entries.push_back(span);
  } else if (is_packed) {
    if (!packed(field, span)) return nullptr;
  } else if (declared.repeated) {
    if (!element(field, bits, span, field.out->child(0))) return nullptr;
  } else {
    // "If there are multiple instances of the same embedded message field, the parser merges them": as if their bytes
    // followed each other.
    if (field.seen && declared.message != nullptr) {
      auto& merged = merged_.emplace_back(as_text(field.span));
      merged += as_text(span);
      span = {reinterpret_cast<const uint8_t*>(merged.data()), merged.size()};
    }
    field.bits = bits;
    field.span = span;
    field.seen = true;
  }
  return at;
}

MessageReader::At MessageReader::payload(const FieldPlan& field, uint32_t wire, At at, At end, uint64_t* bits,
                                         ByteSpan* span) {
  switch (static_cast<WireType>(wire)) {
    case WireType::varint:
      return get_varint(at, end, bits);
    case WireType::fixed64:
      if (end - at < 8) return nullptr;
      std::memcpy(bits, at, 8);
      return at + 8;
    case WireType::fixed32:
      if (end - at < 4) return nullptr;
      std::memcpy(bits, at, 4);
      return at + 4;
    case WireType::length: {
      uint64_t size = 0;
      at = get_varint(at, end, &size);
      if (at == nullptr || size > static_cast<uint64_t>(end - at)) return nullptr;
      *span = {at, static_cast<size_t>(size)};
      return at + size;
    }
    case WireType::group_begin: {
      const At begin = at;
      const auto number = static_cast<uint32_t>(field.field->number);
      for (;;) {
        const At before = at;
        uint64_t tag = 0;
        at = get_varint(at, end, &tag);
        if (at == nullptr) return nullptr;
        if (tag == (number << 3 | static_cast<uint32_t>(WireType::group_end))) {
          *span = {begin, static_cast<size_t>(before - begin)};
          return at;
        }
        at = tag > 0xffff'ffff ? nullptr : skip_field(static_cast<uint32_t>(tag), at, end);
        if (at == nullptr) return nullptr;
      }
    }
    default:
      return nullptr;
  }
}

bool MessageReader::emit(MessagePlan& plan) {
  for (auto& field : plan.fields) {
    if (!field.wanted) continue;
    if (field.field->map) {
      if (!entries(field)) return false;
    } else if (field.field->repeated) {
      if (!field.out->append_list()) return full(field);
    } else if (field.seen) {
      if (!element(field, field.bits, field.span, *field.out)) return false;
    } else if (!absent(field)) {
      return false;
    }
  }
  return true;
}

bool MessageReader::element(FieldPlan& field, uint64_t bits, ByteSpan span, RawColumn& out) {
  bool done = false;
  switch (field.field->kind) {
    case Kind::int32:
    case Kind::uint32:
    case Kind::fixed32:
    case Kind::sfixed32:
    case Kind::float32:
      done = out.append(static_cast<uint32_t>(bits));
      break;
    case Kind::sint32:
      done = out.append(static_cast<int32_t>(unzigzag(bits & 0xffff'ffff)));
      break;
    case Kind::int64:
    case Kind::uint64:
    case Kind::fixed64:
    case Kind::sfixed64:
    case Kind::float64:
      done = out.append(bits);
      break;
    case Kind::sint64:
      done = out.append(unzigzag(bits));
      break;
    case Kind::boolean:
      done = out.append(static_cast<uint8_t>(bits != 0 ? 1 : 0));
      break;
    case Kind::enumeration:
      return symbol(field, static_cast<int32_t>(bits), out);
    case Kind::string:
      if (!is_utf8(span)) return fail(field, "the bytes are not UTF-8");
      done = out.append_text(span.data(), static_cast<int64_t>(span.size()));
      break;
    case Kind::bytes:
      done = out.append_text(span.data(), static_cast<int64_t>(span.size()));
      break;
    case Kind::message:
    case Kind::group:
      if (field.field->message->known != WellKnown::none) return known(field, span, out);
      if (!message(*field.message, span)) return false;
      done = out.append_group();
      break;
  }
  return done || full(field);
}

bool MessageReader::packed(FieldPlan& field, ByteSpan bytes) {
  const auto wire = static_cast<uint32_t>(wire_type(field.field->kind));
  At at = bytes.data();
  const At end = at + bytes.size();
  while (at < end) {
    uint64_t bits = 0;
    at = payload(field, wire, at, end, &bits, nullptr);
    if (at == nullptr || !element(field, bits, {}, field.out->child(0))) return false;
  }
  return true;
}

bool MessageReader::absent(FieldPlan& field) {
  const Field& declared = *field.field;
  if (declared.required) return fail(field, "it is required and not there");
  if (declared.message != nullptr && field.never_null) return element(field, 0, {}, *field.out);
  if (declared.presence) return field.out->append_null() || full(field);
  bool done = false;
  if (declared.kind == Kind::enumeration) return symbol(field, static_cast<int32_t>(declared.default_bits), *field.out);
  if (declared.kind == Kind::string || declared.kind == Kind::bytes) {
    const std::string_view text = declared.default_text ? std::string_view(*declared.default_text) : "";
    done = field.out->append_text(reinterpret_cast<const uint8_t*>(text.data()), static_cast<int64_t>(text.size()));
  } else if (declared.kind == Kind::boolean) {
    done = field.out->append(static_cast<uint8_t>(declared.default_bits));
  } else if (is_wide(declared.kind)) {
    done = field.out->append(declared.default_bits);
  } else {
    done = field.out->append(static_cast<uint32_t>(declared.default_bits));
  }
  return done || full(field);
}

bool MessageReader::symbol(const FieldPlan& field, int32_t number, RawColumn& out) {
  const auto& names = field.field->enumeration->names;
  auto found = names.find(number);
  const std::string text = found == names.end() ? std::to_string(number) : found->second;
  return out.append_text(reinterpret_cast<const uint8_t*>(text.data()), static_cast<int64_t>(text.size())) ||
         full(field);
}

bool MessageReader::known(FieldPlan& field, ByteSpan span, RawColumn& out) {
  switch (field.field->message->known) {
    case WellKnown::wrapper:
      return message(*field.message, span);
    case WellKnown::json: {
      text_.clear();
      if (!append_json_value(field.field->message->name, span, text_)) {
        return fail(field, fmt::format("it is not a valid {}", field.field->message->name));
      }
      return out.append_text(reinterpret_cast<const uint8_t*>(text_.data()), static_cast<int64_t>(text_.size())) ||
             full(field);
    }
    default:
      return moment(field, span, out);
  }
}

// Timestamp and Duration: int64 seconds = 1; int32 nanos = 2.
bool MessageReader::moment(const FieldPlan& field, ByteSpan span, RawColumn& out) {
  if (!scan(*field.message, span)) return false;
  const auto& parts = field.message->fields;
  const auto seconds = parts[0].seen ? static_cast<int64_t>(parts[0].bits) : 0;
  const auto nanos = parts[1].seen ? static_cast<int64_t>(static_cast<int32_t>(parts[1].bits)) : 0;
  if (nanos > kNanosMax || nanos < -kNanosMax) return fail(field, fmt::format("{} nanoseconds", nanos));
  int64_t value = 0;
  if (field.field->message->known == WellKnown::timestamp) {
    // What is below a microsecond is cut off, towards the past.
    const int64_t micros = nanos >= 0 ? nanos / 1000 : (nanos - 999) / 1000;
    if (__builtin_mul_overflow(seconds, int64_t{1'000'000}, &value) || __builtin_add_overflow(value, micros, &value)) {
      return fail(field, fmt::format("a timestamp of {} seconds is out of range", seconds));
    }
    return out.append(value) || full(field);
  }
  if (__builtin_mul_overflow(seconds, int64_t{1'000'000'000}, &value) || __builtin_add_overflow(value, nanos, &value)) {
    return fail(field, fmt::format("a duration of {} seconds is out of range", seconds));
  }
  const arrow::MonthDayNanoIntervalType::MonthDayNanos interval{0, 0, value};
  return out.append(interval) || full(field);
}

// "When parsing, if there are duplicate map keys, the last key seen is used."
bool MessageReader::entries(FieldPlan& field) {
  MessagePlan& plan = *field.message;
  RawColumn& group = field.out->child(0);
  const auto& all = field.entries;
  std::vector<std::string> keys;
  for (size_t i = 0; all.size() > 1 && i < all.size(); ++i) {
    if (!scan(plan, all[i])) return false;
    const auto& key = plan.fields[0];
    const uint64_t bits = key.seen ? key.bits : 0;
    keys.push_back(key.field->kind == Kind::string ? std::string(key.seen ? as_text(key.span) : "")
                                                   : std::string(reinterpret_cast<const char*>(&bits), sizeof bits));
  }
  std::vector<bool> outdone(all.size(), false);
  if (keys.size() > kPairsComparedMax) {
    std::set<std::string_view> later;
    for (size_t i = keys.size(); i-- > 0;) outdone[i] = !later.insert(keys[i]).second;
  } else {
    for (size_t i = 0; i < keys.size(); ++i) {
      outdone[i] = std::find(keys.begin() + static_cast<ptrdiff_t>(i) + 1, keys.end(), keys[i]) != keys.end();
    }
  }
  for (size_t i = 0; i < all.size(); ++i) {
    if (outdone[i]) continue;
    if (!message(plan, all[i])) return false;
    if (!group.append_group()) return full(field);
  }
  return field.out->append_list() || full(field);
}

}  // namespace sluice::protobuf
