// Who starts threads: every pthread_create of the process, llama.cpp's among them, comes through here.
#if defined(__linux__)

#include "check.h"

#include <atomic>
#include <chrono>
#include <ctime>
#include <dlfcn.h>
#include <pthread.h>
#include <thread>

namespace {

std::atomic<int> n_created{ 0 };

}  // namespace

extern "C" __attribute__((visibility("default"))) int pthread_create(pthread_t * thread, const pthread_attr_t * attributes,
                                                                      void * (*start)(void *), void * argument) noexcept {
    using create_t        = int (*)(pthread_t *, const pthread_attr_t *, void * (*) (void *), void *);
    static const auto next = reinterpret_cast<create_t>(dlsym(RTLD_NEXT, "pthread_create"));
    n_created++;
    return next(thread, attributes, start, argument);
}

using namespace qrhead;
using namespace qrhead::test;

namespace {

const Cancellation never;

double processor_seconds() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

TEST("a context starts its threads once, and they rest while there is nothing to do") {
    ContextOptions options;
    options.n_ctx       = 512;
    options.n_threads   = 3;
    options.n_sequences = 2;
    options.heads       = { { 1, 0 }, { 2, 3 } };
    const std::vector<llama_token> trunk(200, 1000);
    {
        const int before = n_created;
        std::thread([] {}).join();
        CHECK(n_created == before + 1);  // they are counted
    }
    const int before = n_created;
    Context   context(model("tiny-llama"), options);
    CHECK(n_created == before + 2);
    for (const bool per_head : { true, false }) {
        context.prefill(trunk, never, nullptr);
        context.observe({ { 1, 2, 3, 4 }, { 1, 2, 7 } }, { per_head, {} }, never);
        observe_heads(context, trunk, never);
        context.rollback(0);
    }
    CHECK(n_created == before + 2);

    const double used = processor_seconds();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    CHECK(processor_seconds() - used < 0.1);
}

#endif
