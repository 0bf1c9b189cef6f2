// The row parser for processors with AVX2 (2013 on).
#include "format/json/parse.h"

#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>

#define SLUICE_JSON_AVX2
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt,pclmul"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2,lzcnt,popcnt,pclmul")
#endif
namespace sluice::json {
namespace {
// Each builds on those before it.
// clang-format off
#include "format/json/block.inl"
#include "format/json/scan.inl"
#include "format/json/rows.inl"
#include "format/json/values.inl"
#include "format/json/nested.inl"
// clang-format on
}  // namespace
}  // namespace sluice::json
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace sluice::json {
const Parser kAvx2Parser = {"avx2", rows, skip_value, skip_structure, cut_back};
}  // namespace sluice::json
#endif
