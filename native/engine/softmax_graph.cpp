#include "softmax_graph.h"

#include "error.h"

#include <algorithm>
#include <string>

namespace qrhead {

namespace {

// Scores of this many bytes at most are held at a time; longer queries are taken in chunks of rows.
constexpr int64_t max_chunk_bytes = 16 << 20;
constexpr size_t  max_graph_nodes = 128;

// A leaf over memory that llama.cpp's graph owns. Without the cut, our graph would pull in the whole model's.
ggml_tensor * leaf(ggml_tensor * view) {
    for (auto & source : view->src) {
        source = nullptr;
    }
    view->op = GGML_OP_NONE;
    return view;
}

ggml_tensor * rows_of(ggml_context * ctx, ggml_tensor * tensor, int64_t begin, int64_t count) {
    return api().ggml_view_3d(ctx, tensor, tensor->ne[0], count, tensor->ne[2], tensor->nb[1], tensor->nb[2],
                              static_cast<size_t>(begin) * tensor->nb[1]);
}

// The device whose memory holds a tensor. Pinned host memory belongs to a GPU's buffer type although the CPU computes on it.
ggml_backend_dev_t device_of(const ggml_tensor * tensor) {
    const auto &          llama  = api();
    ggml_backend_buffer_t buffer = tensor->view_src != nullptr ? tensor->view_src->buffer : tensor->buffer;
    return llama.ggml_backend_buffer_is_host(buffer) ? llama.ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU)
                                                     : llama.ggml_backend_buft_get_device(llama.ggml_backend_buffer_get_type(buffer));
}

// A backend that is given an operation which it lacks ends the process.
bool supports(ggml_backend_t backend, ggml_cgraph * graph) {
    const auto & llama = api();
    for (int i = 0; i < llama.ggml_graph_n_nodes(graph); i++) {
        const ggml_tensor * node = llama.ggml_graph_node(graph, i);
        if (node->op != GGML_OP_VIEW && !llama.ggml_backend_supports_op(backend, node)) {
            return false;
        }
    }
    return true;
}

// Sum over dimension 1 by halving: log2(rows) strided additions, which every backend has, and no transposed copy.
ggml_tensor * fold_rows(ggml_context * ctx, ggml_tensor * scores) {
    const auto &  llama    = api();
    ggml_tensor * leftover = nullptr;
    while (scores->ne[1] > 1) {
        const int64_t half = scores->ne[1] / 2;
        if (scores->ne[1] % 2 != 0) {
            ggml_tensor * last = rows_of(ctx, scores, 2 * half, 1);
            leftover           = leftover != nullptr ? llama.ggml_add(ctx, leftover, last) : last;
        }
        scores = llama.ggml_add(ctx, rows_of(ctx, scores, 0, half), rows_of(ctx, scores, half, half));
    }
    return leftover != nullptr ? llama.ggml_add(ctx, scores, leftover) : scores;
}

}  // namespace

void SoftmaxGraph::group_of(const AttentionInputs & inputs, int32_t head, int32_t & begin, int32_t & end) {
    const auto n_head = static_cast<int32_t>(inputs.q->ne[2]);
    if (inputs.sinks != nullptr || inputs.max_alibi_bias > 0.0f) {
        begin = 0;
        end   = n_head;
        return;
    }
    const int32_t per_kv_head = n_head / static_cast<int32_t>(inputs.k->ne[2]);
    begin = head / per_kv_head * per_kv_head;
    end   = begin + per_kv_head;
}

void SoftmaxGraph::read(const AttentionInputs & inputs) {
    host_.reset();
    inputs_ = inputs;
    device_ = device_of(inputs.q);
    if (always_on_host_) {
        move_to_host();
    }
}

void SoftmaxGraph::move_to_host() {
    host_.emplace(inputs_);
    inputs_ = host_->inputs();
    device_ = api().ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
}

void SoftmaxGraph::sum_over_rows(int32_t head_begin, int32_t head_end, int64_t n_rows, std::vector<float> & out) {
    const int64_t n_kv   = inputs_.k->ne[1];
    const int64_t n_head = head_end - head_begin;
    const int64_t chunk  = std::clamp<int64_t>(max_chunk_bytes / (n_kv * n_head * 4), 1, n_rows);
    out.assign(static_cast<size_t>(n_kv * n_head), 0.0f);
    for (int64_t row = 0; row < n_rows; row += chunk) {
        const int64_t end = std::min(row + chunk, n_rows);
        if (try_add_chunk(head_begin, head_end, row, end, out)) {
            continue;
        }
        const std::string type = api().ggml_type_name(inputs_.k->type);
        if (!host_) {
            move_to_host();
        }
        if (!try_add_chunk(head_begin, head_end, row, end, out)) {
            throw EngineError("ENGINE_FAILED", "Attention cannot be computed from a K cache of type " + type + ": use f16");
        }
    }
}

