#include "format/json/parse.h"

namespace sluice::json {

bool can_run(const Parser& parser) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (&parser == &kAvx2Parser) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("pclmul");
  }
#endif
  return &parser == &kBaselineParser;
}

const Parser& best_parser() {
#if defined(__x86_64__)
  if (can_run(kAvx2Parser)) return kAvx2Parser;
#endif
  return kBaselineParser;
}

}  // namespace sluice::json
