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

// Computes sum over rows of softmax(QK^T) for a range of heads, as a small ggml graph on the device that holds q and k.
class SoftmaxGraph {
  public:
    explicit SoftmaxGraph(int32_t n_threads) : n_threads_(n_threads) {}

    // Sums over the first `n_rows` rows for the heads [head_begin, head_end), `[heads x n_kv]` row-major, into `out`
    // (resized). The range must share KV heads evenly: see `group_of`. Throws ENGINE_FAILED when the device refuses.
    void sum_over_rows(const AttentionInputs & inputs, int32_t head_begin, int32_t head_end, int64_t n_rows,
                       std::vector<float> & out);

    // The smallest range of heads around `head` that can be computed alone: those that share its KV head, or all heads
    // where the softmax depends on the head's index (ALiBi slopes, sinks).
    static void group_of(const AttentionInputs & inputs, int32_t head, int32_t & begin, int32_t & end);

  private:
    struct Device {
        ggml_backend_dev_t device = nullptr;
        BackendHandle      backend;
        AllocatorHandle    allocator;
    };

    Device & device_of(const ggml_tensor * tensor);
    void     add_chunk(Device & device, const AttentionInputs & inputs, int32_t head_begin, int32_t head_end,
                       int64_t row_begin, int64_t row_end, std::vector<float> & out);

    int32_t             n_threads_;
    std::vector<Device> devices_;
    std::vector<float>  chunk_;
};

}  // namespace qrhead
