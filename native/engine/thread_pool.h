#pragma once

#include "llama_api.h"

#include <cstdint>

namespace qrhead {

// The threads of one context: llama.cpp's graphs and ours share them, one graph at a time. Without a pool ggml starts and
// joins threads for every graph. Between graphs the threads sleep and do not poll.
class ThreadPool {
  public:
    // Starts `n_threads - 1` threads, as the thread that computes a graph works as well. None for 1, or where the CPU backend
    // offers no pools.
    explicit ThreadPool(int32_t n_threads);
    ~ThreadPool();

    ThreadPool(const ThreadPool &)             = delete;
    ThreadPool & operator=(const ThreadPool &) = delete;

    // The context and the backend must not outlive the pool. A backend of another device stays as it is.
    void attach(llama_context * context) const;
    void attach(ggml_backend_t backend, ggml_backend_dev_t device) const;

  private:
    ggml_backend_reg_t cpu_  = nullptr;
    ggml_threadpool *  pool_ = nullptr;
};

}  // namespace qrhead
