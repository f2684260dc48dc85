#include "kv_cache.h"

#include "error.h"
#include "log_guard.h"

#include <algorithm>
#include <cstdlib>

namespace qrhead {

namespace {

bool on_abort(void * running) {
    const auto * cancellation = *static_cast<const Cancellation **>(running);
    return cancellation != nullptr && cancellation->requested();
}

}  // namespace

llama_context_params cache_params(const CacheOptions & options, const Cancellation ** running) {
    if (options.n_ctx < 1 || options.n_ubatch < 1 || options.n_threads < 1) {
        throw EngineError("INVALID_ARGUMENT", "Expected a context size, batch size and number of threads of at least 1");
    }
    auto params                = api().llama_context_default_params();
    params.n_ctx               = options.n_ctx;
    params.n_batch             = std::min(options.n_ubatch, options.n_ctx);
    params.n_ubatch            = params.n_batch;
    params.n_seq_max           = 1;
    params.n_outputs_max       = 1;
    params.n_threads           = options.n_threads;
    params.n_threads_batch     = options.n_threads;
    params.pooling_type        = LLAMA_POOLING_TYPE_NONE;
    params.flash_attn_type     = options.flash_attention ? LLAMA_FLASH_ATTN_TYPE_AUTO : LLAMA_FLASH_ATTN_TYPE_DISABLED;
    params.type_k              = kv_cache_type(options.type_k);
    params.type_v              = kv_cache_type(options.type_v);
    params.offload_kqv         = options.offload_kqv;
    params.op_offload          = options.offload_kqv;  // else a GPU would still get large products of layers that the CPU has
    params.swa_full            = true;  // going back behind a sliding window needs the whole cache
    params.abort_callback      = on_abort;
    params.abort_callback_data = running;
    return params;
}

ContextHandle open_context(const Model & model, const llama_context_params & params) {
    const auto &  llama = api();
    LogGuard      log(llama);
    ContextHandle handle(llama.llama_init_from_model(model.handle(), params));
    if (!handle) {
        const std::string reason = LogGuard::first_error();
        throw EngineError("CONTEXT_FAILED", "Could not make a context of " + std::to_string(params.n_ctx) + " tokens" +
                                                (reason.empty() ? std::string() : ": " + reason) +
                                                "; a smaller context or cache type may fit");
    }
    if (llama.llama_get_memory(handle.get()) == nullptr) {
        throw EngineError("MODEL_UNSUPPORTED", "The model (" + model.info().architecture +
                                                   ") keeps no KV cache, as encoders do not: use a decoder, such as a chat model");
    }
    return handle;
}

enum ggml_type kv_cache_type(const std::string & name) {
    constexpr enum ggml_type types[] = { GGML_TYPE_F32,  GGML_TYPE_F16,  GGML_TYPE_BF16, GGML_TYPE_Q8_0,
                                         GGML_TYPE_Q5_1, GGML_TYPE_Q5_0, GGML_TYPE_Q4_1, GGML_TYPE_Q4_0 };
    for (const auto type : types) {
        if (name == api().ggml_type_name(type)) {
            return type;
        }
    }
    throw EngineError("INVALID_ARGUMENT", "Expected f32, f16, bf16, q8_0, q5_1, q5_0, q4_1 or q4_0 for a cache type but received " + name);
}

size_t kv_cache_bytes(const ModelInfo & info, uint32_t n_ctx, enum ggml_type type_k, enum ggml_type type_v) {
    const auto length = [&](const char * name) {
        const auto    found = info.metadata.find(info.architecture + ".attention." + name);
        const int64_t given = found != info.metadata.end() ? std::strtol(found->second.c_str(), nullptr, 10) : 0;
        return given > 0 ? given : info.n_embd / std::max(1, info.n_head);
    };
    const auto row = [&](enum ggml_type type, int64_t n_values) {
        return static_cast<double>(n_values) * info.n_head_kv * static_cast<double>(api().ggml_type_size(type)) /
               static_cast<double>(api().ggml_blck_size(type));
    };
    const double bytes = (row(type_k, length("key_length")) + row(type_v, length("value_length"))) * info.n_layer * n_ctx;
    return bytes > 0.0 && bytes < 1e15 ? static_cast<size_t>(bytes) : 0;
}

}  // namespace qrhead
