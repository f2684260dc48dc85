#pragma once

#include <cstdlib>
#include <cstring>

#if defined(__GLIBC__)
#    include <malloc.h>
#endif

namespace qrhead {

// Hands freed memory back to the system after a cache or a model went. glibc keeps it, in as many heaps as there are threads
// in the pool: a process that opens and closes corpora would grow for a long time before it levels off.
inline void return_freed_memory() noexcept {
#if defined(__GLIBC__)
    malloc_trim(0);
#endif
}

// Blocks of a mebibyte and more are mappings of their own, and go back to the system the moment they are freed. glibc raises
// that bound up to 32 MiB with every large block that is freed: caches then lie between small blocks in one of its heaps, and
// the pages around those stay. A bound that the process was started with stays as it is.
inline void map_large_blocks() noexcept {
#if defined(__GLIBC__)
    const char * tunables = std::getenv("GLIBC_TUNABLES");
    const bool   is_given = std::getenv("MALLOC_MMAP_THRESHOLD_") != nullptr ||
                          (tunables != nullptr && std::strstr(tunables, "glibc.malloc.mmap_threshold") != nullptr);
    if (!is_given) {
        constexpr int bound = 1 << 20;
        mallopt(M_MMAP_THRESHOLD, bound);
        // Naming a bound ends glibc's own rule for both; this is the other half of it.
        mallopt(M_TRIM_THRESHOLD, 2 * bound);
    }
#endif
}

}  // namespace qrhead
