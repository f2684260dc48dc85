#include "kv_cache.h"

#include "error.h"

#include <algorithm>
#include <cstdlib>

namespace qrhead {

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
