// Skipping what nobody wants. Included after block.inl.

// Bit i of the result is the xor of bits 0…i: ones from each opening quote up to its closing one.
inline uint64_t prefix_xor(uint64_t m) {
#if defined(SLUICE_JSON_AVX2)
  __m128i all = _mm_set1_epi8(-1);
  return static_cast<uint64_t>(
      _mm_cvtsi128_si64(_mm_clmulepi64_si128(_mm_set_epi64x(0, static_cast<int64_t>(m)), all, 0)));
#else
  for (int shift = 1; shift < 64; shift *= 2) m ^= m << shift;
  return m;
#endif
}

inline const char* stop(Parse& s, Flaw flaw, const char* at, const Column* column = nullptr) {
  s.flaw = flaw;
  s.stopped_at = at;
  s.stopped_in = column;
  return nullptr;
}

inline bool is_space(const Parse& s, char c) { return c == ' ' || c == '\t' || c == '\r' || (c == '\n' && !s.by_line); }
inline const char* skip_space(const Parse& s, const char* p) {
  while (is_space(s, *p)) ++p;
  return p;
}

// Past the closing quote of a string whose content begins at `p`; `escaped` tells whether it holds a backslash.
const char* skip_string(Parse& s, const char* p, bool* escaped) {
  for (;;) {
    uint64_t stops = string_stops(Block::load(p));
    if (stops == 0) {
      p += kWidth;
      if (p >= s.end) return stop(s, Flaw::truncated, s.end);
      continue;
    }
    p += first_bit(stops);
    if (*p == '"') return p + 1;
    if (*p != '\\') return stop(s, p >= s.end ? Flaw::truncated : Flaw::control_character, p);
    *escaped = true;
    p += 2;
    if (p >= s.end) return stop(s, Flaw::truncated, s.end);
  }
}

// Where 64 bytes have what matters to structure. A bracket and a brace differ in bit 5 only.
struct Structure {
  uint64_t quotes = 0, backslashes = 0, opens = 0, closes = 0, feeds = 0;
};
inline Structure structure_of(const char* p) {
  Structure all;
  for (int at = 0; at < 64; at += kWidth) {
    Block b = Block::load(p + at);
    Block folded = b.with_bit5();
    all.quotes |= b.equal('"') << at;
    all.backslashes |= b.equal('\\') << at;
    all.opens |= folded.equal('{') << at;
    all.closes |= folded.equal('}') << at;
    all.feeds |= b.equal('\n') << at;
  }
  return all;
}

// The byte-wise way, for blocks with backslashes in them. Null when the structure neither ends nor breaks in it.
struct Skipping {
  int32_t depth;
  bool in_string;
  bool escaped;  // the next byte belongs to an escape
};
__attribute__((noinline)) const char* skip_bytes(Parse& s, const char* p, int n, Skipping& state) {
  for (const char* end = p + n; p < end; ++p) {
    char c = *p;
    if (state.in_string) {
      if (state.escaped) {
        state.escaped = false;
      } else if (c == '\\') {
        state.escaped = true;
      } else if (c == '"') {
        state.in_string = false;
      }
    } else if (c == '"') {
      state.in_string = true;
    } else if (c == '{' || c == '[') {
      ++state.depth;
    } else if (c == '}' || c == ']') {
      if (--state.depth == 0) return p + 1;
    }
    if (c == '\n' && s.by_line) return p;
  }
  return nullptr;
}

const char* skip_structure(Parse& s, const char* p, int32_t depth) {
  Skipping state{depth, false, false};
  for (; p < s.end; p += 64) {
    Structure b = structure_of(p);
    if (b.backslashes != 0 || state.escaped) [[unlikely]] {
      const char* after = skip_bytes(s, p, 64, state);
      if (after == nullptr) continue;
      if (state.depth != 0) return stop(s, Flaw::truncated, after);
      if (after > s.end) break;
      return after;
    }
    uint64_t inside = prefix_xor(b.quotes) ^ (state.in_string ? ~uint64_t{0} : 0);
    uint64_t opens = b.opens & ~inside;
    uint64_t closes = b.closes & ~inside;
    uint64_t feeds = s.by_line ? b.feeds : 0;
    while (closes != 0) {
      uint64_t close = closes & -closes;
      state.depth += __builtin_popcountll(opens & (close - 1)) - 1;
      opens &= ~(close - 1);
      if (state.depth == 0) {
        if ((feeds & (close - 1)) != 0) break;
        const char* after = p + first_bit(close) + 1;
        if (after > s.end) return stop(s, Flaw::truncated, s.end);
        return after;
      }
      closes &= closes - 1;
    }
    if (feeds != 0) return stop(s, Flaw::truncated, p + first_bit(feeds));
    state.depth += __builtin_popcountll(opens);
    state.in_string = (inside >> 63) != 0;
  }
  return stop(s, Flaw::truncated, s.end);
}

[[maybe_unused]] const char* skip_value(Parse& s, const char* p) {
  if (*p == '"') {
    bool escaped = false;
    return skip_string(s, p + 1, &escaped);
  }
  if (*p == '{' || *p == '[') return skip_structure(s, p + 1, 1);
  const char* begin = p;
  for (;;) {
    Block b = Block::load(p);
    uint64_t stops = b.at_most(' ') | b.equal(',') | b.with_bit5().equal('}');
    if (stops != 0) {
      p += first_bit(stops);
      break;
    }
    p += kWidth;
    if (p > s.end) return stop(s, Flaw::truncated, s.end);  // at s.end itself the padding stops it
  }
  if (p == begin) return stop(s, p >= s.end ? Flaw::truncated : Flaw::unexpected_character, p);
  return p;
}
