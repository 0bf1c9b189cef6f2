// A SELECT's text with parts replaced, keeping the way back to the script for DuckDB's error offsets.
#pragma once

#include <string>
#include <vector>

#include "sql/engine.h"
#include "sql/select.h"

namespace sluice::sql {

struct Splice {
  size_t begin = 0;  // bytes in Script::text(); begin == end inserts
  size_t end = 0;
  std::string text;
};

class SplicedSelect {
 public:
  SplicedSelect(const Select& select, std::vector<Splice> splices);

  [[nodiscard]] const std::string& text() const { return text_; }
  // DuckDB's complaint about text() as one sentence with the script's position.
  [[nodiscard]] Error explain(const DuckError& failure) const;

 private:
  struct Piece {
    size_t out = 0;
    size_t in = 0;
    bool verbatim = true;
  };
  [[nodiscard]] size_t original(size_t offset) const;

  const Select& select_;
  std::string text_;
  std::vector<Piece> pieces_;
};

}  // namespace sluice::sql
