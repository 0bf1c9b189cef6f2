// Lists, maps and records; and the rows that are made of them. A field of a record is guessed: rows of one file mostly
// have the same fields in the same order, so the key that followed last time is compared first, and only a surprise is
// looked up. Included after values.inl.

const char* list(Parse& s, Column& c, const char* p) {
  if (*p != '[') return unusual(s, c, p);
  Column& element = *c.fields[0];
  p = skip_space(s, p + 1);
  if (*p == ']') {
    ++p;
  } else {
    for (;;) {
      if (element.length == element.capacity) grow_values(element, element.length + 1);
      p = value(s, element, p);
      if (p == nullptr) return nullptr;
      p = skip_space(s, p);
      char separator = *p;
      if (separator != ',' && separator != ']') return stop(s, Flaw::unexpected_character, p, &c);
      ++p;
      if (separator == ']') break;
      p = skip_space(s, p);
    }
  }
  c.offsets[++c.length] = static_cast<int32_t>(element.length);
  return c.tests == nullptr || present_passes(c) ? p : drop(s, p, c.depth);
}

const char* map(Parse& s, Column& c, const char* p) {
  if (*p != '{') return unusual(s, c, p);
  Column& key = *c.fields[0];
  Column& item = *c.fields[1];
  p = skip_space(s, p + 1);
  if (*p == '}') {
    ++p;
  } else {
    for (;;) {
      if (key.length == key.capacity) grow_values(key, key.length + 1);
      if (item.length == item.capacity) grow_values(item, item.length + 1);
      if (*p != '"') return stop(s, Flaw::unexpected_character, p, &c);
      p = text(s, key, p);
      if (p == nullptr) return nullptr;
      p = skip_space(s, p);
      if (*p != ':') return stop(s, Flaw::unexpected_character, p, &c);
      p = value(s, item, skip_space(s, p + 1));
      if (p == nullptr) return nullptr;
      p = skip_space(s, p);
      char separator = *p;
      if (separator != ',' && separator != '}') return stop(s, Flaw::unexpected_character, p, &c);
      ++p;
      if (separator == '}') break;
      p = skip_space(s, p);
    }
  }
  c.offsets[++c.length] = static_cast<int32_t>(item.length);
  return c.tests == nullptr || present_passes(c) ? p : drop(s, p, c.depth);
}

inline bool matches(const Column* field, const char* p) {
  if (field == nullptr || field->key_size == 0 || ((load8(p) ^ field->key_head) & field->key_mask) != 0) return false;
  if (field->key_size <= 8) return true;
  const char* last = field->key + field->key_size - 8;
  return load8(p + field->key_size - 8) == load8(last) &&
         (field->key_size <= 16 || memcmp(p + 8, field->key + 8, field->key_size - 16) == 0);
}

// Finds the field whose key is at `p` (null: nobody knows it) and moves past the colon. A null result: a flaw.
__attribute__((noinline)) const char* look_up(Parse& s, const Column& c, const char* p, Column** field) {
  *field = nullptr;
  const char* begin = p + 1;
  bool escaped = false;
  if (*p != '"') return stop(s, p >= s.end ? Flaw::truncated : Flaw::unexpected_character, p, &c);
  const char* end = skip_string(s, begin, &escaped);
  if (end == nullptr) return nullptr;
  uint32_t size = static_cast<uint32_t>(end - 1 - begin);
  if (escaped) {
    Flaw flaw = find_escaped_field(c, begin, end - 1, field);
    if (flaw != Flaw::none) return stop(s, flaw, p, &c);
  } else if (c.field_count > 0) {
    for (uint32_t slot = hash_name(begin, size) & c.table_mask; c.table[slot] >= 0; slot = (slot + 1) & c.table_mask) {
      Column* candidate = c.fields[c.table[slot]];
      if (candidate->name_size == size && memcmp(candidate->name, begin, size) == 0) {
        *field = candidate;
        break;
      }
    }
  }
  const char* colon = skip_space(s, end);
  if (*colon != ':') return stop(s, colon >= s.end ? Flaw::truncated : Flaw::unexpected_character, colon, &c);
  if (*field == nullptr && c.refuse_unknown) {
    // Null is what a column would have without it.
    const char* value = skip_space(s, colon + 1);
    const int64_t size = s.end - value < 4 ? s.end - value : 4;
    if (size < 0 || memcmp(value, "null", static_cast<size_t>(size)) != 0) return stop(s, Flaw::unknown_field, p, &c);
    if (size < 4) return stop(s, Flaw::truncated, value, &c);
  }
  return colon + 1;
}

// After the last field: those that did not come are null.
__attribute__((noinline)) bool fill_missing(Column& c, int64_t row) {
  bool pass = true;
  for (int f = 0; f < c.needed_count; ++f) {
    if (c.fields[f]->length == row) pass &= append_null(*c.fields[f]);
  }
  return pass;
}

const char* record(Parse& s, Column& c, const char* p);

