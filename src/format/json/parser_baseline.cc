// The row parser for every machine of the architecture.
#include "format/json/parse.h"

#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
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

const Parser kBaselineParser = {"baseline", rows, skip_value, skip_structure, cut_back};

}  // namespace sluice::json
