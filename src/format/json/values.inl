// Scalars into columns. Included after scan.inl.

constexpr uint64_t kZeros = 0x3030303030303030;
constexpr uint64_t kHighBits = 0x8080808080808080;
constexpr uint64_t kPowers[9] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
constexpr double kExactPowers[9] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};

// `x` is eight characters xor kZeros: how many of the first ones are digits.
inline int count_digits(uint64_t x) {
  uint64_t others = ((x + 0x7676767676767676) | x) & kHighBits;
  return others == 0 ? 8 : first_bit(others) / 8;
}
// The number in the first `n` (1…8) of them.
inline uint64_t digits_value(uint64_t x, int n) {
  x <<= 64 - 8 * n;
  x = x * 10 + (x >> 8);
  return ((x & 0x000000FF000000FF) * 0x000F424000000064 + ((x >> 16) & 0x000000FF000000FF) * 0x0000271000000001) >> 32;
}

inline const char* drop(Parse& s, const char* at, int32_t depth) {
  s.dropped = true;
  s.stopped_at = at;
  s.stopped_depth = depth;
  return nullptr;
}

inline bool holds(Op op, int order) {
  switch (op) {
    case Op::eq:
    case Op::in:
      return order == 0;
    case Op::ne:
      return order != 0;
    case Op::lt:
      return order < 0;
    case Op::le:
      return order <= 0;
    case Op::gt:
      return order > 0;
    case Op::ge:
      return order >= 0;
    case Op::is_null:
      return false;
    case Op::is_not_null:
      return true;
  }
  return false;
}
// `compare(op, literal)`: the value's order relative to the literal.
template <typename Compare>
inline bool passes(const Column& c, Compare compare) {
  for (const Test* test = c.tests; test != nullptr; test = test->next) {
    bool pass = test->literal_count == 0 && test->op == Op::is_not_null;
    for (int i = 0; i < test->literal_count && !pass; ++i) pass = holds(test->op, compare(test->op, test->literals[i]));
    if (!pass) return false;
  }
  return true;
}
inline bool null_passes(const Column& c) {
  for (const Test* test = c.tests; test != nullptr; test = test->next) {
    if (test->op != Op::is_null) return false;
  }
  return true;
}
inline bool present_passes(const Column& c) {
  return passes(c, [](Op, const Literal&) { return 1; });
}

inline int order_of(int64_t a, int64_t b) { return (a > b) - (a < b); }
// SQL's total order: NaN equals itself and is above everything (literals are never NaN).
inline int order_of(double a, double b) { return a != a ? 1 : (a > b) - (a < b); }

// For equality any order but 0 will do. Eight bytes can be read behind either text.
inline int order_of_text(Op op, const char* text, int64_t size, const Literal& b) {
  if (op == Op::eq || op == Op::ne || op == Op::in) {
    if (size != b.text_size) return 1;
    if (size <= 8) return size == 0 || (load8(text) ^ load8(b.text)) << (64 - 8 * size) == 0 ? 0 : 1;
  }
  int64_t common = size < b.text_size ? size : b.text_size;
  int order = memcmp(text, b.text, static_cast<size_t>(common));
  return order != 0 ? order : order_of(size, int64_t{b.text_size});
}

// Evaluates the tests on the value appended last.
bool last_passes(const Column& c) {
  int64_t i = c.length - 1;
  const char* value = c.values + i * c.width;
  switch (c.kind) {
    case Kind::boolean: {
      int64_t v = *value;
      return passes(c, [v](Op, const Literal& b) { return order_of(v, b.integer); });
    }
    case Kind::integer:
    case Kind::timestamp:
    case Kind::other: {  // of the other ones only 32 bit dates are compared
      int64_t v = 0;
      memcpy(&v, value, 8);
      int unused = 64 - 8 * c.width;
      if (c.width < 8) v = static_cast<int64_t>(static_cast<uint64_t>(v) << unused) >> unused;
      if (c.width > 8) return present_passes(c);
      if (c.min == 0 && c.kind == Kind::integer && c.width < 8) v &= (int64_t{1} << (8 * c.width)) - 1;
      return passes(c, [v](Op, const Literal& b) { return order_of(v, b.integer); });
    }
    case Kind::number: {
      double v;
      memcpy(&v, value, 8);
      return passes(c, [v](Op, const Literal& b) { return order_of(v, b.number); });
    }
    case Kind::text: {
      const char* text = c.values + c.offsets[i];
      int64_t size = c.offsets[i + 1] - c.offsets[i];
      return passes(c, [=](Op op, const Literal& b) { return order_of_text(op, text, size, b); });
    }
    default:
      return present_passes(c);
  }
}

