#pragma once

#include "llama_api.h"
#include "log_guard.h"

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
using GgmlContextHandle = std::unique_ptr<ggml_context, Deleter<&LlamaApi::ggml_free>>;
using BackendHandle     = std::unique_ptr<ggml_backend, Deleter<&LlamaApi::ggml_backend_free>>;
using GgufHandle        = std::unique_ptr<gguf_context, Deleter<&LlamaApi::gguf_free>>;
using AllocatorHandle   = std::unique_ptr<ggml_gallocr, Deleter<&LlamaApi::ggml_gallocr_free>>;

}  // namespace qrhead
