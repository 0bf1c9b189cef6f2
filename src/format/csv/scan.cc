#include "format/csv/scan.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sluice::csv {
namespace {

struct Needles {
  char delimiter;
  char quote;
  char escape;
  bool doubled;  // the escape is the quote: no other escape to look for
};

// One bit per byte of a block of 64.
struct Masks {
  uint64_t delimiter;
  uint64_t line_feed;
  uint64_t quote;
  uint64_t escape;
  uint64_t high;

  void keep(uint64_t valid) {
    delimiter &= valid;
    line_feed &= valid;
    quote &= valid;
    escape &= valid;
    high &= valid;
  }
};

#if defined(__x86_64__)

namespace sse2 {  // every x86-64 has it
#define SLUICE_TARGET
inline uint64_t equal(const __m128i* parts, char needle) {
  __m128i wanted = _mm_set1_epi8(needle);
  uint64_t bits = 0;
  for (int i = 0; i < 4; ++i) {
    auto part = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(parts[i], wanted)));
    bits |= static_cast<uint64_t>(part) << (16 * i);
  }
  return bits;
}
inline Masks load_masks(const Needles& needles, const char* data) {
  __m128i parts[4];
  uint64_t high = 0;
  for (int i = 0; i < 4; ++i) {
    parts[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(data + 16 * i));
    high |= static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(parts[i]))) << (16 * i);
  }
  return {equal(parts, needles.delimiter), equal(parts, '\n'), equal(parts, needles.quote),
          needles.doubled ? 0 : equal(parts, needles.escape), high};
}
#include "format/csv/scan_kernel.inc"
#undef SLUICE_TARGET
}  // namespace sse2

namespace avx2 {
#define SLUICE_TARGET __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt")))
SLUICE_TARGET inline uint64_t join(__m256i low, __m256i high) {
  return static_cast<uint32_t>(_mm256_movemask_epi8(low)) |
         static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(high))) << 32;
}
SLUICE_TARGET inline Masks load_masks(const Needles& needles, const char* data) {
  __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data));
  __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data + 32));
  __m256i delimiter = _mm256_set1_epi8(needles.delimiter);
  __m256i line_feed = _mm256_set1_epi8('\n');
  __m256i quote = _mm256_set1_epi8(needles.quote);
  __m256i escape = _mm256_set1_epi8(needles.escape);
  return {join(_mm256_cmpeq_epi8(low, delimiter), _mm256_cmpeq_epi8(high, delimiter)),
          join(_mm256_cmpeq_epi8(low, line_feed), _mm256_cmpeq_epi8(high, line_feed)),
          join(_mm256_cmpeq_epi8(low, quote), _mm256_cmpeq_epi8(high, quote)),
          needles.doubled ? 0 : join(_mm256_cmpeq_epi8(low, escape), _mm256_cmpeq_epi8(high, escape)), join(low, high)};
}
#include "format/csv/scan_kernel.inc"
#undef SLUICE_TARGET
}  // namespace avx2

bool has_avx2() {
  static const bool has = [] {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("popcnt");
  }();
  return has;
}

#else

namespace portable {
#define SLUICE_TARGET
inline Masks load_masks(const Needles& needles, const char* data) {
  Masks masks{};
  for (int i = 0; i < 64; ++i) {
    uint64_t bit = 1ULL << i;
    if (data[i] == needles.delimiter) masks.delimiter |= bit;
    if (data[i] == '\n') masks.line_feed |= bit;
    if (data[i] == needles.quote) masks.quote |= bit;
    if (!needles.doubled && data[i] == needles.escape) masks.escape |= bit;
    if ((data[i] & 0x80) != 0) masks.high |= bit;
  }
  return masks;
}
#include "format/csv/scan_kernel.inc"
#undef SLUICE_TARGET
}  // namespace portable

#endif

Needles needles_of(const Dialect& dialect) {
  return {dialect.delimiter, dialect.quote, dialect.escape, dialect.doubles_quotes()};
}

}  // namespace

Scan scan_fields(const Dialect& dialect, const char* data, uint32_t bytes, ScanState* state, uint32_t* ends,
                 uint32_t* record_ends) {
  Needles needles = needles_of(dialect);
  bool quotes = dialect.has_quote();
#if defined(__x86_64__)
  if (has_avx2()) {
    return quotes ? avx2::fields_loop<true>(needles, data, bytes, state, ends, record_ends)
                  : avx2::fields_loop<false>(needles, data, bytes, state, ends, record_ends);
  }
  return quotes ? sse2::fields_loop<true>(needles, data, bytes, state, ends, record_ends)
                : sse2::fields_loop<false>(needles, data, bytes, state, ends, record_ends);
#else
  return quotes ? portable::fields_loop<true>(needles, data, bytes, state, ends, record_ends)
                : portable::fields_loop<false>(needles, data, bytes, state, ends, record_ends);
#endif
}

uint32_t scan_quotes(const Dialect& dialect, const char* data, uint32_t bytes, ScanState* state) {
  Needles needles = needles_of(dialect);
#if defined(__x86_64__)
  if (has_avx2()) return avx2::quotes_loop(needles, data, bytes, state);
  return sse2::quotes_loop(needles, data, bytes, state);
#else
  return portable::quotes_loop(needles, data, bytes, state);
#endif
}

}  // namespace sluice::csv