// Appends a null; false when a test wants none.
bool append_null(Column& c) {
  int64_t i = c.length++;
  c.validity[i >> 3] &= static_cast<uint8_t>(~(1u << (i & 7)));
  ++c.nulls;
  bool pass = c.tests == nullptr || null_passes(c);
  switch (c.kind) {
    case Kind::text:
    case Kind::bytes:
    case Kind::list:
    case Kind::map:
      c.offsets[i + 1] = c.offsets[i];
      break;
    case Kind::record:
      for (int f = 0; f < c.needed_count; ++f) pass &= append_null(*c.fields[f]);
      break;
    default:
      memset(c.values + i * c.width, 0, c.width);
      break;
  }
  return pass;
}

// Takes back everything from row `length` on, whether or not that row was finished.
void cut_back(Column& c, int64_t length) {
  for (int64_t i = length; c.nulls > 0 && i < c.length; ++i) {
    uint8_t bit = static_cast<uint8_t>(1u << (i & 7));
    if ((c.validity[i >> 3] & bit) == 0) {
      c.validity[i >> 3] |= bit;
      --c.nulls;
    }
  }
  if (c.length > length) c.length = length;
  if (c.kind == Kind::record) {
    for (int f = 0; f < c.needed_count; ++f) {
      Column& field = *c.fields[f];
      if (field.nulls == 0 && field.kind < Kind::record) {
        if (field.length > length) field.length = length;
      } else {
        cut_back(field, length);
      }
    }
  } else if ((c.kind == Kind::list || c.kind == Kind::map) && c.offsets != nullptr) {
    for (int f = 0; f < c.field_count; ++f) cut_back(*c.fields[f], c.offsets[length]);
  }
}

const char* value(Parse& s, Column& c, const char* p);

// null, or a form the fast ways do not know: decided by the careful code.
__attribute__((noinline)) const char* unusual(Parse& s, Column& c, const char* p) {
  if (memcmp(p, "null", 4) == 0) {
    return append_null(c) ? p + 4 : drop(s, p + 4, c.depth);
  }
  const char* end = skip_value(s, p);
  if (end == nullptr) return nullptr;
  Flaw flaw = convert_scalar(c, p, end);
  if (flaw != Flaw::none) return stop(s, flaw, p, &c);
  return c.tests == nullptr || last_passes(c) ? end : drop(s, end, c.depth);
}

inline bool goes_on(char c) { return c == '.' || (c | 0x20) == 'e' || static_cast<unsigned char>(c - '0') < 10; }

inline const char* integer(Parse& s, Column& c, const char* p) {
  const char* begin = p;
  bool negative = *p == '-';
  p += negative;
  const char* digits = p;
  uint64_t chunk = load8(p) ^ kZeros;
  int n = count_digits(chunk);
  if (n == 0) return unusual(s, c, begin);
  uint64_t v = digits_value(chunk, n);
  p += n;
  if (n == 8) {
    chunk = load8(p) ^ kZeros;
    n = count_digits(chunk);
    if (n > 0) {
      v = v * kPowers[n] + digits_value(chunk, n);
      p += n;
    }
    if (n == 8) {
      chunk = load8(p) ^ kZeros;
      n = count_digits(chunk);
      if (n > 3) return unusual(s, c, begin);
      if (n > 0) v = v * kPowers[n] + digits_value(chunk, n);  // at most 19 digits: below 2^64
      p += n;
    }
  }
  uint64_t limit = negative ? -static_cast<uint64_t>(c.min) : static_cast<uint64_t>(c.max);
  if (goes_on(*p) || v > limit || (*digits == '0' && p - digits > 1)) return unusual(s, c, begin);
  uint64_t stored = negative ? -v : v;
  memcpy(c.values + c.length * c.width, &stored, 8);
  ++c.length;
  if (c.tests != nullptr) [[unlikely]] {
    int64_t number = static_cast<int64_t>(stored);
    if (!passes(c, [number](Op, const Literal& b) { return order_of(number, b.integer); })) return drop(s, p, c.depth);
  }
  return p;
}

inline const char* number(Parse& s, Column& c, const char* p) {
  const char* begin = p;
  bool negative = *p == '-';
  p += negative;
  const char* digits = p;
  uint64_t chunk = load8(p) ^ kZeros;
  int n = count_digits(chunk);
  if (n == 0 || n == 8) return unusual(s, c, begin);
  uint64_t v = digits_value(chunk, n);
  p += n;
  int fraction = 0;
  if (*p == '.') {
    chunk = load8(p + 1) ^ kZeros;
    fraction = count_digits(chunk);
    if (fraction == 0) return unusual(s, c, begin);
    v = v * kPowers[fraction] + digits_value(chunk, fraction);  // at most 15 digits: exact in a double
    p += 1 + fraction;
  }
  if (goes_on(*p) || (*digits == '0' && n > 1)) return unusual(s, c, begin);
  // Both operands are exact and division rounds once, so this is the double nearest to the decimal number.
  double magnitude = static_cast<double>(static_cast<int64_t>(v)) / kExactPowers[fraction];
  double stored = negative ? -magnitude : magnitude;
  memcpy(c.values + c.length * 8, &stored, 8);
  ++c.length;
  if (c.tests != nullptr) [[unlikely]] {
    if (!passes(c, [stored](Op, const Literal& b) { return order_of(stored, b.number); })) return drop(s, p, c.depth);
  }
  return p;
}

