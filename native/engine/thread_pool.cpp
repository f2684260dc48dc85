#include "thread_pool.h"

#include "log_guard.h"

namespace qrhead {

namespace {

// The CPU backend is a library of its own, one for each kind of processor, which ggml loads.
template <class Function> Function find(ggml_backend_reg_t cpu, const char * name) {
    return reinterpret_cast<Function>(api().ggml_backend_reg_get_proc_address(cpu, name));
}

using new_t    = ggml_threadpool * (*) (ggml_threadpool_params *);
using free_t   = void (*)(ggml_threadpool *);
using attach_t = void (*)(ggml_backend_t, ggml_threadpool *);

}  // namespace

ThreadPool::ThreadPool(int32_t n_threads) {
    const auto & llama = api();
    cpu_               = llama.ggml_backend_dev_backend_reg(llama.ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU));
    const auto make    = find<new_t>(cpu_, "ggml_threadpool_new");
    if (n_threads < 2 || make == nullptr || find<free_t>(cpu_, "ggml_threadpool_free") == nullptr) {
        return;
    }
    ggml_threadpool_params params;
    llama.ggml_threadpool_params_init(&params, n_threads);
    params.poll = 0;
    pool_       = make(&params);
}

ThreadPool::~ThreadPool() {
    if (pool_ != nullptr) {
        find<free_t>(cpu_, "ggml_threadpool_free")(pool_);
    }
}

void ThreadPool::attach(llama_context * context) const {
    if (pool_ != nullptr) {
        LogGuard log(api());  // llama.cpp logs that it was called
        api().llama_attach_threadpool(context, pool_, nullptr);
    }
}

void ThreadPool::attach(ggml_backend_t backend, ggml_backend_dev_t device) const {
    const auto attach = find<attach_t>(cpu_, "ggml_backend_cpu_set_threadpool");
    if (pool_ != nullptr && attach != nullptr && api().ggml_backend_dev_backend_reg(device) == cpu_) {
        attach(backend, pool_);
    }
}

}  // namespace qrhead
