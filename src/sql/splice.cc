#include "sql/splice.h"

#include <algorithm>

namespace sluice::sql {

SplicedSelect::SplicedSelect(const Select& select, std::vector<Splice> splices) : select_(select) {
  std::stable_sort(splices.begin(), splices.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  const auto& script = select.script->text();
  size_t at = select.statement.select_begin;
  for (const auto& splice : splices) {
    CHECK(splice.begin >= at && splice.end <= select.statement.select_end);
    pieces_.push_back({text_.size(), at, true});
    text_.append(script, at, splice.begin - at);
    pieces_.push_back({text_.size(), splice.begin, false});
    text_ += splice.text;
    at = splice.end;
  }
  pieces_.push_back({text_.size(), at, true});
  text_.append(script, at, select.statement.select_end - at);
}

size_t SplicedSelect::original(size_t offset) const {
  auto after = std::upper_bound(pieces_.begin(), pieces_.end(), offset,
                                [](size_t value, const Piece& piece) { return value < piece.out; });
  if (after == pieces_.begin()) return select_.statement.select_begin;
  const auto& piece = *std::prev(after);
  return piece.verbatim ? piece.in + (offset - piece.out) : piece.in;
}

Error SplicedSelect::explain(const DuckError& failure) const {
  size_t offset =
      failure.offset && *failure.offset <= text_.size() ? original(*failure.offset) : select_.statement.select_begin;
  return user_error("{}: {}", select_.script->position(offset), failure.message);
}

}  // namespace sluice::sql
