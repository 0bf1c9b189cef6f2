// One vector register of text. Included once per instruction set, inside an unnamed namespace: no standard library
// beyond <cstring>'s memcpy and memcmp (compiler builtins).

#if defined(SLUICE_JSON_AVX2)
struct Block {
  static constexpr int kWidth = 32;
  __m256i v;
  static Block load(const char* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
  void store(char* p) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
  static uint64_t mask(__m256i m) { return static_cast<uint32_t>(_mm256_movemask_epi8(m)); }
  uint64_t equal(char c) const { return mask(_mm256_cmpeq_epi8(v, _mm256_set1_epi8(c))); }
  uint64_t equal(Block other) const { return mask(_mm256_cmpeq_epi8(v, other.v)); }
  uint64_t at_most(char c) const { return mask(_mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(c)), v)); }
  Block with_bit5() const { return {_mm256_or_si256(v, _mm256_set1_epi8(0x20))}; }
};
#elif defined(__SSE2__)
struct Block {
  static constexpr int kWidth = 16;
  __m128i v;
  static Block load(const char* p) { return {_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))}; }
  void store(char* p) const { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v); }
  static uint64_t mask(__m128i m) { return static_cast<uint32_t>(_mm_movemask_epi8(m)); }
  uint64_t equal(char c) const { return mask(_mm_cmpeq_epi8(v, _mm_set1_epi8(c))); }
  uint64_t equal(Block other) const { return mask(_mm_cmpeq_epi8(v, other.v)); }
  uint64_t at_most(char c) const { return mask(_mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(c)), v)); }
  Block with_bit5() const { return {_mm_or_si128(v, _mm_set1_epi8(0x20))}; }
};
#else  // other processors: plain loops that compilers vectorise
struct Block {
  static constexpr int kWidth = 16;
  unsigned char v[16];
  static Block load(const char* p) {
    Block b;
    memcpy(b.v, p, 16);
    return b;
  }
  void store(char* p) const { memcpy(p, v, 16); }
  uint64_t equal(char c) const {
    uint64_t m = 0;
    for (int i = 0; i < 16; ++i) m |= uint64_t{v[i] == static_cast<unsigned char>(c)} << i;
    return m;
  }
  uint64_t equal(Block other) const {
    uint64_t m = 0;
    for (int i = 0; i < 16; ++i) m |= uint64_t{v[i] == other.v[i]} << i;
    return m;
  }
  uint64_t at_most(char c) const {
    uint64_t m = 0;
    for (int i = 0; i < 16; ++i) m |= uint64_t{v[i] <= static_cast<unsigned char>(c)} << i;
    return m;
  }
  Block with_bit5() const {
    Block b;
    for (int i = 0; i < 16; ++i) b.v[i] = v[i] | 0x20;
    return b;
  }
};
#endif

constexpr int kWidth = Block::kWidth;
static_assert(kWidth <= kPadding);

inline int first_bit(uint64_t mask) { return __builtin_ctzll(mask); }
inline uint64_t load8(const char* p) {
  uint64_t v;
  memcpy(&v, p, 8);
  return v;
}

inline uint32_t load4(const char* p) {
  uint32_t v;
  memcpy(&v, p, 4);
  return v;
}
inline uint16_t load2(const char* p) {
  uint16_t v;
  memcpy(&v, p, 2);
  return v;
}

// Everything that ends or interrupts the plain part of a string: quote, backslash, control character.
inline uint64_t string_stops(Block b) { return b.equal('"') | b.equal('\\') | b.at_most(0x1f); }