inline const char* boolean(Parse& s, Column& c, const char* p) {
  bool yes = load4(p) == load4("true");
  if (!yes && (load4(p) != load4("fals") || p[4] != 'e')) return unusual(s, c, p);
  c.values[c.length++] = static_cast<char>(yes);
  p += yes ? 4 : 5;
  if (c.tests != nullptr && !last_passes(c)) return drop(s, p, c.depth);
  return p;
}

inline const char* text_done(Parse& s, Column& c, const char* p, int64_t text_end) {
  c.offsets[++c.length] = static_cast<int32_t>(text_end);
  if (c.tests != nullptr && !last_passes(c)) return drop(s, p, c.depth);
  return p;
}

// Strings with escapes, strings longer than a block, and other values, which are kept as their JSON.
__attribute__((noinline)) const char* long_text(Parse& s, Column& c, const char* p) {
  int64_t used = c.offsets[c.length];
  if (*p != '"') {
    if (memcmp(p, "null", 4) == 0) return append_null(c) ? p + 4 : drop(s, p + 4, c.depth);
    const char* end = skip_value(s, p);
    if (end == nullptr) return nullptr;
    Flaw flaw = check_json(p, end);
    if (flaw != Flaw::none) return stop(s, flaw, p, &c);
    int64_t size = end - p;
    if (used + size > c.bytes_capacity) grow_text(c, size);
    memcpy(c.values + used, p, static_cast<size_t>(size));
    return text_done(s, c, end, used + size);
  }
  bool escaped = false;
  const char* begin = p + 1;
  const char* end = skip_string(s, begin, &escaped);
  if (end == nullptr) return nullptr;
  int64_t size = end - 1 - begin;
  if (used + size > c.bytes_capacity) grow_text(c, size);
  char* out = c.values + used;
  if (escaped) {
    Flaw flaw = unescape(begin, end - 1, &out);
    if (flaw != Flaw::none) return stop(s, flaw, p, &c);
  } else {
    memcpy(out, begin, static_cast<size_t>(size));
    out += size;
  }
  return text_done(s, c, end, out - c.values);
}

inline const char* text(Parse& s, Column& c, const char* p) {
  int64_t used = c.offsets[c.length];
  if (*p != '"' || used + 2 * kWidth > c.bytes_capacity) return long_text(s, c, p);
  const char* begin = p + 1;
  Block b = Block::load(begin);
  uint64_t stops = string_stops(b);
  b.store(c.values + used);
  if (stops == 0) {
    begin += kWidth;
    used += kWidth;
    b = Block::load(begin);
    stops = string_stops(b);
    b.store(c.values + used);
    if (stops == 0) return long_text(s, c, p);
  }
  int size = first_bit(stops);
  if (begin[size] != '"') return long_text(s, c, p);
  return text_done(s, c, begin + size + 1, used + size);
}

// "YYYY-MM-DD?hh:mm:ss[.f…][Z]" on the date of the value before it; all else the careful way, which also sets the date.
inline const char* timestamp(Parse& s, Column& c, const char* p) {
  const char* q = p + 1;
  uint64_t clock = load8(q + 11);
  uint64_t fields = (clock ^ kZeros) & 0xFFFF00FFFF00FFFF;
  bool usual = *p == '"' && load8(q) == load8(c.date) && load2(q + 8) == load2(c.date + 8) &&
               (q[10] == 'T' || q[10] == ' ') && (clock & 0x0000FF0000FF0000) == 0x00003A00003A0000 &&
               (((fields + 0x7676767676767676) | fields) & kHighBits) == 0;
  if (!usual) return unusual(s, c, p);
  fields = fields * 10 + (fields >> 8);
  int64_t hour = fields & 0xff, minute = (fields >> 24) & 0xff, second = (fields >> 48) & 0xff;
  if (hour > 23 || minute > 59 || second > 59) return unusual(s, c, p);
  q += 19;
  int64_t fraction = 0;
  if (*q == '.') {
    uint64_t chunk = load8(q + 1) ^ kZeros;
    int n = count_digits(chunk);
    if (n == 0 || n > 6) return unusual(s, c, p);
    int64_t unit = static_cast<int64_t>(kPowers[n]);
    int64_t scaled = static_cast<int64_t>(digits_value(chunk, n)) * c.units_per_second;
    if (scaled % unit != 0) return unusual(s, c, p);
    fraction = scaled / unit;
    q += 1 + n;
  }
  q += *q == 'Z';
  if (*q != '"') return unusual(s, c, p);
  int64_t stored = c.date_units + (hour * 3600 + minute * 60 + second) * c.units_per_second + fraction;
  memcpy(c.values + c.length * 8, &stored, 8);
  ++c.length;
  if (c.tests != nullptr && !last_passes(c)) return drop(s, q + 1, c.depth);
  return q + 1;
}
