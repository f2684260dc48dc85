#pragma once

#include "attention_inputs.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace qrhead {

// Computes sum over rows of softmax(QK^T) for a range of heads, as a small ggml graph on the device that holds q and k, or
// on the CPU from copies of them where that device lacks an operation (Vulkan has none for a quantised K of these strides).
class SoftmaxGraph {
  public:
    // `always_on_host` copies in any case, so that tests need no such device.
    SoftmaxGraph(int32_t n_threads, bool always_on_host) : n_threads_(n_threads), always_on_host_(always_on_host) {}

    // Takes up the inputs that the next sums are of. They must live until the last of those.
    void read(const AttentionInputs & inputs);

    // Sums over the first `n_rows` rows for the heads [head_begin, head_end), `[heads x n_kv]` row-major, into `out`
    // (resized). The range must share KV heads evenly: see `group_of`. Throws ENGINE_FAILED when no device can.
    void sum_over_rows(int32_t head_begin, int32_t head_end, int64_t n_rows, std::vector<float> & out);

    // The smallest range of heads around `head` that can be computed alone: those that share its KV head, or all heads
    // where the softmax depends on the head's index (ALiBi slopes, sinks).
    static void group_of(const AttentionInputs & inputs, int32_t head, int32_t & begin, int32_t & end);

  private:
    struct Device {
        ggml_backend_dev_t device = nullptr;
        BackendHandle      backend;
        AllocatorHandle    allocator;
    };

    Device &     open(ggml_backend_dev_t wanted);
    void         move_to_host();
    ggml_tensor * build(ggml_context * ctx, int32_t head_begin, int32_t head_end, int64_t row_begin, int64_t row_end) const;
    // False, with nothing computed, when the device lacks an operation.
    bool try_add_chunk(int32_t head_begin, int32_t head_end, int64_t row_begin, int64_t row_end, std::vector<float> & out);

    int32_t                   n_threads_;
    bool                      always_on_host_;
    std::vector<Device>       devices_;
    AttentionInputs           inputs_;
    std::optional<HostInputs> host_;              // what inputs_ points to, if that is not the device's memory
    ggml_backend_dev_t        device_ = nullptr;  // that computes from inputs_
    std::vector<float>        chunk_;
};

}  // namespace qrhead