__attribute__((always_inline)) inline const char* value_of(Parse& s, Column& c, const char* p) {
  switch (c.kind) {
    case Kind::skip:
      return skip_value(s, p);
    case Kind::boolean:
      return boolean(s, c, p);
    case Kind::integer:
      return integer(s, c, p);
    case Kind::number:
      return number(s, c, p);
    case Kind::text:
      return text(s, c, p);
    case Kind::timestamp:
      return timestamp(s, c, p);
    case Kind::bytes:
    case Kind::other:
      return unusual(s, c, p);
    case Kind::record:
      return record(s, c, p);
    case Kind::list:
      return list(s, c, p);
    case Kind::map:
      return map(s, c, p);
  }
  return nullptr;
}

const char* value(Parse& s, Column& c, const char* p) { return value_of(s, c, p); }

// Values that wait until the record has passed its tests: most rows that are dropped never have them parsed.
struct Waiting {
  static constexpr int kMax = 24;
  Column* fields[kMax];
  const char* begins[kMax];
  const char* ends[kMax];
  int count = 0;
};
inline bool worth_waiting(const Column& field) {
  return !field.tested && field.kind != Kind::integer && field.kind != Kind::boolean;
}
__attribute__((noinline)) bool parse_waiting(Parse& s, Waiting& waiting, int64_t row) {
  for (int i = 0; i < waiting.count; ++i) {
    Column& field = *waiting.fields[i];
    const char* begin = waiting.begins[i];
    if (field.length != row) return stop(s, Flaw::duplicate_field, begin, &field) != nullptr;
    const char* end = value(s, field, begin);
    if (end == nullptr) return false;
    if (end != waiting.ends[i]) return stop(s, Flaw::unexpected_character, end, &field) != nullptr;
  }
  waiting.count = 0;
  return true;
}

const char* record(Parse& s, Column& c, const char* p) {
  if (*p != '{') return c.depth == 0 ? stop(s, Flaw::not_an_object, p, &c) : unusual(s, c, p);
  ++p;
  int64_t row = c.length;
  int32_t seen = 0;
  int32_t untested = c.tested_count;  // tested fields that are still to come
  Waiting waiting;
  if (c.may_stop && c.needed_count == 0) {
    p = skip_structure(s, p, 1);
    if (p == nullptr) return nullptr;
    ++c.length;
    return c.tests == nullptr || present_passes(c) ? p : drop(s, p, c.depth);
  }
  p = skip_space(s, p);
  Column* previous = nullptr;  // the last known field
  Column* guess = c.first;
  Column* field = nullptr;
  if (*p == '}') {
    ++p;
  } else {
    for (;;) {
      if (matches(guess, p)) [[likely]] {
        field = guess;
        p += field->key_size;
      } else if (guess != nullptr && matches(guess->next, p)) {  // one field is missing here
        field = guess->next;
        p += field->key_size;
      } else {
        p = look_up(s, c, p, &field);
        if (p == nullptr) return nullptr;
        if (field != nullptr) (previous != nullptr ? previous->next : c.first) = field;
      }
      if (*p <= ' ') p = skip_space(s, p);
      if (field == nullptr || field->kind == Kind::skip) {
        p = skip_value(s, p);
        if (p == nullptr) return nullptr;
      } else {
        if (field->length != row) return stop(s, Flaw::duplicate_field, p, field);
        if (untested > 0 && worth_waiting(*field) && waiting.count < Waiting::kMax) {
          int i = waiting.count++;
          waiting.fields[i] = field;
          waiting.begins[i] = p;
          p = waiting.ends[i] = skip_value(s, p);
        } else {
          p = value_of(s, *field, p);
          untested -= field->tested;
        }
        if (p == nullptr) return nullptr;
        if (++seen == c.needed_count && c.may_stop) {
          if (waiting.count > 0 && !parse_waiting(s, waiting, row)) return nullptr;
          p = skip_structure(s, p, 1);
          if (p == nullptr) return nullptr;
          break;
        }
      }
      if (*p <= ' ') p = skip_space(s, p);
      char separator = *p++;
      if (separator == '}') break;
      if (separator != ',') return stop(s, p > s.end ? Flaw::truncated : Flaw::unexpected_character, p - 1, &c);
      if (*p <= ' ') p = skip_space(s, p);
      if (field != nullptr) previous = field;
      guess = previous != nullptr ? previous->next : c.first;
    }
  }
  if (waiting.count > 0 && !parse_waiting(s, waiting, row)) return nullptr;
  if (seen != c.needed_count && !fill_missing(c, row)) return drop(s, p, c.depth);
  c.length = row + 1;
  return c.tests == nullptr || present_passes(c) ? p : drop(s, p, c.depth);
}

Stop rows(Parse& s) {
  auto parse = [](Parse& state, const char* p) -> const char* {
    Column& root = *state.root;
    if (root.length == root.capacity) grow_values(root, root.length + 1);
    return record(state, root, p);
  };
  auto undo = [](Parse& state) { cut_back(*state.root, state.root->length); };
  return s.by_line ? lines(s, parse, undo) : elements(s, parse, undo);
}
