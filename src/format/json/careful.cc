// JSON's grammar, to the letter: what the fast parsers leave aside.
#include <cstring>
#include <string>
#include <string_view>

#include "base/ascii.h"
#include "format/json/parse.h"

namespace sluice::json {
namespace {

bool hex4(const char* p, const char* end, uint32_t* value) {
  if (end - p < 4) return false;
  *value = 0;
  for (int i = 0; i < 4; ++i) {
    char c = p[i];
    char lower = static_cast<char>(c | 0x20);
    uint32_t digit = 0;
    if (is_digit(c)) {
      digit = static_cast<uint32_t>(c - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      digit = static_cast<uint32_t>(lower - 'a' + 10);
    } else {
      return false;
    }
    *value = *value * 16 + digit;
  }
  return true;
}

char* put_utf8(char* out, uint32_t point) {
  auto put = [&out](uint32_t byte) { *out++ = static_cast<char>(byte); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xC0 | point >> 6);
    put(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    put(0xE0 | point >> 12);
    put(0x80 | (point >> 6 & 0x3F));
    put(0x80 | (point & 0x3F));
  } else {
    put(0xF0 | point >> 18);
    put(0x80 | (point >> 12 & 0x3F));
    put(0x80 | (point >> 6 & 0x3F));
    put(0x80 | (point & 0x3F));
  }
  return out;
}

// The part of \uXXXX after the 'u', and its other half where it is a surrogate pair (RFC 8259, section 7).
Flaw unescape_unicode(const char** p, const char* end, char** out) {
  uint32_t point = 0;
  if (!hex4(*p, end, &point)) return Flaw::bad_escape;
  *p += 4;
  if (point >= 0xDC00 && point < 0xE000) return Flaw::lone_surrogate;
  if (point >= 0xD800 && point < 0xDC00) {
    uint32_t low = 0;
    if (end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u' || !hex4(*p + 2, end, &low)) return Flaw::lone_surrogate;
    if (low < 0xDC00 || low >= 0xE000) return Flaw::lone_surrogate;
    point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
    *p += 6;
  }
  *out = put_utf8(*out, point);
  return Flaw::none;
}

char simple_escape(char c) {
  switch (c) {
    case '"':
    case '\\':
    case '/':
      return c;
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return '\0';
  }
}

// One value, recursively; depth is bounded, and so is the stack.
class Checker {
 public:
  Checker(const char* p, const char* end) : p_(p), end_(end) {}

  Flaw whole() {
    Flaw flaw = value(0);
    if (flaw != Flaw::none) return flaw;
    skip_space();
    return p_ == end_ ? Flaw::none : Flaw::unexpected_character;
  }

 private:
  static constexpr int kDepthMax = 512;

  void skip_space() {
    while (p_ < end_ && (*p_ == ' ' || *p_ == '\t' || *p_ == '\r' || *p_ == '\n')) ++p_;
  }
  bool take(char c) {
    skip_space();
    if (p_ >= end_ || *p_ != c) return false;
    ++p_;
    return true;
  }
  Flaw literal(std::string_view word) {
    if (std::string_view(p_, static_cast<size_t>(end_ - p_)).substr(0, word.size()) != word) return Flaw::bad_literal;
    p_ += word.size();
    return Flaw::none;
  }

  Flaw value(int depth) {
    if (depth > kDepthMax) return Flaw::too_deep;
    skip_space();
    if (p_ >= end_) return Flaw::truncated;
    switch (*p_) {
      case '{':
        return object(depth);
      case '[':
        return array(depth);
      case '"':
        return string();
      case 't':
        return literal("true");
      case 'f':
        return literal("false");
      case 'n':
        return literal("null");
      default:
        return number();
    }
  }
  Flaw number() {
    std::string token(p_, static_cast<size_t>(end_ - p_) < 400 ? static_cast<size_t>(end_ - p_) : 400);
    bool integral = false;
    const char* after = scan_number(token.c_str(), &integral);
    if (after == nullptr) return is_digit(*p_) || *p_ == '-' ? Flaw::bad_number : Flaw::bad_literal;
    p_ += after - token.c_str();
    return Flaw::none;
  }
  Flaw string() {
    const char* begin = ++p_;
    for (; p_ < end_ && *p_ != '"'; ++p_) {
      if (static_cast<unsigned char>(*p_) < 0x20) return Flaw::control_character;
      if (*p_ == '\\') ++p_;
    }
    if (p_ >= end_) return Flaw::truncated;
    if (memchr(begin, '\\', static_cast<size_t>(p_ - begin)) != nullptr) {
      std::string text(static_cast<size_t>(p_ - begin), '\0');
      char* out = text.data();
      Flaw flaw = unescape(begin, p_, &out);
      if (flaw != Flaw::none) return flaw;
    }
    ++p_;
    return Flaw::none;
  }
  Flaw array(int depth) {
    ++p_;
    if (take(']')) return Flaw::none;
    do {
      Flaw flaw = value(depth + 1);
      if (flaw != Flaw::none) return flaw;
    } while (take(','));
    return take(']') ? Flaw::none : Flaw::unexpected_character;
  }
  Flaw object(int depth) {
    ++p_;
    if (take('}')) return Flaw::none;
    do {
      skip_space();
      if (p_ >= end_ || *p_ != '"') return Flaw::unexpected_character;
      Flaw flaw = string();
      if (flaw == Flaw::none && !take(':')) flaw = Flaw::unexpected_character;
      if (flaw == Flaw::none) flaw = value(depth + 1);
      if (flaw != Flaw::none) return flaw;
    } while (take(','));
    return take('}') ? Flaw::none : Flaw::unexpected_character;
  }

  const char* p_;
  const char* end_;
};

}  // namespace

Flaw unescape(const char* begin, const char* end, char** out) {
  char* to = *out;
  const char* p = begin;
  while (p < end) {
    const char* slash = static_cast<const char*>(memchr(p, '\\', static_cast<size_t>(end - p)));
    const char* plain_end = slash != nullptr ? slash : end;
    memcpy(to, p, static_cast<size_t>(plain_end - p));
    to += plain_end - p;
    if (slash == nullptr) break;
    p = slash + 1;
    if (p >= end) return Flaw::bad_escape;
    if (*p == 'u') {
      ++p;
      Flaw flaw = unescape_unicode(&p, end, &to);
      if (flaw != Flaw::none) return flaw;
    } else {
      char c = simple_escape(*p++);
      if (c == '\0') return Flaw::bad_escape;
      *to++ = c;
    }
  }
  *out = to;
  return Flaw::none;
}

const char* scan_number(const char* p, bool* integral) {
  *integral = true;
  if (*p == '-') ++p;
  if (!is_digit(*p)) return nullptr;
  if (*p++ != '0') {
    while (is_digit(*p)) ++p;
  }
  if (*p == '.') {
    *integral = false;
    if (!is_digit(*++p)) return nullptr;
    while (is_digit(*p)) ++p;
  }
  if (*p == 'e' || *p == 'E') {
    *integral = false;
    ++p;
    if (*p == '+' || *p == '-') ++p;
    if (!is_digit(*p)) return nullptr;
    while (is_digit(*p)) ++p;
  }
  return p;
}

Flaw check_json(const char* begin, const char* end) { return Checker(begin, end).whole(); }

uint32_t hash_name(const char* name, uint32_t size) {
  uint64_t first = 0, last = 0;
  if (size >= 8) {
    memcpy(&first, name, 8);
    memcpy(&last, name + size - 8, 8);
  } else {
    for (uint32_t i = 0; i < size; ++i) first = first << 8 | static_cast<unsigned char>(name[i]);
  }
  uint64_t mixed = (first * 0x9E3779B97F4A7C15u) ^ (last * 0xC2B2AE3D27D4EB4Fu) ^ size;
  return static_cast<uint32_t>(mixed >> 32 ^ mixed);
}

Flaw find_escaped_field(const Column& record, const char* begin, const char* end, Column** field) {
  *field = nullptr;
  std::string name(static_cast<size_t>(end - begin), '\0');
  char* out = name.data();
  Flaw flaw = unescape(begin, end, &out);
  if (flaw != Flaw::none) return flaw;
  std::string_view wanted(name.data(), static_cast<size_t>(out - name.data()));
  for (int i = 0; i < record.field_count; ++i) {
    Column* candidate = record.fields[i];
    if (std::string_view(candidate->name, candidate->name_size) == wanted) *field = candidate;
  }
  return Flaw::none;
}

}  // namespace sluice::json
