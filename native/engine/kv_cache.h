#pragma once

#include "model.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace qrhead {

// Throws INVALID_ARGUMENT for a type that llama.cpp computes no attention with.
enum ggml_type kv_cache_type(const std::string & name);

// What the cache of all layers takes, by what the GGUF says: llama.cpp does not tell. 0 where that is no sensible number.
size_t kv_cache_bytes(const ModelInfo & info, uint32_t n_ctx, enum ggml_type type_k, enum ggml_type type_v);

}  // namespace qrhead
