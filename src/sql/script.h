// The text of a file of statements after ${VAR} substitution, and the way back from an offset in it to line and column
// of what the user wrote.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice::sql {

using Variables = std::map<std::string, std::string>;

// Immutable after make(). Substitution knows SQL's quoting: inside '…' and "…" quotes in the value are doubled, so a
// value never ends the literal it stands in; comments and $$…$$ stay as they are. "$${" inside quotes is a literal
// "${".
class Script {
 public:
  // Names come from `variables` first, then from the environment; an unknown one is an error with its position.
  static Result<Script> make(std::string_view text, const std::string& file_name, const Variables& variables);

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] const std::string& file_name() const { return file_name_; }
  // "orders.sql:3:12" for a byte offset into text(); lines and columns count from 1, columns in characters.
  [[nodiscard]] std::string position(size_t offset) const;
  [[nodiscard]] std::string line_of(size_t offset) const;  // "orders.sql:3"

 private:
  struct Piece {  // text_ from `out` on comes from original_ at `in`, byte for byte unless it is a variable's value
    size_t out = 0;
    size_t in = 0;
    bool verbatim = true;
  };
  Result<void> substitute(const Variables& variables);
  Result<size_t> substitute_one(size_t at, char quote, bool escapes, const Variables& variables);
  void copy(size_t begin, size_t end);
  [[nodiscard]] std::pair<size_t, size_t> line_and_column(size_t original_offset) const;
  [[nodiscard]] size_t original_offset(size_t offset) const;

  std::string original_;
  std::string text_;
  std::string file_name_;
  std::vector<Piece> pieces_;
};

}  // namespace sluice::sql
