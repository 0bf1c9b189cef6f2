#include "sql/lexer.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"

namespace sluice::sql {
namespace {

bool is_word_start(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}
bool is_word_char(char c) { return is_word_start(c) || is_digit(c) || c == '$'; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// "$tag$" at the start of `text`, or empty.
std::string_view dollar_tag(std::string_view text) {
  if (text.empty() || text[0] != '$') return {};
  size_t end = 1;
  while (end < text.size() && is_word_char(text[end]) && text[end] != '$') ++end;
  if (end >= text.size() || text[end] != '$' || (end > 1 && is_digit(text[1]))) return {};
  return text.substr(0, end + 1);
}

// PostgreSQL's scanner, which DuckDB uses, nests block comments.
size_t block_comment_length(std::string_view text) {
  int depth = 0;
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] == '/' && text[i + 1] == '*') {
      ++depth;
      ++i;
    } else if (text[i] == '*' && text[i + 1] == '/') {
      ++i;
      if (--depth == 0) return i + 1;
    }
  }
  return std::string_view::npos;
}

class Lexer {
 public:
  explicit Lexer(const Script& script) : script_(script), text_(script.text()) {}

  Result<std::vector<Token>> run() {
    while (true) {
      TRY(skip_blanks());
      if (at_ >= text_.size()) break;
      TRY(next());
    }
    tokens_.push_back({TokenKind::end, text_.size(), text_.size(), ""});
    return std::move(tokens_);
  }

 private:
  [[nodiscard]] std::string_view rest() const { return text_.substr(at_); }

