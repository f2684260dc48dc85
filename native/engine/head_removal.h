#pragma once

#include "head_selection.h"

#include <cstdint>
#include <exception>
#include <vector>

struct ggml_tensor;

namespace qrhead {

// Takes heads out of a model: their output is zeroed after the attention of their layer and before its output projection,
// in every pass and for every token, so that the rest of the model reads and writes without them.
//
// llama.cpp names that tensor `kqv_out-LAYER`, [head size × heads, tokens], with and without flash attention.
class HeadRemoval {
  public:
    HeadRemoval() = default;

    // Throws HEADS_MISMATCH as HeadSelection.
    HeadRemoval(const std::vector<Head> & heads, int32_t n_layer, int32_t n_head) : heads_(heads, n_layer, n_head) {}

    bool empty() const noexcept { return heads_.empty(); }

    // For ggml_backend_sched_eval_callback of a context that captures nothing. Never throws: finish_pass throws the failures.
    static bool on_node(ggml_tensor * node, bool ask, void * removal) noexcept;

    // Around a llama_decode. finish_pass throws what failed meanwhile, and MODEL_UNSUPPORTED where a layer's heads have no
    // output of their own, as in recurrent layers.
    void begin_pass() noexcept;
    void finish_pass();

    // Whether a node is the output of heads to take out, and taking them out of it once it is computed.
    bool wants(const ggml_tensor * node) const noexcept;
    void apply(ggml_tensor * node);

  private:
    HeadSelection        heads_;
    int32_t              n_layers_seen_ = 0;
    std::exception_ptr   error_;
    std::vector<uint8_t> bytes_;  // of a node, reused
};

}  // namespace qrhead
