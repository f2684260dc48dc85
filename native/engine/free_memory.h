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
// the pages around those stay.
//
// The free end of a heap goes back at 256 KiB. malloc_trim returns that of the first heap only, so that each thread of the pool
// would keep as much as the bound allows: twice the other one, where glibc sets it.
//
// Bounds that the process was started with stay as they are.
inline void return_memory_early() noexcept {
#if defined(__GLIBC__)
    const char * tunables = std::getenv("GLIBC_TUNABLES");
    const auto   is_given = [tunables](const char * variable, const char * tunable) {
        return std::getenv(variable) != nullptr || (tunables != nullptr && std::strstr(tunables, tunable) != nullptr);
    };
    if (!is_given("MALLOC_MMAP_THRESHOLD_", "glibc.malloc.mmap_threshold")) mallopt(M_MMAP_THRESHOLD, 1 << 20);
    if (!is_given("MALLOC_TRIM_THRESHOLD_", "glibc.malloc.trim_threshold")) mallopt(M_TRIM_THRESHOLD, 1 << 18);
#endif
}

}  // namespace qrhead
