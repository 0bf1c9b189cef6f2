#include "base/heap.h"

#include <cstdlib>
#include <mutex>

#include <malloc.h>

namespace sluice {

void return_blocks_at_once(size_t bytes) {
#ifdef __GLIBC__
  static std::mutex mutex;
  static size_t least = ~size_t{0};
  std::lock_guard lock(mutex);
  if (bytes >= least || std::getenv("MALLOC_MMAP_THRESHOLD_") != nullptr) return;
  least = bytes;
  ::mallopt(M_MMAP_THRESHOLD, static_cast<int>(bytes));
#endif
}

void use_few_heaps() {
#ifdef __GLIBC__
  constexpr int kTrimBytes = 4 << 20;
  if (std::getenv("MALLOC_TRIM_THRESHOLD_") == nullptr) ::mallopt(M_TRIM_THRESHOLD, kTrimBytes);
  if (std::getenv("MALLOC_ARENA_MAX") == nullptr) ::mallopt(M_ARENA_MAX, 2);
#endif
}

}  // namespace sluice