  Result<void> skip_blanks() {
    while (at_ < text_.size()) {
      if (is_space(text_[at_])) {
        ++at_;
      } else if (rest().starts_with("--")) {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (rest().starts_with("/*")) {
        size_t length = block_comment_length(rest());
        if (length == std::string_view::npos) return unclosed("comment /*", "*/");
        at_ += length;
      } else {
        break;
      }
    }
    return {};
  }

  Result<void> next() {
    char c = text_[at_];
    bool letter_before_quote = at_ + 1 < text_.size() && text_[at_ + 1] == '\'';
    if (c == '\'') return quoted('\'', TokenKind::string, false);
    if (c == '"') return quoted('"', TokenKind::quoted_word, false);
    if (letter_before_quote && lower(c) == 'e') return escape_string();
    if (is_word_start(c)) return word();
    if (is_digit(c) || (c == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]))) return number();
    auto tag = dollar_tag(rest());
    if (!tag.empty()) return dollar_string(tag);
    return symbol();
  }

  Error unclosed(std::string_view what, std::string_view missing) const {
    return user_error("{}: this {} is never closed; add {}", script_.position(at_), what, missing);
  }

  void add(TokenKind kind, size_t end, std::string text) {
    tokens_.push_back({kind, at_, end, std::move(text)});
    at_ = end;
  }

  Result<void> quoted(char quote, TokenKind kind, bool escapes, size_t prefix = 0) {
    std::string value;
    for (size_t i = at_ + prefix + 1; i < text_.size(); ++i) {
      if (escapes && text_[i] == '\\' && i + 1 < text_.size()) {
        ++i;
        value += TRY(unescape(&i));
      } else if (text_[i] != quote) {
        value += text_[i];
      } else if (i + 1 < text_.size() && text_[i + 1] == quote) {
        value += text_[i++];
      } else {
        add(kind, i + 1, std::move(value));
        tokens_.back().has_escapes = escapes;
        return {};
      }
    }
    return unclosed(quote == '"' ? "quoted name" : "string", std::string_view(&quote, 1));
  }

  Result<void> escape_string() { return quoted('\'', TokenKind::string, true, 1); }

  // What the escape at text_[*at], behind its backslash, stands for. Moves *at to its last character.
  Result<char> unescape(size_t* at) const {
    const size_t begin = *at;
    const char c = text_[begin];
    const bool hex = c == 'x' && begin + 1 < text_.size() && hex_digit(text_[begin + 1]) >= 0;
    const bool octal = c >= '0' && c <= '7';
    if (hex || octal) {
      const size_t first = hex ? begin + 1 : begin;
      const size_t digits = hex ? 2 : 3;
      int code = 0;
      size_t end = first;
      for (; end < std::min(first + digits, text_.size()); ++end) {
        const int digit = hex_digit(text_[end]);
        if (digit < 0 || (!hex && digit > 7)) break;
        code = code * (hex ? 16 : 8) + digit;
      }
      *at = end - 1;
      if (code > 0 && code < 0x80) return static_cast<char>(code);
    }
    if (hex || octal || c == 'u' || c == 'U') {
      return user_error("{}: escapes in E'…' stand for ASCII characters only; write the character itself",
                        script_.position(begin - 1));
    }
    switch (c) {
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case 'r':
        return '\r';
      case 'b':
        return '\b';
      case 'f':
        return '\f';
      default:
        return c;
    }
  }

  Result<void> dollar_string(std::string_view tag) {
    size_t end = text_.find(tag, at_ + tag.size());
    if (end == std::string_view::npos) return unclosed("dollar-quoted string", tag);
    size_t begin = at_ + tag.size();
    add(TokenKind::string, end + tag.size(), std::string(text_.substr(begin, end - begin)));
    return {};
  }

  Result<void> word() {
    size_t end = at_;
    while (end < text_.size() && is_word_char(text_[end])) ++end;
    add(TokenKind::word, end, std::string(text_.substr(at_, end - at_)));
    return {};
  }

  Result<void> number() {
    size_t end = at_;
    auto digits = [&] {
      while (end < text_.size() && (is_digit(text_[end]) || text_[end] == '_')) ++end;
    };
    digits();
    if (end < text_.size() && text_[end] == '.') {
      ++end;
      digits();
    }
    if (end < text_.size() && lower(text_[end]) == 'e') {
      size_t exponent = end + 1;
      if (exponent < text_.size() && (text_[exponent] == '+' || text_[exponent] == '-')) ++exponent;
      if (exponent < text_.size() && is_digit(text_[exponent])) {
        end = exponent;
        digits();
      }
    }
    add(TokenKind::number, end, std::string(text_.substr(at_, end - at_)));
    return {};
  }

  Result<void> symbol() {
    static constexpr std::array<std::string_view, 11> kLong = {
        ":=", "=>", "::", "->>", "->", "<=", ">=", "<>", "!=", "||", "=="};
    for (auto candidate : kLong) {
      if (rest().starts_with(candidate)) {
        add(TokenKind::symbol, at_ + candidate.size(), std::string(candidate));
        return {};
      }
    }
    add(TokenKind::symbol, at_ + 1, std::string(1, text_[at_]));
    return {};
  }

  const Script& script_;
  std::string_view text_;
  size_t at_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

bool Token::is_word(std::string_view keyword) const {
  return kind == TokenKind::word && equals_ignoring_case(text, keyword);
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

size_t opaque_length(std::string_view text) {
  if (text.starts_with("--")) return std::min(text.find('\n'), text.size());
  if (text.starts_with("/*")) return std::min(block_comment_length(text), text.size());
  if (!text.empty() && is_word_start(text[0])) {  // a$b$ is one word
    size_t end = 1;
    while (end < text.size() && is_word_char(text[end]) && !text.substr(end).starts_with("${")) ++end;
    return end;
  }
  auto tag = dollar_tag(text);
  if (tag.empty()) return 0;
  size_t end = text.find(tag, tag.size());
  return end == std::string_view::npos ? text.size() : end + tag.size();
}

Result<std::vector<Token>> tokenize(const Script& script) { return Lexer(script).run(); }

size_t matching_close(const std::vector<Token>& tokens, size_t open) {
  int depth = 0;
  for (size_t i = open; i < tokens.size(); ++i) {
    const auto& token = tokens[i];
    if (token.is_symbol("(") || token.is_symbol("[") || token.is_symbol("{")) ++depth;
    if ((token.is_symbol(")") || token.is_symbol("]") || token.is_symbol("}")) && --depth == 0) return i;
  }
  return tokens.size() - 1;
}

}  // namespace sluice::sql
