#include "format/json/connect.h"

#include <cstring>

namespace sluice::json {
namespace {

const char* space_end(const char* p, const char* end) {
  while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) ++p;
  return p;
}

// Past `"name" :` and what white space surrounds it; null when something else is there.
const char* key_end(const char* p, const char* end, std::string_view quoted) {
  p = space_end(p, end);
  if (static_cast<size_t>(end - p) < quoted.size() || memcmp(p, quoted.data(), quoted.size()) != 0) return nullptr;
  p = space_end(p + quoted.size(), end);
  return p < end && *p == ':' ? space_end(p + 1, end) : nullptr;
}

}  // namespace

std::optional<std::string_view> connect_payload(const Parser& parser, const char* begin, const char* end) {
  const char* p = space_end(begin, end);
  if (p >= end || *p != '{') return std::nullopt;
  p = key_end(p + 1, end, "\"schema\"");
  // The schema of a row is an object, and of one that says nothing null.
  if (p == nullptr || (*p != '{' && *p != 'n')) return std::nullopt;
  Parse parse;
  parse.end = end;
  p = parser.skip_value(parse, p);
  if (p == nullptr) return std::nullopt;
  p = space_end(p, end);
  if (p >= end || *p != ',') return std::nullopt;
  const char* value = key_end(p + 1, end, "\"payload\"");
  if (value == nullptr || value >= end) return std::nullopt;
  const char* value_end = parser.skip_value(parse, value);
  if (value_end == nullptr) return std::nullopt;
  p = space_end(value_end, end);
  if (p >= end || *p != '}' || space_end(p + 1, end) != end) return std::nullopt;
  return std::string_view(value, static_cast<size_t>(value_end - value));
}

}  // namespace sluice::json
