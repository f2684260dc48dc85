#include "attention_capture.h"

#include "error.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

namespace qrhead {

namespace {

// How far a row of a softmax may be from 1 before it is called broken; half precision stays well inside.
constexpr double max_row_error = 0.02;

// The layer of a cache tensor, "cache_k_l12", or -1. Schedulers that copy it to another device keep the name inside theirs.
int32_t layer_of_key_cache(const char * name) noexcept {
    const char * cache = std::strstr(name, "cache_");
    const char * layer = cache != nullptr ? std::strstr(cache, "k_l") : nullptr;
    return layer != nullptr ? static_cast<int32_t>(std::strtol(layer + 3, nullptr, 10)) : -1;
}

int32_t layer_of_keys(const ggml_tensor * k) noexcept {
    while (k != nullptr) {
        const int32_t layer = layer_of_key_cache(k->name);
        if (layer >= 0) {
            return layer;
        }
        k = k->view_src != nullptr ? k->view_src : (k->op == GGML_OP_CPY || k->op == GGML_OP_CONT ? k->src[0] : nullptr);
    }
    return -1;
}

// The layer that llama.cpp wrote behind a tensor's name, as in "Qcur-12" and "CUDA0#Qcur_pos-12 (view)#0", or -1.
int32_t layer_in_name(const char * name) noexcept {
    for (const char * dash = std::strchr(name, '-'); dash != nullptr; dash = std::strchr(dash + 1, '-')) {
        char *     end   = nullptr;
        const long layer = std::strtol(dash + 1, &end, 10);
        if (end != dash + 1 && dash[1] != '-' && (*end == '\0' || *end == ' ' || *end == '#')) {
            return static_cast<int32_t>(layer);
        }
    }
    return -1;
}

// The layer that queries were made in: the first that is named on the way back from them. Only steps that q alone takes are
// followed (views, rotations, products with a fixed matrix), so that the way never leads into the layer before.
int32_t layer_of_queries(const ggml_tensor * q) noexcept {
    for (int step = 0; q != nullptr && step < 16; step++) {
        const int32_t layer = layer_in_name(q->name);
        if (layer >= 0) {
            return layer;
        }
        q = q->op == GGML_OP_MUL_MAT ? q->src[1] : (q->src[0] != nullptr ? q->src[0] : q->view_src);
    }
    return -1;
}

// The layer whose attention a node is. Layers that have no K of their own look at the cache of an earlier one.
int32_t layer_of_attention(const ggml_tensor * node) noexcept {
    const int32_t of_queries = layer_of_queries(node->src[0]);
    return of_queries >= 0 ? of_queries : layer_of_keys(node->src[1]);
}

}  // namespace

bool AttentionCapture::on_node(ggml_tensor * node, bool ask, void * capture) noexcept {
    auto & self = *static_cast<AttentionCapture *>(capture);
    if (self.stopped_) {
        // Later splits of the same graph: let each compute one node and end there.
        return ask;
    }
    try {
        if (ask) {
            return self.ask(node);
        }
        self.restore_graph();
        self.stopped_ = !self.observe(node);
    } catch (...) {
        self.error_   = std::current_exception();
        self.stopped_ = true;
    }
    return !self.stopped_;
}

AttentionCapture::NodeRole AttentionCapture::classify(const ggml_tensor * node) const noexcept {
    constexpr char prefix[] = "kq_soft_max-";
    switch (node->op) {
        case GGML_OP_FLASH_ATTN_EXT: return { NodeKind::flash_attention, layer_of_attention(node) };
        case GGML_OP_SET_ROWS:       return { NodeKind::key_write, layer_of_keys(node) };
        case GGML_OP_SOFT_MAX:
            if (std::strncmp(node->name, prefix, sizeof(prefix) - 1) == 0) {
                return { NodeKind::soft_max, static_cast<int32_t>(std::strtol(node->name + sizeof(prefix) - 1, nullptr, 10)) };
            }
            return {};
        default: return {};
    }
}

// Documents leave nothing in the deepest wanted layer but K: its Q is never looked at, and the pass ends before V is written. Of
// a query, attention ends with the softmax, which is computed from the node's inputs.
bool AttentionCapture::wants_to_skip(const ggml_tensor * node, const NodeRole & role) const noexcept {
    if (!early_stop_ || node->buffer == nullptr || !api().ggml_backend_buffer_is_host(node->buffer)) {
        return false;
    }
    if (is_armed()) {
        return role.kind == NodeKind::flash_attention && role.layer == selection_.deepest_layer();
    }
    return stops_at_keys_ && node->op == GGML_OP_MUL_MAT &&
           (node->src[0]->name == query_weights_ || node->src[0]->name == value_weights_);
}

void AttentionCapture::restore_graph() noexcept {
    for (const auto & [node, op] : skipped_) {
        node->op = op;
    }
    skipped_.clear();
}

bool AttentionCapture::ask(ggml_tensor * node) {
    if (removal_.wants(node)) {
        return true;
    }
    const NodeRole role = classify(node);
    if (wants_to_skip(node, role)) {
        skipped_.emplace_back(node, node->op);
        node->op = GGML_OP_NONE;
    }
    if (role.kind == NodeKind::key_write && role.layer <= selection_.deepest_layer()) {
        last_key_layer_ = std::max(last_key_layer_, role.layer);
    }
    switch (role.kind) {
        case NodeKind::flash_attention:
        case NodeKind::soft_max:  return is_armed() ? selection_.wants(role.layer) : early_stop_ && role.layer == stop_layer_;
        case NodeKind::key_write: return !is_armed() && early_stop_ && role.layer == selection_.deepest_layer();
        default:                  return false;
    }
}

bool AttentionCapture::observe(ggml_tensor * node) {
    if (removal_.wants(node)) {
        removal_.apply(node);
        return true;
    }
    const NodeRole role = classify(node);
    if (!is_armed()) {
        stop_layer_    = last_key_layer_;
        stops_at_keys_ = role.kind == NodeKind::key_write;
        return false;
    }
    if (seen_[static_cast<size_t>(role.layer)]) {
        throw EngineError("ATTENTION_INVALID", "Attention was seen twice in layer " + std::to_string(role.layer) +
                                                   ": turn flash attention off");
    }
    seen_[static_cast<size_t>(role.layer)] = true;
    if (role.kind == NodeKind::flash_attention) {
        read_flash_attention(node, role.layer);
    } else {
        read_soft_max(node, role.layer);
    }
    n_layers_seen_++;
    return !(early_stop_ && role.layer == selection_.deepest_layer());
}

void AttentionCapture::begin_pass(Pass pass) {
    pass_           = std::move(pass);
    removal_.begin_pass();
    n_layers_seen_  = 0;
    last_key_layer_ = -1;
    stopped_        = false;
    error_          = nullptr;
    seen_.assign(static_cast<size_t>(selection_.deepest_layer()) + 1, false);
    ranges_.clear();
    for (const auto & branch : pass_.branches) {
        ranges_.push_back(branch.rows);
    }
}

void AttentionCapture::rethrow_failure() {
    if (error_) {
        std::rethrow_exception(std::exchange(error_, nullptr));
    }
}

void AttentionCapture::finish_pass() {
    removal_.finish_pass();
    if (is_armed() && n_layers_seen_ != selection_.n_wanted_layers()) {
        throw EngineError("ATTENTION_INVALID",
                          "Attention was seen in " + std::to_string(n_layers_seen_) + " of the " +
                              std::to_string(selection_.n_wanted_layers()) +
                              " layers that the heads are in: the others have none to read (recurrent or linear layers)");
    }
}

void AttentionCapture::check_layer(const ggml_tensor * q_or_scores, int32_t layer) const {
    const int64_t n_head = q_or_scores->ne[2];
    const auto &  last   = selection_.layer(layer).back();
    if (last.head >= n_head) {
        throw EngineError("HEADS_MISMATCH", "Head " + std::to_string(layer) + "-" + std::to_string(last.head) +
                                                " does not exist: layer " + std::to_string(layer) + " has " +
                                                std::to_string(n_head) + " heads");
    }
    if (q_or_scores->ne[1] != static_cast<int64_t>(pass_.n_rows) || q_or_scores->ne[3] != 1) {
        throw EngineError("ENGINE_FAILED", "Expected " + std::to_string(pass_.n_rows) + " rows in layer " +
                                               std::to_string(layer) + " but llama.cpp computed " +
                                               std::to_string(q_or_scores->ne[1]) + " x " +
                                               std::to_string(q_or_scores->ne[3]));
    }
}

void AttentionCapture::read_flash_attention(ggml_tensor * node, int32_t layer) {
    const auto inputs = AttentionInputs::from_flash_attention(node);
    check_layer(inputs.q, layer);
    const int32_t key_layer = layer_of_keys(node->src[1]);
    if (key_layer > layer) {
        throw EngineError("ATTENTION_INVALID", "Attention of layer " + std::to_string(layer) + " uses the keys of layer " +
                                                   std::to_string(key_layer) + ": turn flash attention off");
    }
    softmax_.read(inputs);
    const auto    n_kv      = static_cast<size_t>(inputs.k->ne[1]);
    const auto &  entries   = selection_.layer(layer);
    const int32_t n_head    = static_cast<int32_t>(inputs.q->ne[2]);
    const bool    whole     = static_cast<int32_t>(entries.size()) == n_head;
    int32_t       begin     = 0;
    int32_t       end       = 0;  // of the group in sums_
    for (const auto & entry : entries) {
        if (entry.head >= end) {
            if (whole) {
                end = n_head;
            } else {
                SoftmaxGraph::group_of(inputs, entry.head, begin, end);
            }
            softmax_.sum_over_rows(begin, end, ranges_, sums_);
        }
        for (size_t b = 0; b < pass_.branches.size(); b++) {
            const size_t row = b * static_cast<size_t>(end - begin) + static_cast<size_t>(entry.head - begin);
            add(entry, layer, pass_.branches[b], sums_.data() + row * n_kv, n_kv, inputs.sinks != nullptr);
        }
    }
}

void AttentionCapture::read_soft_max(ggml_tensor * node, int32_t layer) {
    check_layer(node, layer);
    const auto   n_kv       = static_cast<size_t>(node->ne[0]);
    const size_t n_values   = n_kv * static_cast<size_t>(ranges_.back().end);
    const bool   has_sinks  = node->src[2] != nullptr;
    if (node->type != GGML_TYPE_F32 || node->nb[0] != sizeof(float) || node->nb[1] != n_kv * sizeof(float)) {
        throw EngineError("ATTENTION_INVALID", "Expected rows of f32 that follow each other in the softmax of layer " +
                                                   std::to_string(layer) + " but received " + api().ggml_type_name(node->type) +
                                                   " with a row every " + std::to_string(node->nb[1]) + " bytes");
    }
    slice_.resize(n_values);
    for (const auto & entry : selection_.layer(layer)) {
        api().ggml_backend_tensor_get(node, slice_.data(), static_cast<size_t>(entry.head) * node->nb[2],
                                      n_values * sizeof(float));
        for (const auto & branch : pass_.branches) {
            sums_.assign(n_kv, 0.0f);
            for (auto r = static_cast<size_t>(branch.rows.begin); r < static_cast<size_t>(branch.rows.end); r++) {
                for (size_t t = 0; t < n_kv; t++) {
                    sums_[t] += slice_[r * n_kv + t];
                }
            }
            add(entry, layer, branch, sums_.data(), n_kv, has_sinks);
        }
    }
}

void AttentionCapture::add(const HeadSelection::Entry & entry, int32_t layer, const BranchRows & branch, const float * sums,
                           size_t n_kv, bool has_sinks) const {
    // Cells are filled in order: the trunk's, then those of the branches as their rows stand in the batch.
    const size_t n_before = branch.n_before;
    const size_t own_end = branch.cell_begin + branch.n_cells;
    const auto   n_rows  = static_cast<double>(branch.rows.end - branch.rows.begin);
    const auto   sum     = [&](size_t begin, size_t end) {
        double total = 0.0;
        for (size_t t = begin; t < end; t++) {
            total += sums[t];
        }
        return total;
    };
    if (n_before > branch.cell_begin || own_end > n_kv) {
        throw EngineError("ENGINE_FAILED", "Expected at least " + std::to_string(own_end) + " cells in layer " +
                                               std::to_string(layer) + " but llama.cpp used " + std::to_string(n_kv));
    }
    const double inside  = sum(0, n_before) + sum(branch.cell_begin, own_end);
    const double beyond  = sum(n_before, branch.cell_begin) + sum(own_end, n_kv);
    const double missing = 1.0 - inside / n_rows;
    // Sinks take a share of every row, so that less than one is left for tokens.
    const bool valid = std::isfinite(inside) && beyond == 0.0 && missing > -max_row_error && inside > 0.0 &&
                       (has_sinks || missing < max_row_error);
    if (!valid) {
        throw EngineError("ATTENTION_INVALID", "The attention of head " + std::to_string(layer) + "-" +
                                                   std::to_string(entry.head) + " is not a probability: its rows sum to " +
                                                   std::to_string(inside / n_rows) + " over the prompt and " +
                                                   std::to_string(beyond / n_rows) + " beyond it");
    }
    const auto  head   = static_cast<size_t>(entry.row);
    const float weight = pass_.weights.empty() ? 1.0f : pass_.weights[head];
    for (Attention * sink : branch.sinks) {
        float * row = sink->row(sink->n_rows() == 1 ? 0 : head);
        for (size_t t = 0; t < n_before; t++) {
            row[t] += weight * sums[t];
        }
        for (size_t t = 0; t < branch.n_cells; t++) {
            row[n_before + t] += weight * sums[branch.cell_begin + t];
        }
    }
}

}  // namespace qrhead
