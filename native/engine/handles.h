#pragma once

#include "llama_api.h"
#include "log_guard.h"

#include <cstddef>
#include <memory>

namespace qrhead {

template <auto Member> struct Deleter {
    template <class T> void operator()(T * pointer) const noexcept {
        LogGuard log(api());  // llama.cpp reports its buffer sizes when a context goes
        (api().*Member)(pointer);
    }
};

using ModelHandle       = std::unique_ptr<llama_model, Deleter<&LlamaApi::llama_model_free>>;
using ContextHandle     = std::unique_ptr<llama_context, Deleter<&LlamaApi::llama_free>>;
using SamplerHandle     = std::unique_ptr<llama_sampler, Deleter<&LlamaApi::llama_sampler_free>>;
using GgmlContextHandle = std::unique_ptr<ggml_context, Deleter<&LlamaApi::ggml_free>>;
using BackendHandle     = std::unique_ptr<ggml_backend, Deleter<&LlamaApi::ggml_backend_free>>;
using GgufHandle        = std::unique_ptr<gguf_context, Deleter<&LlamaApi::gguf_free>>;
using AllocatorHandle   = std::unique_ptr<ggml_gallocr, Deleter<&LlamaApi::ggml_gallocr_free>>;

// A ggml context for the descriptions of tensors and graphs. Without memory of our own ggml_init asserts that it gets some,
// which ends the process; this throws bad_alloc.
class GgmlArena {
  public:
    explicit GgmlArena(size_t n_bytes)
        : memory_(new std::max_align_t[n_bytes / sizeof(std::max_align_t) + 1]),
          context_(api().ggml_init({ n_bytes, memory_.get(), true })) {}

    ggml_context * get() const noexcept { return context_.get(); }

  private:
    std::unique_ptr<std::max_align_t[]> memory_;
    GgmlContextHandle                   context_;  // after what it points to
};

}  // namespace qrhead
