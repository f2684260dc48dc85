#include "check.h"
#include "context.h"
#include "device_trial.h"
#include "layer_placement.h"
#include "warm_up.h"

#include <algorithm>

using namespace qrhead;
using namespace qrhead::test;

namespace {

const Cancellation never;

// As llama.cpp's loader: the device of a layer of a model with `n_blocks`, of which the output is the last one.
size_t device_of(const std::vector<float> & shares, uint32_t layer, uint32_t n_blocks) {
    std::vector<float> sums;
    float              sum = 0.0f;
    for (const float share : shares) {
        sums.push_back(sum += share);
    }
    for (float & it : sums) {
        it /= sum;
    }
    const float place = static_cast<float>(layer) / static_cast<float>(n_blocks + 1);
    return static_cast<size_t>(std::upper_bound(sums.begin(), sums.end(), place) - sums.begin());
}

}  // namespace

TEST("the layers that are computed go to the devices, and no other") {
    const std::vector<std::vector<float>> memories = { { 8e9f }, { 24e9f, 8e9f }, { 1.0f, 1.0f, 1.0f } };
    for (const auto & memory : memories) {
        bool all = true;
        for (uint32_t n_blocks = 2; n_blocks <= 128; n_blocks++) {
            for (uint32_t n = 1; n < n_blocks; n++) {
                const auto shares = layer_shares(memory, static_cast<int32_t>(n), n_blocks);
                for (uint32_t layer = 0; layer <= n_blocks; layer++) {
                    all = all && (device_of(shares, layer, n_blocks) < memory.size()) == (layer < n);
                }
            }
        }
        CHECK(all);
    }
}

TEST("without a device nothing is placed") {
    CHECK(list_gpus().empty());
    CHECK(!LayerPlacement::of(2, 4));
    CHECK(!model("tiny-llama")->info().is_on_device);
}

TEST("a device without kernels is told from one without memory") {
    CHECK(lacks_kernels("CUDA error: the provided PTX was compiled with an unsupported toolchain."));
    CHECK(lacks_kernels("CUDA error: no kernel image is available for execution on the device"));
    CHECK(!lacks_kernels("CUDA error: out of memory"));
    CHECK(!lacks_kernels("An assertion of llama.cpp failed: ggml-cuda.cu:108: CUDA error"));
}

TEST("a device that can add two numbers has no failure, and says so again") {
    const auto cpu = api().ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    CHECK(failure_of(cpu).empty());
    CHECK(failure_of(cpu).empty());
    CHECK(!any_gpu_failed());
}

TEST("a model says the same of itself without its weights") {
    for (const char * name : { "tiny-llama", "tiny-llama-spm" }) {
        const auto loaded = model(name)->info();
        const auto read   = Model::describe(model_path(name), never);
        CHECK(read.n_layer == loaded.n_layer && read.n_head == loaded.n_head && read.n_head_kv == loaded.n_head_kv);
        CHECK(read.architecture == loaded.architecture && read.metadata == loaded.metadata);
        CHECK(read.chat_template == loaded.chat_template && read.bos_text == loaded.bos_text);
    }
    CHECK_ERROR("MODEL_LOAD_FAILED", Model::describe("/nowhere/model.gguf", never));
    const Cancellation cancelled{ make_cancel_flag(), nullptr };
    *cancelled.call = true;
    CHECK_ERROR("ABORTED", Model::describe(model_path("tiny-llama"), cancelled));
}

TEST("a context that was warmed up is as a new one") {
    const auto     loaded = model("tiny-llama");
    ContextOptions options;
    options.n_ctx    = 256;
    options.n_ubatch = 64;
    options.heads    = { { 1, 0 } };
    Context cold(loaded, options);
    Context warm(loaded, options);
    warm_up(warm, never);
    CHECK(warm.position() == 0);
    const auto tokens = tokens_of(*loaded, "Paris has been the capital of France since the year 987.");
    cold.prefill(tokens, never, nullptr);
    warm.prefill(tokens, never, nullptr);
    CHECK(warm.save_cells().bytes == cold.save_cells().bytes);

    warm.rollback(0);
    const Cancellation cancelled{ make_cancel_flag(), nullptr };
    *cancelled.call = true;
    CHECK_ERROR("ABORTED", warm_up(warm, cancelled));
    CHECK(warm.position() == 0);
}

// Where a device fails in the first batch is up to the device; a batch that does not fit fails on any.
TEST("a first batch that fails says that no context could be made, what failed, and what may fit") {
    ContextOptions options;
    options.n_ctx    = 64;
    options.n_ubatch = 64;
    Context      context(model("tiny-llama"), options);
    const size_t n_before = 8;
    context.prefill(std::vector<llama_token>(n_before, 0), never, nullptr);
    std::string said;
    try {
        warm_up(context, never);
    } catch (const EngineError & error) {
        said = std::string(error.code()) + ": " + error.what();
    }
    CHECK(said.find("CONTEXT_FAILED: The device failed in a first batch of a context of 64 tokens: ") == 0);
    CHECK(said.find("72 tokens do not fit") != std::string::npos);
    CHECK(said.find("a smaller context or batch, or fewer layers on the device (gpuLayers), may fit") != std::string::npos);
    CHECK(context.position() == n_before);
}
