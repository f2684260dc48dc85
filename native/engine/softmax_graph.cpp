#include "softmax_graph.h"

#include "error.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace qrhead {

namespace {

// Scores of this many bytes at most are held at a time. K is read once for every chunk, so that heads are parted first, by
// the KV head that they share, and rows only where one group has more.
constexpr int64_t max_chunk_bytes = 64 << 20;

// Views and sums of one range: three tensors for each halving of up to 2^20 rows, and as many for what is left over.
constexpr size_t max_nodes_of_range = 128;
constexpr size_t max_other_nodes    = 16;

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

// Makes a leaf stand for `source` from `offset` on. The allocator gives a new leaf its buffer; one that had its own keeps in
// step here.
void point(ggml_tensor * leaf, ggml_tensor * source, size_t offset, bool is_new) {
    if (leaf == nullptr) {
        return;
    }
    leaf->view_src  = source->view_src != nullptr ? source->view_src : source;
    leaf->view_offs = source->view_offs + offset;
    leaf->buffer    = is_new ? nullptr : leaf->view_src->buffer;
    leaf->data      = static_cast<char *>(source->data) + offset;
}

// The allocator's table has room for the tensors of a graph and a quarter more, and takes up those that our leaves stand for
// as well: too many for the smallest graphs. It never shrinks, so that a chain of this length makes room for good.
void make_room(ggml_gallocr * allocator) {
    constexpr size_t n_nodes = 64;
    const auto &     llama   = api();
    GgmlArena        arena((n_nodes + 1) * llama.ggml_tensor_overhead() + llama.ggml_graph_overhead_custom(n_nodes, false));
    ggml_tensor *    last = llama.ggml_new_tensor_3d(arena.get(), GGML_TYPE_F32, 1, 1, 1);
    for (size_t i = 1; i < n_nodes; i++) {
        last = llama.ggml_scale(arena.get(), last, 1.0f);
    }
    ggml_cgraph * graph = llama.ggml_new_graph_custom(arena.get(), n_nodes, false);
    llama.ggml_build_forward_expand(graph, last);
    llama.ggml_gallocr_reserve(allocator, graph);
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

void SoftmaxGraph::sum_over_rows(int32_t head_begin, int32_t head_end, const std::vector<RowRange> & ranges,
                                 std::vector<float> & out) {
    const int64_t n_kv     = inputs_.k->ne[1];
    const auto    n_head   = static_cast<int64_t>(head_end - head_begin);
    const RowRange rows    = { ranges.front().begin, ranges.back().end };
    const bool    parts    = inputs_.sinks == nullptr && inputs_.max_alibi_bias == 0.0f;
    const int64_t per_kv   = inputs_.q->ne[2] / inputs_.k->ne[2];
    const int64_t n_fits   = max_chunk_bytes / (n_kv * (rows.end - rows.begin) * 4);
    const int64_t n_heads  = parts ? std::clamp(n_fits / per_kv * per_kv, per_kv, n_head) : n_head;
    const int64_t n_rows   = std::clamp<int64_t>(max_chunk_bytes / (n_kv * n_heads * 4), 1, rows.end - rows.begin);
    out.assign(ranges.size() * static_cast<size_t>(n_kv * n_head), 0.0f);
    for (int32_t head = head_begin; head < head_end; head += static_cast<int32_t>(n_heads)) {
        for (int64_t row = rows.begin; row < rows.end; row += n_rows) {
            Chunk chunk{ head, std::min(head + static_cast<int32_t>(n_heads), head_end), { row, std::min(row + n_rows, rows.end) }, {}, {} };
            for (size_t r = 0; r < ranges.size(); r++) {
                const RowRange within{ std::max(ranges[r].begin, chunk.rows.begin), std::min(ranges[r].end, chunk.rows.end) };
                if (within.begin < within.end) {
                    chunk.ranges.push_back(within);
                    chunk.indices.push_back(r);
                }
            }
            add_chunk(chunk, head_begin, head_end, out);
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
    pool_->attach(device.backend.get(), wanted);
    device.allocator.reset(llama.ggml_gallocr_new(llama.ggml_backend_get_default_buffer_type(device.backend.get())));
    make_room(device.allocator.get());
    devices_.push_back(std::move(device));
    return devices_.back();
}

// All that a graph's form and the places of its results depend on.
std::vector<int64_t> SoftmaxGraph::shape_of(const Chunk & chunk) const {
    std::vector<int64_t> shape = { reinterpret_cast<int64_t>(device_), chunk.head_end - chunk.head_begin, inputs_.q->ne[2] / inputs_.k->ne[2] };
    for (const ggml_tensor * tensor : { inputs_.q, inputs_.k, inputs_.mask, inputs_.sinks }) {
        shape.push_back(tensor != nullptr ? tensor->type : -1);
        for (int i = 0; tensor != nullptr && i < 3; i++) {
            shape.push_back(static_cast<int64_t>(tensor->nb[i]));
        }
    }
    shape.push_back(inputs_.q->ne[0]);
    shape.push_back(inputs_.k->ne[1]);
    for (const float parameter : { inputs_.scale, inputs_.max_alibi_bias, inputs_.softcap }) {
        int32_t bits = 0;
        std::memcpy(&bits, &parameter, sizeof(bits));
        shape.push_back(bits);
    }
    for (const auto & range : chunk.ranges) {
        shape.push_back(range.end - range.begin);
    }
    return shape;
}

void SoftmaxGraph::build(const Chunk & chunk) {
    const auto &  llama   = api();
    const auto &  inputs  = inputs_;
    const int64_t n_rows  = chunk.rows.end - chunk.rows.begin;
    const int64_t n_head  = chunk.head_end - chunk.head_begin;
    const size_t  n_nodes = max_other_nodes + chunk.ranges.size() * max_nodes_of_range;

    plan_       = {};
    plan_.arena = std::make_unique<GgmlArena>(n_nodes * llama.ggml_tensor_overhead() +
                                              llama.ggml_graph_overhead_custom(n_nodes, false));
    ggml_context * ctx       = plan_.arena->get();
    const auto     part      = [&](ggml_tensor * tensor, int64_t n1, int64_t n2) {
        return leaf(llama.ggml_view_3d(ctx, tensor, tensor->ne[0], n1, n2, tensor->nb[1], tensor->nb[2], 0));
    };
    plan_.q     = part(inputs.q, n_rows, n_head);
    plan_.k     = part(inputs.k, inputs.k->ne[1], n_head / (inputs.q->ne[2] / inputs.k->ne[2]));
    plan_.mask  = inputs.mask != nullptr ? part(inputs.mask, n_rows, 1) : nullptr;
    plan_.sinks = inputs.sinks != nullptr ? part(inputs.sinks, 1, 1) : nullptr;

    ggml_tensor * scores = llama.ggml_mul_mat(ctx, plan_.k, plan_.q);
    llama.ggml_mul_mat_set_prec(scores, GGML_PREC_F32);
    float scale = inputs.scale;
    if (inputs.softcap != 0.0f) {
        scores = llama.ggml_scale(ctx, scores, scale / inputs.softcap);
        scores = llama.ggml_scale(ctx, llama.ggml_tanh(ctx, scores), inputs.softcap);
        scale  = 1.0f;
    }
    scores = llama.ggml_soft_max_ext(ctx, scores, plan_.mask, scale, inputs.max_alibi_bias);
    if (plan_.sinks != nullptr) {
        llama.ggml_soft_max_add_sinks(scores, plan_.sinks);
    }
    plan_.graph = llama.ggml_new_graph_custom(ctx, n_nodes, false);
    for (const auto & range : chunk.ranges) {
        ggml_tensor * rows = rows_of(ctx, scores, range.begin - chunk.rows.begin, range.end - range.begin);
        ggml_tensor * sums = fold_rows(ctx, rows);
        llama.ggml_set_output(sums);
        llama.ggml_build_forward_expand(plan_.graph, sums);
        plan_.sums.push_back(sums);
    }
}

void SoftmaxGraph::point_leaves(const Chunk & chunk, bool is_new) {
    const auto   head   = static_cast<size_t>(chunk.head_begin);
    const auto   row    = static_cast<size_t>(chunk.rows.begin);
    const size_t per_kv = static_cast<size_t>(inputs_.q->ne[2] / inputs_.k->ne[2]);
    point(plan_.q, inputs_.q, head * inputs_.q->nb[2] + row * inputs_.q->nb[1], is_new);
    point(plan_.k, inputs_.k, head / per_kv * inputs_.k->nb[2], is_new);
    point(plan_.mask, inputs_.mask, inputs_.mask != nullptr ? row * inputs_.mask->nb[1] : 0, is_new);
    point(plan_.sinks, inputs_.sinks, 0, is_new);
}

bool SoftmaxGraph::plan(const Chunk & chunk, Device & device) {
    const auto & llama = api();
    auto         shape = shape_of(chunk);
    // Backends other than the CPU's may keep something about a tensor's place.
    const bool   known = plan_.shape == shape && llama.ggml_backend_dev_type(device.device) == GGML_BACKEND_DEVICE_TYPE_CPU;
    if (!known) {
        build(chunk);
    }
    point_leaves(chunk, !known);
    if (known) {
        return true;
    }
    if (!supports(device.backend.get(), plan_.graph)) {
        return false;
    }
    // The allocator keeps its plan for any next graph with as many nodes, but graphs for other numbers of rows differ in
    // which results they still need: reserving makes it plan anew.
    if (!llama.ggml_gallocr_reserve(device.allocator.get(), plan_.graph) ||
        !llama.ggml_gallocr_alloc_graph(device.allocator.get(), plan_.graph)) {
        throw EngineError("ENGINE_FAILED", std::string("No memory for computing attention on ") +
                                               llama.ggml_backend_dev_name(device.device));
    }
    plan_.shape = std::move(shape);
    return true;
}

void SoftmaxGraph::add_chunk(const Chunk & chunk, int32_t head_begin, int32_t head_end, std::vector<float> & out) {
    const auto & llama = api();
    if (!plan(chunk, open(device_))) {
        const std::string type = llama.ggml_type_name(inputs_.k->type);
        if (!host_) {
            move_to_host();
        }
        if (!plan(chunk, open(device_))) {
            throw EngineError("ENGINE_FAILED", "Attention cannot be computed from a K cache of type " + type + ": use f16");
        }
    }
    Device & device = open(device_);
    if (llama.ggml_backend_graph_compute(device.backend.get(), plan_.graph) != GGML_STATUS_SUCCESS) {
        throw EngineError("ENGINE_FAILED", std::string("Computing attention failed on ") +
                                               llama.ggml_backend_dev_name(device.device));
    }
    const auto n_kv    = static_cast<size_t>(inputs_.k->ne[1]);
    const auto n_chunk = static_cast<size_t>(chunk.head_end - chunk.head_begin);
    sums_.resize(n_kv * n_chunk);
    for (size_t i = 0; i < plan_.sums.size(); i++) {
        // A range of one row is a part of the softmax itself, whose heads lie apart.
        const ggml_tensor * sums = plan_.sums[i];
        for (size_t head = 0; head < n_chunk; head++) {
            llama.ggml_backend_tensor_get(sums, sums_.data() + head * n_kv, head * sums->nb[2], n_kv * sizeof(float));
        }
        const size_t first = chunk.indices[i] * static_cast<size_t>(head_end - head_begin) + static_cast<size_t>(chunk.head_begin - head_begin);
        float *      to    = out.data() + first * n_kv;
        for (size_t t = 0; t < sums_.size(); t++) {
            to[t] += sums_[t];
        }
    }
}

}  // namespace qrhead