SoftmaxGraph::Device & SoftmaxGraph::open(ggml_backend_dev_t wanted) {
    const auto & llama = api();
    for (auto & device : devices_) {
        if (device.device == wanted) {
            return device;
        }
    }
    Device device;
    device.device = wanted;
    device.backend.reset(llama.ggml_backend_dev_init(wanted, nullptr));
    if (!device.backend) {
        throw EngineError("ENGINE_FAILED", std::string("Could not open ") + llama.ggml_backend_dev_name(wanted) +
                                               " for reading attention");
    }
    using set_n_threads_t = void (*)(ggml_backend_t, int);
    auto * set_n_threads  = reinterpret_cast<set_n_threads_t>(llama.ggml_backend_reg_get_proc_address(
        llama.ggml_backend_dev_backend_reg(wanted), "ggml_backend_set_n_threads"));
    if (set_n_threads != nullptr) {
        set_n_threads(device.backend.get(), n_threads_);
    }
    device.allocator.reset(llama.ggml_gallocr_new(llama.ggml_backend_get_default_buffer_type(device.backend.get())));
    devices_.push_back(std::move(device));
    return devices_.back();
}

ggml_tensor * SoftmaxGraph::build(ggml_context * ctx, int32_t head_begin, int32_t head_end, int64_t row_begin,
                                  int64_t row_end) const {
    const auto &  llama      = api();
    const auto &  inputs     = inputs_;
    const int64_t n_rows     = row_end - row_begin;
    const int64_t n_head     = head_end - head_begin;
    const int64_t per_kv     = inputs.q->ne[2] / inputs.k->ne[2];
    const int64_t kv_begin   = head_begin / per_kv;
    const int64_t n_head_kv  = n_head / per_kv;
    const size_t  row_offset = static_cast<size_t>(row_begin);

    ggml_tensor * q = leaf(llama.ggml_view_3d(ctx, inputs.q, inputs.q->ne[0], n_rows, n_head, inputs.q->nb[1], inputs.q->nb[2],
                                              static_cast<size_t>(head_begin) * inputs.q->nb[2] + row_offset * inputs.q->nb[1]));
    ggml_tensor * k = leaf(llama.ggml_view_3d(ctx, inputs.k, inputs.k->ne[0], inputs.k->ne[1], n_head_kv, inputs.k->nb[1],
                                              inputs.k->nb[2], static_cast<size_t>(kv_begin) * inputs.k->nb[2]));
    ggml_tensor * mask = nullptr;
    if (inputs.mask != nullptr) {
        mask = leaf(llama.ggml_view_3d(ctx, inputs.mask, inputs.mask->ne[0], n_rows, 1, inputs.mask->nb[1],
                                       inputs.mask->nb[2], row_offset * inputs.mask->nb[1]));
    }

    ggml_tensor * scores = llama.ggml_mul_mat(ctx, k, q);
    llama.ggml_mul_mat_set_prec(scores, GGML_PREC_F32);
    float scale = inputs.scale;
    if (inputs.softcap != 0.0f) {
        scores = llama.ggml_scale(ctx, scores, scale / inputs.softcap);
        scores = llama.ggml_scale(ctx, llama.ggml_tanh(ctx, scores), inputs.softcap);
        scale  = 1.0f;
    }
    scores = llama.ggml_soft_max_ext(ctx, scores, mask, scale, inputs.max_alibi_bias);
    if (inputs.sinks != nullptr) {
        ggml_tensor * sinks = leaf(llama.ggml_view_3d(ctx, inputs.sinks, inputs.sinks->ne[0], 1, 1, inputs.sinks->nb[1],
                                                      inputs.sinks->nb[2], 0));
        llama.ggml_soft_max_add_sinks(scores, sinks);
    }
    ggml_tensor * sums = fold_rows(ctx, scores);
    llama.ggml_set_output(sums);
    return sums;
}

bool SoftmaxGraph::try_add_chunk(int32_t head_begin, int32_t head_end, int64_t row_begin, int64_t row_end,
                                 std::vector<float> & out) {
    const auto &    llama = api();
    const GgmlArena context(max_graph_nodes * llama.ggml_tensor_overhead() +
                            llama.ggml_graph_overhead_custom(max_graph_nodes, false));
    ggml_tensor *   sums  = build(context.get(), head_begin, head_end, row_begin, row_end);
    ggml_cgraph *   graph = llama.ggml_new_graph_custom(context.get(), max_graph_nodes, false);
    llama.ggml_build_forward_expand(graph, sums);

    Device & device = open(device_);
    if (!supports(device.backend.get(), graph)) {
        return false;
    }
    // The allocator keeps its plan for any next graph with as many nodes, but graphs for other numbers of rows differ in
    // which results they still need: reserving makes it plan anew.
    if (!llama.ggml_gallocr_reserve(device.allocator.get(), graph) ||
        !llama.ggml_gallocr_alloc_graph(device.allocator.get(), graph) ||
        llama.ggml_backend_graph_compute(device.backend.get(), graph) != GGML_STATUS_SUCCESS) {
        throw EngineError("ENGINE_FAILED", std::string("Computing attention failed on ") +
                                               llama.ggml_backend_dev_name(device.device));
    }
    chunk_.resize(out.size());
    // One row needs no addition, and `sums` is then the softmax itself: contiguous in both cases.
    llama.ggml_backend_tensor_get(sums, chunk_.data(), 0, chunk_.size() * sizeof(float));
    for (size_t i = 0; i < out.size(); i++) {
        out[i] += chunk_[i];
    }
    return true;
}

}  // namespace qrhead
