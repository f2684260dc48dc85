#pragma once

#include "attention.h"
#include "head_removal.h"
#include "head_selection.h"
#include "softmax_graph.h"

#include <exception>
#include <string>
#include <utility>
#include <vector>

namespace qrhead {

// Rows of a forward pass that see the same cells: all of [0, n_before), and those of their own branch. Their attention is
// that of every sink: rows that several branches begin with are computed once.
struct BranchRows {
    std::vector<Attention *> sinks;
    RowRange                 rows;            // among those of the pass
    size_t                   n_before   = 0;  // the trunk and the branches' common beginning; columns are in the same order
    size_t                   cell_begin = 0;  // of the branch's own cells
    size_t                   n_cells    = 0;  // of its own, up to the end of these rows
};

// What a forward pass computes. If it has branches, their attention is read, in the order of their rows.
struct Pass {
    size_t                  n_rows = 0;  // in all: documents, branches, and padding behind them
    std::vector<BranchRows> branches;
    std::vector<float>      weights;  // of the heads, if a sink has one row for all; empty: all 1
};

// llama.cpp's evaluation callback. It asks for two kinds of nodes and no other, because every node asked for ends a batch
// of nodes that could have been computed together:
//   - armed: the attention node of each wanted layer, flash attention or, failing that, `kq_soft_max`;
//   - disarmed: the write of the deepest wanted layer's K into the cache, after which the forward pass may end; if that layer
//     uses the cache of an earlier one (Gemma 3n, Gemma 4 E), the attention of the last layer that has its own.
// If heads are taken out, it also asks for their outputs.
// On the CPU, what a pass through the deepest wanted layer computes and nobody looks at is left out: see `wants_to_skip`.
// A llama_decode call must not be larger than one ubatch, so that one pass through the graph is one call.
class AttentionCapture {
  public:
    AttentionCapture(HeadSelection selection, bool early_stop, SoftmaxGraph softmax, HeadRemoval removal = {})
        : selection_(std::move(selection)), early_stop_(early_stop), softmax_(std::move(softmax)), removal_(std::move(removal)),
          stop_layer_(selection_.deepest_layer()),
          query_weights_("blk." + std::to_string(selection_.deepest_layer()) + ".attn_q.weight"),
          value_weights_("blk." + std::to_string(selection_.deepest_layer()) + ".attn_v.weight") {}

    AttentionCapture(const AttentionCapture &)             = delete;  // llama.cpp holds its address
    AttentionCapture & operator=(const AttentionCapture &) = delete;

    // For ggml_backend_sched_eval_callback. Never throws: failures wait for finish_pass.
    static bool on_node(ggml_tensor * node, bool ask, void * capture) noexcept;

    // Before a llama_decode. Attention is added to the branches' sinks: a row per head in the selection's order, or all into
    // row 0 of a sink that has only one.
    void begin_pass(Pass pass);

    // After it, in this order: the graph as llama.cpp made it, which it may use again; what the callback could not throw; and,
    // if llama_decode succeeded, ATTENTION_INVALID when a wanted layer was not seen exactly once, because llama_decode returns 0
    // even when a graph was cut short.
    void restore_graph() noexcept;
    void rethrow_failure();
    void finish_pass();

    const HeadSelection & selection() const noexcept { return selection_; }
    bool                  stops_early() const noexcept { return early_stop_; }

  private:
    enum class NodeKind { other, flash_attention, soft_max, key_write };

    struct NodeRole {
        NodeKind kind  = NodeKind::other;
        int32_t  layer = -1;
    };

    NodeRole classify(const ggml_tensor * node) const noexcept;
    bool     ask(ggml_tensor * node);
    bool     wants_to_skip(const ggml_tensor * node, const NodeRole & role) const noexcept;
    bool     observe(ggml_tensor * node);
    void     read_flash_attention(ggml_tensor * node, int32_t layer);
    void     read_soft_max(ggml_tensor * node, int32_t layer);
    void     check_layer(const ggml_tensor * q_or_scores, int32_t layer) const;
    void     add(const HeadSelection::Entry & entry, int32_t layer, const BranchRows & branch, const float * sums, size_t n_kv,
                 bool has_sinks) const;
    bool     is_armed() const noexcept { return !pass_.branches.empty(); }

    HeadSelection         selection_;
    bool                  early_stop_;
    SoftmaxGraph          softmax_;
    HeadRemoval           removal_;
    // While disarmed: the layer to stop in. At first the deepest wanted one; once a pass has shown which layers write keys,
    // the last of those up to it, because all above look at what is written by then.
    int32_t               stop_layer_;
    int32_t               last_key_layer_ = -1;     // up to the deepest wanted one, in this pass
    bool                  stops_at_keys_  = false;  // whether a pass has ended where the deepest wanted layer's K is written
    std::string           query_weights_;           // names of that layer's tensors
    std::string           value_weights_;
    std::vector<RowRange> ranges_;                  // of the branches
    std::vector<float>    sums_;                    // of the current group of heads, reused
    std::vector<float>    slice_;                   // of kq_soft_max, reused

    std::vector<std::pair<ggml_tensor *, ggml_op>> skipped_;  // nodes of this pass that have no operation meanwhile

    Pass               pass_;
    int32_t            n_layers_seen_ = 0;
    std::vector<bool>  seen_;  // by layer, in this pass
    bool               stopped_ = false;
    std::exception_ptr error_;
};

}  // namespace qrhead
