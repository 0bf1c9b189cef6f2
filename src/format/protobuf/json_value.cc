#include "format/protobuf/json_value.h"

#include <bit>
#include <cmath>

#include <fmt/format.h>
#include <simdjson.h>

#include "base/json_string.h"
#include "format/protobuf/wire.h"

namespace sluice::protobuf {
namespace {

constexpr int kDepthMax = 100;

// A field as it came: the number of its tag says which member of `bits` and `span` holds it.
struct Part {
  uint32_t tag = 0;
  uint64_t bits = 0;
  ByteSpan span;
};

// Tags: the number times eight and the wire type.
enum Tag : uint32_t {
  kFirstMessage = 10,  // Struct.fields, ListValue.values, the key of an entry
  kEntryValue = 18,
  kNull = 8,
  kNumber = 17,
  kString = 26,
  kBoolean = 32,
  kStruct = 42,
  kList = 50,
};

// False at the end and where the bytes are bad; then `at` is null.
bool next(const uint8_t*& at, const uint8_t* end, Part& part) {
  if (at == end) return false;
  uint64_t tag = 0;
  at = get_varint(at, end, &tag);
  if (at == nullptr) return false;
  const uint8_t* content = at;
  at = tag > 0xffff'ffff ? nullptr : skip_field(static_cast<uint32_t>(tag), at, end);
  if (at == nullptr) return false;
  part.tag = static_cast<uint32_t>(tag);
  if ((tag & 7) == 2) {
    content = get_varint(content, at, &part.bits);
    part.span = {content, static_cast<size_t>(at - content)};
  } else if ((tag & 7) == 1) {
    std::memcpy(&part.bits, content, 8);
  } else if ((tag & 7) == 0) {
    get_varint(content, at, &part.bits);
  }
  return true;
}

bool append_text(ByteSpan text, std::string& out) {
  const auto* begin = reinterpret_cast<const char*>(text.data());
  if (!simdjson::validate_utf8(begin, text.size())) return false;
  append_json_string({begin, text.size()}, out);
  return true;
}

bool append_struct(ByteSpan bytes, int depth, std::string& out);
bool append_list(ByteSpan bytes, int depth, std::string& out);

bool append_value(ByteSpan bytes, int depth, std::string& out) {
  if (depth > kDepthMax) return false;
  if (bytes.empty()) {
    out += "null";
    return true;
  }
  const uint8_t* at = bytes.data();
  const uint8_t* const end = at + bytes.size();
  Part part;
  Part last;  // of a oneof only the last member counts
  while (next(at, end, part)) last = part;
  if (at == nullptr) return false;
  switch (last.tag) {
    case kNumber: {
      const auto number = std::bit_cast<double>(last.bits);
      if (!std::isfinite(number)) return false;  // "NaN and Infinity are not supported" there
      out += fmt::format("{}", number);
      return true;
    }
    case kString:
      return append_text(last.span, out);
    case kBoolean:
      out += last.bits != 0 ? "true" : "false";
      return true;
    case kStruct:
      return append_struct(last.span, depth + 1, out);
    case kList:
      return append_list(last.span, depth + 1, out);
    default:
      out += "null";
      return true;
  }
}

bool append_entry(ByteSpan bytes, int depth, std::string& out) {
  const uint8_t* at = bytes.data();
  const uint8_t* end = at + bytes.size();
  ByteSpan key;
  ByteSpan value;
  if (bytes.empty()) at = end = reinterpret_cast<const uint8_t*>("");
  for (Part part; next(at, end, part);) {
    if (part.tag == kFirstMessage) key = part.span;
    if (part.tag == kEntryValue) value = part.span;
  }
  if (at == nullptr || !append_text(key, out)) return false;
  out += ':';
  return append_value(value, depth, out);
}

bool append_all(ByteSpan bytes, int depth, std::string& out, bool (*append)(ByteSpan, int, std::string&)) {
  if (bytes.empty()) return true;
  const uint8_t* at = bytes.data();
  const uint8_t* const end = at + bytes.size();
  bool first = true;
  for (Part part; next(at, end, part);) {
    if (part.tag != kFirstMessage) continue;
    if (!first) out += ',';
    first = false;
    if (!append(part.span, depth, out)) return false;
  }
  return at != nullptr;
}

bool append_struct(ByteSpan bytes, int depth, std::string& out) {
  out += '{';
  if (!append_all(bytes, depth, out, append_entry)) return false;
  out += '}';
  return true;
}

bool append_list(ByteSpan bytes, int depth, std::string& out) {
  out += '[';
  if (!append_all(bytes, depth, out, append_value)) return false;
  out += ']';
  return true;
}

}  // namespace

bool append_json_value(std::string_view message, ByteSpan bytes, std::string& out) {
  if (message.ends_with(".Struct")) return append_struct(bytes, 0, out);
  if (message.ends_with(".ListValue")) return append_list(bytes, 0, out);
  return append_value(bytes, 0, out);
}

}  // namespace sluice::protobuf
