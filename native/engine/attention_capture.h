#pragma once

#include "attention.h"
#include "head_selection.h"
#include "softmax_graph.h"

#include <exception>
#include <vector>

namespace qrhead {

// llama.cpp's evaluation callback. It asks for two kinds of nodes and no other, because every node asked for ends a batch
// of nodes that could have been computed together:
//   - armed: the attention node of each wanted layer, flash attention or, failing that, `kq_soft_max`;
//   - disarmed: the write of the deepest wanted layer's K into the cache, where the forward pass may end; where that layer
//     looks at the cache of an earlier one (Gemma 3n, Gemma 4 E), the attention of the last layer that has its own.
// A llama_decode call must not be larger than one ubatch, so that one pass through the graph is one call.
class AttentionCapture {
  public:
    // `read_on_host`: see SoftmaxGraph.
    AttentionCapture(HeadSelection selection, bool early_stop, int32_t n_threads, bool read_on_host)
        : selection_(std::move(selection)), early_stop_(early_stop), softmax_(n_threads, read_on_host),
          stop_layer_(selection_.deepest_layer()) {}

    AttentionCapture(const AttentionCapture &)             = delete;  // llama.cpp holds its address
    AttentionCapture & operator=(const AttentionCapture &) = delete;

    // For ggml_backend_sched_eval_callback. Never throws: failures wait for finish_ubatch.
    static bool on_node(ggml_tensor * node, bool ask, void * capture) noexcept;

    // Factors of the heads, in the selection's order, where they are added up into one row; none are all 1.
    void set_weights(std::vector<float> weights) { weights_ = std::move(weights); }

    // Before a llama_decode of `n_rows` tokens, the first at position `begin`, and of `n_padding` more behind them that
    // nobody looks at. With `sink`, attention is added to it: one row per head in the selection's order, or all into row 0
    // when it has only one.
    void begin_ubatch(Attention * sink, size_t begin, size_t n_rows, size_t n_padding);

    // After it, in this order: what the callback could not throw; and, if llama_decode succeeded, ATTENTION_INVALID when a
    // wanted layer was not seen exactly once, because llama_decode returns 0 even when a graph was cut short.
    void rethrow_failure();
    void finish_ubatch();

    const HeadSelection & selection() const noexcept { return selection_; }
    bool                  stops_early() const noexcept { return early_stop_; }

  private:
    enum class NodeKind { other, flash_attention, soft_max, key_write };

    struct NodeRole {
        NodeKind kind  = NodeKind::other;
        int32_t  layer = -1;
    };

    NodeRole classify(const ggml_tensor * node) const noexcept;
    bool     ask(const ggml_tensor * node) noexcept;
    bool     observe(ggml_tensor * node);
    void     read_flash_attention(ggml_tensor * node, int32_t layer);
    void     read_soft_max(ggml_tensor * node, int32_t layer);
    void     check_layer(const ggml_tensor * q_or_scores, int32_t layer) const;
    void     add(const HeadSelection::Entry & entry, int32_t layer, const float * sums, size_t n_kv, bool has_sinks);

    HeadSelection      selection_;
    bool               early_stop_;
    SoftmaxGraph       softmax_;
    // While disarmed: the layer to stop in. At first the deepest wanted one; once a pass has shown which layers write keys,
    // the last of those up to it, because all above look at what is written by then.
    int32_t            stop_layer_;
    int32_t            last_key_layer_ = -1;  // up to the deepest wanted one, in this ubatch
    std::vector<float> weights_;
    std::vector<float> sums_;   // of the current group of heads, reused
    std::vector<float> slice_;  // of kq_soft_max, reused

    Attention *        sink_          = nullptr;
    size_t             begin_         = 0;
    size_t             n_rows_        = 0;
    size_t             n_padding_     = 0;
    int32_t            n_layers_seen_ = 0;
    std::vector<bool>  seen_;  // by layer, in this ubatch
    bool               stopped_       = false;
    std::exception_ptr error_;
};

}  // namespace qrhead
