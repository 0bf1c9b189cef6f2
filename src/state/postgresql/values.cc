#include "state/postgresql/values.h"

#include "batch/utf8.h"

namespace sluice::state {
namespace {

void append_hex(std::string& out, std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (unsigned char c : bytes) {
    out += digits[c >> 4];
    out += digits[c & 15];
  }
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

template <typename Get>
std::string array_of(const Positions& positions, Get get) {
  std::string out = "{";
  for (const auto& entry : positions) {
    out += out.size() > 1 ? ",\"\\\\x" : "\"\\\\x";
    append_hex(out, get(entry));
    out += '"';
  }
  return out + "}";
}

}  // namespace

std::string to_bytea(std::string_view bytes) {
  std::string out = "\\x";
  append_hex(out, bytes);
  return out;
}

Result<std::string> from_bytea(std::string_view text) {
  std::string out;
  if (!text.starts_with("\\x") || text.size() % 2 != 0) return bug("the state store sent a bytea that is not in hex");
  for (size_t at = 2; at < text.size(); at += 2) {
    const int high = digit_of(text[at]);
    const int low = digit_of(text[at + 1]);
    if (high < 0 || low < 0) return bug("the state store sent a bytea that is not in hex");
    out += static_cast<char>(high << 4 | low);
  }
  return out;
}

std::string splits_array(const Positions& positions) {
  return array_of(positions, [](const auto& entry) -> std::string_view { return entry.first; });
}
std::string tokens_array(const Positions& positions) {
  return array_of(positions, [](const auto& entry) -> std::string_view { return entry.second.token; });
}

std::string to_text(std::string_view bytes) {
  const bool valid = is_utf8(bytes);
  std::string out(bytes);
  for (char& c : out) {
    if (c == '\0' || (!valid && static_cast<unsigned char>(c) >= 0x80)) c = '?';
  }
  return out;
}

}  // namespace sluice::state
