// SQL tokens with their byte offsets, as DuckDB's scanner cuts them. Enough to split statements, to read connector
// calls and to find one's way in a SELECT; the SELECT itself is parsed by DuckDB.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sql/script.h"

namespace sluice::sql {

enum class TokenKind { word, quoted_word, string, number, symbol, end };

struct Token {
  TokenKind kind = TokenKind::end;
  size_t begin = 0;  // bytes in Script::text()
  size_t end = 0;
  std::string text;          // unquoted and unescaped; words as written
  bool has_escapes = false;  // E'…'

  // Keywords compare without case; quoted words never are one.
  [[nodiscard]] bool is_word(std::string_view keyword) const;
  [[nodiscard]] bool is_symbol(std::string_view symbol) const { return kind == TokenKind::symbol && text == symbol; }
  [[nodiscard]] bool is_name() const { return kind == TokenKind::word || kind == TokenKind::quoted_word; }
};

// All tokens of the text; the last one is TokenKind::end. Unclosed quotes and comments are errors with their position.
Result<std::vector<Token>> tokenize(const Script& script);

// Length of the comment, dollar-quoted string or word that `text` starts with, in which "$" and quotes mean nothing; 0
// when it starts with neither, all of it when it does not end.
size_t opaque_length(std::string_view text);

bool equals_ignoring_case(std::string_view a, std::string_view b);
std::string to_lower(std::string_view text);

// For '(' '[' '{' at tokens[open]: the index of the one that closes it, or of the end token.
size_t matching_close(const std::vector<Token>& tokens, size_t open);

}  // namespace sluice::sql
