#include "layer_placement.h"

#include "device_trial.h"

#include <algorithm>
#include <iterator>
#include <numeric>

namespace qrhead {

namespace {

// llama.cpp reads as many shares as there are devices; it takes no more than 16 of those.
constexpr size_t max_devices = 16;

std::vector<ggml_backend_dev_t> devices_of(enum ggml_backend_dev_type type) {
    std::vector<ggml_backend_dev_t> found;
    for (size_t i = 0; i < api().ggml_backend_dev_count(); i++) {
        const auto device = api().ggml_backend_dev_get(i);
        if (api().ggml_backend_dev_type(device) == type && failure_of(device).empty()) {
            found.push_back(device);
        }
    }
    return found;
}

float free_memory(ggml_backend_dev_t device) {
    size_t free = 0, total = 0;
    api().ggml_backend_dev_memory(device, &free, &total);
    return free > 0 ? static_cast<float>(free) : 1.0f;
}

}  // namespace

std::vector<ggml_backend_dev_t> list_gpus() {
    auto gpus = devices_of(GGML_BACKEND_DEVICE_TYPE_GPU);
    return gpus.empty() ? devices_of(GGML_BACKEND_DEVICE_TYPE_IGPU) : gpus;
}

bool any_gpu_failed() {
    const auto devices = list_devices();
    return std::any_of(devices.begin(), devices.end(), [](const DeviceInfo & device) { return !device.failure.empty(); });
}

// llama.cpp adds the shares up, scales the sums to 1, and gives layer i of n (the output is the last) to the first device
// whose sum is above i / n. Half a layer less than a whole number keeps rounding from moving the border.
std::vector<float> layer_shares(const std::vector<float> & free_memory, int32_t n_on_device, uint32_t n_blocks) {
    const float        n_above = static_cast<float>(n_on_device) - 0.5f;
    const float        sum     = std::accumulate(free_memory.begin(), free_memory.end(), 0.0f);
    std::vector<float> shares;
    for (const float free : free_memory) {
        shares.push_back(free * n_above / sum);
    }
    shares.push_back(static_cast<float>(n_blocks + 1) - n_above);
    return shares;
}

std::optional<LayerPlacement> LayerPlacement::of(int32_t n_on_device, uint32_t n_blocks) {
    const auto gpus = list_gpus();
    const auto cpu  = api().ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    if (gpus.empty() || gpus.size() >= max_devices || cpu == nullptr || n_on_device < 1 || static_cast<uint32_t>(n_on_device) >= n_blocks) {
        return std::nullopt;
    }
    LayerPlacement placement;
    placement.devices_ = gpus;
    placement.devices_.push_back(cpu);
    placement.devices_.push_back(nullptr);

    std::vector<float> memory;
    std::transform(gpus.begin(), gpus.end(), std::back_inserter(memory), free_memory);
    placement.split_ = layer_shares(memory, n_on_device, n_blocks);
    placement.split_.resize(max_devices);

    // With more than one device llama.cpp makes four copies of every input to overlap batches, unless a tensor's buffer is
    // overridden. This override does not move its tensor.
    placement.overrides_ = { { "^output_norm\\.", api().ggml_backend_dev_buffer_type(cpu) }, { nullptr, nullptr } };
    return placement;
}

void LayerPlacement::apply(llama_model_params & params) {
    params.devices               = devices_.data();
    params.tensor_split          = split_.data();
    params.tensor_buft_overrides = overrides_.data();
    params.n_gpu_layers          = -1;
    params.split_mode            = LLAMA_SPLIT_MODE_LAYER;
}

}  // namespace qrhead
