// Records that are not one a line: documents, arrays, and arrays inside wrapping documents.
#include <cstring>

#include "format/json/records.h"

namespace sluice::json {
namespace {

// Without the first bytes of a character whose rest has not been read.
const char* without_partial_character(const char* begin, const char* end) {
  for (int back = 1; back <= 3 && end - back >= begin; ++back) {
    unsigned char c = static_cast<unsigned char>(end[-back]);
    if (c < 0x80) return end;
    if (c >= 0xC0) {
      int size = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
      return size > back ? end - back : end;
    }
  }
  return end;
}

}  // namespace

Result<Records::Event> Records::run_documents(Context& context, int64_t rows_max) {
  for (;;) {
    const char* trusted = eof_ ? data_end_ : without_partial_character(data_begin_, data_end_);
    validate(trusted);
    Found found = Found::yes;
    if (phase_ == Phase::rows) {
      Event event = TRY(run_rows(context, rows_max));
      if (event != Event::end) return event;
      if (phase_ != Phase::rows) continue;
      found = Found::need_more;
    } else {
      parse_.end = data_end_;
      found = phase_ == Phase::closing ? TRY(close_document()) : TRY(enter_document());
    }
    if (found == Found::yes) continue;
    if (found == Found::no || eof_) {
      ended_ = true;
      position_ = offset_of(data_end_);
      return Event::end;
    }
    TRY(fill(context));
  }
}

// Rows of an array or bare documents. Event::end: this phase is over, or needs more bytes when it is still the phase.
Result<Records::Event> Records::run_rows(Context&, int64_t rows_max) {
  parse_.at = data_begin_;
  parse_.end = data_end_;
  char saved[kPadding];
  if (invalid_ != nullptr) {  // as if the input ended there
    parse_.end = invalid_;
    memcpy(saved, invalid_, kPadding);
    memset(buffer_.get() + (invalid_ - buffer_.get()), 0, kPadding);
  }
  parse_.pause_at = data_begin_ + kPauseBytes;
  parse_.rows_max = rows_max;
  int64_t before = parse_.root->length + parse_.rows_dropped;
  Stop stopped = rows_(parse_);
  if (invalid_ != nullptr) memcpy(buffer_.get() + (invalid_ - buffer_.get()), saved, kPadding);
  if (parse_.root->length + parse_.rows_dropped > before) position_ = offset_of(parse_.at);
  data_begin_ += parse_.at - data_begin_;
  if (stopped == Stop::pause) return Event::pause;
  if (stopped == Stop::array_end) {
    phase_ = Phase::closing;
    return Event::end;
  }
  if (invalid_ != nullptr) {
    if (stopped == Stop::more) parse_.row_start = data_begin_;
    parse_.flaw = Flaw::invalid_utf8;
    parse_.stopped_at = invalid_;
    parse_.stopped_in = nullptr;
    return Event::flaw;
  }
  if (stopped == Stop::flaw) return near_end(parse_.stopped_at) ? Event::end : Event::flaw;
  const char* next = space_end(data_begin_);
  if (next < data_end_ && !parse_.in_array) {  // an array after bare documents
    data_begin_ += next - data_begin_;
    phase_ = Phase::document;
  } else if (eof_ && parse_.in_array) {
    parse_.row_start = parse_.stopped_at = data_end_;
    parse_.stopped_in = nullptr;
    parse_.flaw = Flaw::truncated;
    return Event::flaw;
  }
  return Event::end;
}

Result<Records::Found> Records::enter_document() {
  const char* p = space_end(data_begin_);
  if (p == data_end_) return eof_ ? Found::no : Found::need_more;
  if (!options_.records_path.empty()) return find_array(p);
  phase_ = Phase::rows;
  parse_.in_array = *p == '[';
  parse_.need_separator = false;
  data_begin_ += p - data_begin_ + (parse_.in_array ? 1 : 0);
  return Found::yes;
}

// Walks down records_path from the document at `p`.
Result<Records::Found> Records::find_array(const char* p) {
  const auto& path = options_.records_path;
  for (size_t level = 0;;) {
    if (p >= data_end_) break;
    if (*p == '[' && level == path.size()) {
      phase_ = Phase::rows;
      parse_.in_array = true;
      parse_.need_separator = false;
      enclosing_ = level;
      data_begin_ += p + 1 - data_begin_;
      return Found::yes;
    }
    if (level > 0 && data_end_ - p >= 4 && memcmp(p, "null", 4) == 0) {
      phase_ = Phase::closing;
      enclosing_ = level;
      data_begin_ += p + 4 - data_begin_;
      return Found::yes;
    }
    if (*p != '{' || level == path.size()) {
      if (near_end(p)) return Found::need_more;
      return fail(p, fmt::format("records_path '{}' must lead from an object to an array, but {} is here",
                                 fmt::join(path, "."), printable(p, data_end_, 20)));
    }
    ++p;
    for (bool found = false; !found;) {
      p = space_end(p);
      if (p < data_end_ && *p == ',') p = space_end(p + 1);
      if (p < data_end_ && *p == '}') {
        return fail(p, fmt::format("the document has no '{}' (records_path)", fmt::join(path, ".")));
      }
      const char* key = p;
      const char* key_end = p < data_end_ && *p == '"' ? parser_.skip_value(parse_, p) : nullptr;
      const char* colon = key_end != nullptr ? space_end(key_end) : data_end_;
      if (key_end == nullptr || colon >= data_end_ || *colon != ':') {
        if (!eof_) return Found::need_more;
        return fail(p, "the document is not valid JSON or ends early");
      }
      p = space_end(colon + 1);
      found = std::string_view(key + 1, static_cast<size_t>(key_end - key - 2)) == path[level];
      if (!found) {
        p = parser_.skip_value(parse_, p);
        if (p == nullptr || p >= data_end_) {
          if (!eof_) return Found::need_more;
          return fail(key, "the document is not valid JSON or ends early");
        }
      }
    }
    ++level;
  }
  if (!eof_) return Found::need_more;
  return fail(data_end_, "the document ends early");
}

// What follows the array in its wrapping document: more fields, and as many brackets as lie around it.
Result<Records::Found> Records::close_document() {
  while (enclosing_ > 0) {
    const char* p = space_end(data_begin_);
    if (p < data_end_ && *p == '}') {
      --enclosing_;
      data_begin_ += p + 1 - data_begin_;
      continue;
    }
    bool comma = p < data_end_ && *p == ',';
    const char* key = comma ? space_end(p + 1) : p;
    const char* key_end = comma && key < data_end_ && *key == '"' ? parser_.skip_value(parse_, key) : nullptr;
    const char* colon = key_end != nullptr ? space_end(key_end) : data_end_;
    const char* value_end =
        colon < data_end_ && *colon == ':' ? parser_.skip_value(parse_, space_end(colon + 1)) : nullptr;
    if (value_end == nullptr || value_end >= data_end_) {
      if (!eof_) return Found::need_more;
      return fail(p, "the document around the records is not valid JSON or ends early");
    }
    data_begin_ += value_end - data_begin_;
  }
  phase_ = Phase::document;
  return Found::yes;
}

}  // namespace sluice::json
