#include "sql/script.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "sql/lexer.h"

namespace sluice::sql {
namespace {

bool is_name_char(char c, bool first) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (!first && c >= '0' && c <= '9');
}

std::optional<std::string> value_of(const std::string& name, const Variables& variables) {
  auto given = variables.find(name);
  if (given != variables.end()) return given->second;
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

}  // namespace

Result<Script> Script::make(std::string_view text, const std::string& file_name, const Variables& variables) {
  Script script;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // a byte order mark some editors write
  script.original_ = text;
  script.file_name_ = file_name;
  TRY(script.substitute(variables));
  return script;
}

void Script::copy(size_t begin, size_t end) {
  if (begin == end) return;
  pieces_.push_back({text_.size(), begin, true});
  text_.append(original_, begin, end - begin);
}

// One pass that only has to know what is quoted how.
Result<void> Script::substitute(const Variables& variables) {
  size_t copied = 0;
  char quote = 0;
  bool escapes = false;  // inside E'…', where \' does not end the string
  for (size_t at = 0; at < original_.size();) {
    std::string_view rest = std::string_view(original_).substr(at);
    if (quote != 0 && rest.size() > 1 && rest[0] == quote && rest[1] == quote) {
      at += 2;
    } else if (quote != 0 && rest[0] == quote) {
      quote = 0;
      ++at;
    } else if (escapes && quote != 0 && rest[0] == '\\' && rest.size() > 1) {
      at += 2;
    } else if (quote != 0 && rest.starts_with("$${")) {
      copy(copied, at + 1);
      copied = at + 2;
      at += 3;
    } else if (rest.starts_with("${")) {
      copy(copied, at);
      at = copied = TRY(substitute_one(at, quote, escapes && quote != 0, variables));
    } else if (quote != 0) {
      ++at;
    } else if (rest[0] == '\'' || rest[0] == '"') {
      quote = rest[0];
      escapes = at > 0 && (original_[at - 1] == 'e' || original_[at - 1] == 'E') &&
                (at == 1 || !is_name_char(original_[at - 2], false));
      ++at;
    } else {
      at += std::max<size_t>(1, opaque_length(rest));
    }
  }
  copy(copied, original_.size());
  return {};
}

Result<size_t> Script::substitute_one(size_t at, char quote, bool escapes, const Variables& variables) {
  auto [line, column] = line_and_column(at);
  size_t end = at + 2;
  while (end < original_.size() && is_name_char(original_[end], end == at + 2)) ++end;
  if (end >= original_.size() || original_[end] != '}' || end == at + 2) {
    return user_error("{}:{}:{}: '${{' starts a variable; write ${{NAME}}{}", file_name_, line, column,
                      quote != 0 ? ", or $${ for these two characters" : "");
  }
  std::string name = original_.substr(at + 2, end - at - 2);
  auto value = value_of(name, variables);
  if (!value) {
    return user_error("{}:{}:{}: variable '{}' is not set; give --var {}=… or set it in the environment", file_name_,
                      line, column, name, name);
  }
  pieces_.push_back({text_.size(), at, false});
  for (char c : *value) {
    text_ += c;
    if (quote != 0 && (c == quote || (escapes && c == '\\'))) text_ += c;
  }
  return end + 1;
}

size_t Script::original_offset(size_t offset) const {
  auto after = std::upper_bound(pieces_.begin(), pieces_.end(), offset,
                                [](size_t value, const Piece& piece) { return value < piece.out; });
  if (after == pieces_.begin()) return 0;
  const Piece& piece = *std::prev(after);
  return piece.verbatim ? piece.in + (offset - piece.out) : piece.in;
}

std::pair<size_t, size_t> Script::line_and_column(size_t original_offset) const {
  size_t end = std::min(original_offset, original_.size());
  size_t line = 1;
  size_t column = 1;
  for (size_t i = 0; i < end; ++i) {
    if (original_[i] == '\n') {
      ++line;
      column = 1;
    } else if ((static_cast<unsigned char>(original_[i]) & 0xC0) != 0x80) {  // not a UTF-8 continuation byte
      ++column;
    }
  }
  return {line, column};
}

std::string Script::position(size_t offset) const {
  auto [line, column] = line_and_column(original_offset(offset));
  return fmt::format("{}:{}:{}", file_name_, line, column);
}

std::string Script::line_of(size_t offset) const {
  return fmt::format("{}:{}", file_name_, line_and_column(original_offset(offset)).first);
}

}  // namespace sluice::sql
