#pragma once

#include "handles.h"

#include <cstdint>
#include <vector>

namespace qrhead {

// What a flash-attention node computes with, read from the node itself, so that scale, soft-cap, ALiBi, sliding windows
// (in the mask) and sinks are those of the model.
struct AttentionInputs {
    ggml_tensor * q     = nullptr;  // [head_dim, n_rows, n_head], after RoPE
    ggml_tensor * k     = nullptr;  // [head_dim, n_kv, n_head_kv], a view of the cache
    ggml_tensor * mask  = nullptr;  // [n_kv, >= n_rows]
    ggml_tensor * sinks = nullptr;  // [n_head], or none
    float         scale         = 1.0f;
    float         max_alibi_bias = 0.0f;
    float         softcap       = 0.0f;

    static AttentionInputs from_flash_attention(ggml_tensor * node);
};

// The same inputs in memory of our own, byte for byte in the types and strides that they have on their device: what the
// CPU computes from them is what it computes from a cache of its own.
class HostInputs {
  public:
    explicit HostInputs(const AttentionInputs & inputs);

    const AttentionInputs & inputs() const noexcept { return inputs_; }

  private:
    ggml_tensor * copy(const ggml_tensor * tensor);

    GgmlArena                         context_;
    std::vector<std::vector<uint8_t>> bytes_;
    AttentionInputs                   inputs_;
};

}  // namespace qrhead
