// The loops over records. `record(s, p)` parses the object at `p` and returns what follows it, or null after setting
// s.flaw, or null with s.dropped when a test failed; `undo(s)` takes back what it appended.

// Newline-delimited: a record lies on one line; several may share it. Stops between lines only.
template <typename Record, typename Undo>
Stop lines(Parse& s, Record record, Undo undo) {
  const char* p = s.at;
  for (;;) {
    while (*p <= ' ' && p < s.end) {
      if (*p == '\n') {
        ++s.lines;
        s.line_start = p + 1;
      } else if (!is_space(s, *p)) {
        break;
      }
      ++p;
    }
    if (p >= s.end) {
      s.at = p;
      return Stop::more;
    }
    bool fresh_line = s.row_start < s.line_start;
    if (fresh_line) {
      if (s.line_start >= s.range_end) {
        s.at = s.line_start;
        return Stop::range_end;
      }
      if (s.line_start >= s.pause_at || s.root->length >= s.rows_max) {
        s.at = s.line_start;
        return Stop::pause;
      }
    }
    s.row_start = p;
    const char* after = record(s, p);
    if (after == nullptr) {
      undo(s);
      if (s.dropped) {
        s.dropped = false;
        ++s.rows_dropped;
        after = s.stopped_depth == 0 ? s.stopped_at : skip_structure(s, s.stopped_at, s.stopped_depth);
      }
      if (after == nullptr) return Stop::flaw;
    }
    p = after;
    if (*p == '\n' && p < s.end) [[likely]] {
      ++p;
      ++s.lines;
      s.line_start = p;
    }
  }
}

// The elements of an array, or documents one after another. Stops after any record, before the separator.
template <typename Record, typename Undo>
Stop elements(Parse& s, Record record, Undo undo) {
  for (;;) {
    const char* p = skip_space(s, s.at);
    if (p >= s.end) return Stop::more;
    if (s.in_array) {
      if (*p == ']') {
        s.at = p + 1;
        s.in_array = s.need_separator = false;
        return Stop::array_end;
      }
      if (s.need_separator) {
        s.row_start = p;
        if (*p != ',') {
          stop(s, Flaw::unexpected_character, p);
          return Stop::flaw;
        }
        p = skip_space(s, p + 1);
        if (p >= s.end) return Stop::more;
      }
    } else if (*p == '[') {  // the caller decides what an array means here
      return Stop::more;
    }
    if (s.at >= s.pause_at || s.root->length >= s.rows_max) return Stop::pause;
    s.row_start = p;
    const char* after = record(s, p);
    if (after == nullptr) {
      undo(s);
      if (s.dropped) {
        s.dropped = false;
        after = s.stopped_depth == 0 ? s.stopped_at : skip_structure(s, s.stopped_at, s.stopped_depth);
        if (after != nullptr) ++s.rows_dropped;
      }
      if (after == nullptr) return Stop::flaw;
    }
    s.at = after;
    s.need_separator = s.in_array;
  }
}
