#include "postgres/array_text.h"

#include <charconv>

namespace sluice::postgres {

Result<void> ArrayText::open() {
  if (text_.starts_with('[')) {
    const size_t equals = text_.find('=');
    if (equals == std::string_view::npos) return bad();
    const char* begin = text_.data() + 1;
    if (std::from_chars(begin, text_.data() + equals, lower_bound_).ec != std::errc()) return bad();
    at_ = equals + 1;
  }
  while (at_ < text_.size() && text_[at_] == '{') {
    ++dimensions_;
    ++at_;
  }
  if (dimensions_ == 0 || !text_.ends_with('}')) return bad();
  if (at_ < text_.size() && text_[at_] == '}' && dimensions_ == 1) dimensions_ = 0;
  return {};
}

Result<std::optional<ArrayText::Item>> ArrayText::next() {
  if (at_ >= text_.size()) return bad();
  if (text_[at_] == '}') {
    if (at_ + 1 != text_.size()) return bad();
    return std::optional<Item>();
  }
  if (!first_) {
    if (text_[at_] != ',') return bad();
    ++at_;
  }
  first_ = false;
  Item item;
  const bool quoted = at_ < text_.size() && text_[at_] == '"';
  if (quoted) ++at_;
  while (at_ < text_.size()) {
    char c = text_[at_];
    if (quoted ? c == '"' : c == ',' || c == '}') break;
    if (!quoted && (c == '{' || c == '"')) return bad();
    if (c == '\\') {
      if (++at_ >= text_.size()) return bad();
      c = text_[at_];
    }
    item.text += c;
    ++at_;
  }
  if (at_ >= text_.size()) return bad();
  if (quoted) ++at_;
  if (at_ >= text_.size() || (text_[at_] != ',' && text_[at_] != '}')) return bad();
  item.is_null = !quoted && item.text == "NULL";
  return std::optional(std::move(item));
}

}  // namespace sluice::postgres
