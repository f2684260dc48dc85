#pragma once

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

}  // namespace qrhead
