#pragma once

#include "attention_inputs.h"
#include "thread_pool.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace qrhead {

// Rows [begin, end) of a forward pass.
struct RowRange {
    int64_t begin = 0;
    int64_t end   = 0;
};

// Computes sums over rows of softmax(QK^T) for a range of heads, as a small ggml graph on the device that holds q and k, or
// on the CPU from copies of them where that device lacks an operation (Vulkan has none for a quantised K of these strides).
class SoftmaxGraph {
  public:
    // `always_on_host` copies in any case, so that tests need no such device. The pool must outlive the graph.
    SoftmaxGraph(int32_t n_threads, const ThreadPool & pool, bool always_on_host)
        : n_threads_(n_threads), pool_(&pool), always_on_host_(always_on_host) {}

    // Takes up the inputs that the next sums are of. They must live until the last of those.
    void read(const AttentionInputs & inputs);

    // Sums over the rows of each range for the heads [head_begin, head_end), `[ranges x heads x n_kv]` row-major, into `out`
    // (resized). Ranges ascend and follow each other without a gap. The heads must share KV heads evenly: see `group_of`.
    // Throws ENGINE_FAILED when no device can.
    void sum_over_rows(int32_t head_begin, int32_t head_end, const std::vector<RowRange> & ranges, std::vector<float> & out);

    // The smallest range of heads around `head` that can be computed alone: those that share its KV head, or all heads
    // where the softmax depends on the head's index (ALiBi slopes, sinks).
    static void group_of(const AttentionInputs & inputs, int32_t head, int32_t & begin, int32_t & end);

  private:
    struct Device {
        ggml_backend_dev_t device = nullptr;
        BackendHandle      backend;
        AllocatorHandle    allocator;
    };

    // Heads and rows that are computed at a time, and the ranges as far as they lie within.
    struct Chunk {
        int32_t               head_begin = 0;
        int32_t               head_end   = 0;
        RowRange              rows;
        std::vector<RowRange> ranges;
        std::vector<size_t>   indices;  // of those ranges among all
    };

    // A graph with memory for its results, for any inputs of the same shapes.
    struct Plan {
        std::vector<int64_t>       shape;
        std::unique_ptr<GgmlArena> arena;
        ggml_cgraph *              graph = nullptr;
        ggml_tensor *              q     = nullptr;
        ggml_tensor *              k     = nullptr;
        ggml_tensor *              mask  = nullptr;
        ggml_tensor *              sinks = nullptr;
        std::vector<ggml_tensor *> sums;  // one for each range
    };

    Device &             open(ggml_backend_dev_t wanted);
    void                 move_to_host();
    std::vector<int64_t> shape_of(const Chunk & chunk) const;
    void                 build(const Chunk & chunk);
    void                 point_leaves(const Chunk & chunk, bool is_new);
    // False where the device lacks an operation.
    bool                 plan(const Chunk & chunk, Device & device);
    void                 add_chunk(const Chunk & chunk, int32_t head_begin, int32_t head_end, std::vector<float> & out);

    int32_t                   n_threads_;
    const ThreadPool *        pool_;
    bool                      always_on_host_;
    std::vector<Device>       devices_;
    AttentionInputs           inputs_;
    std::optional<HostInputs> host_;              // what inputs_ points to, if that is not the device's memory
    ggml_backend_dev_t        device_ = nullptr;  // that computes from inputs_
    Plan                      plan_;              // the last one: layers and groups of heads are of one shape mostly
    std::vector<float>        sums_;              // of one range and chunk, reused
};

}  // namespace qrhead
