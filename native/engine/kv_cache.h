#pragma once

#include "cancellation.h"
#include "handles.h"
#include "head_selection.h"
#include "model.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace qrhead {

// What every context is made from, to read attention or to write.
struct CacheOptions {
    uint32_t    n_ctx           = 4096;
    uint32_t    n_ubatch        = 512;
    int32_t     n_threads       = 1;
    std::string type_k          = "f16";
    std::string type_v          = "f16";
    bool        flash_attention = true;
    bool        offload_kqv     = true;
    std::vector<Head> without_heads;  // taken out while the model computes
};

// llama.cpp's parameters for one sequence, which stops when `*running` is cancelled; null if nothing runs. Throws
// INVALID_ARGUMENT for sizes below 1 and for unknown types.
llama_context_params cache_params(const CacheOptions & options, const Cancellation ** running);

// Throws CONTEXT_FAILED with llama.cpp's own first error line, MODEL_UNSUPPORTED for a model without a cache.
ContextHandle open_context(const Model & model, const llama_context_params & params);

// Throws INVALID_ARGUMENT for a type that llama.cpp computes no attention with.
enum ggml_type kv_cache_type(const std::string & name);

// Bytes of the cache of all layers, from the GGUF's header, because llama.cpp does not tell. 0 if that is not a sensible number.
size_t kv_cache_bytes(const ModelInfo & info, uint32_t n_ctx, enum ggml_type type_k, enum ggml_type type_v);

}  // namespace qrhead
