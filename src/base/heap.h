// What malloc does with large blocks that were freed. For whole processes: what the user has set in the environment
// (MALLOC_MMAP_THRESHOLD_, MALLOC_TRIM_THRESHOLD_, MALLOC_ARENA_MAX of glibc) stands.
#pragma once

#include <cstddef>

namespace sluice {

// glibc learns from the first large block that is freed to keep such blocks on its heaps, one per thread, where they
// leave holes. From now on those of `bytes` and more go back to the system at once; the least that anybody asked for.
void return_blocks_at_once(size_t bytes);

// Two heaps for all threads, which give back what is free at their end.
void use_few_heaps();

}  // namespace sluice
