#pragma once

#include "llama_api.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace qrhead {

// Which layers go where when not all of them are computed.
//
// llama.cpp puts the last layers of a model on the devices, but a ranking never computes those. Here the first `n_on_device`
// layers go to the devices, and the weights and caches of the others stay in the memory of the process: the CPU is in the list
// of devices and takes the rest of the split. (Overrides of tensor buffers would move the weights but not the caches.)
class LayerPlacement {
  public:
    // Of a model with `n_blocks` layers. None where there is no GPU, or nothing to leave out.
    static std::optional<LayerPlacement> of(int32_t n_on_device, uint32_t n_blocks);

    // `params` then points into this object.
    void apply(llama_model_params & params);

  private:
    std::vector<ggml_backend_dev_t>                devices_;    // ends with a null
    std::vector<float>                             split_;
    std::vector<llama_model_tensor_buft_override> overrides_;  // ends with a null
};

// Shares of the layers for llama.cpp's `tensor_split`: of `n_blocks` layers and the output, the first `n_on_device` go to the
// GPUs by their free memory, and the rest to one more device.
std::vector<float> layer_shares(const std::vector<float> & free_memory, int32_t n_on_device, uint32_t n_blocks);

// The devices that llama.cpp takes by itself: those with memory of their own, else those that share the machine's. Without
// those that cannot compute, which llama.cpp would take as well.
std::vector<ggml_backend_dev_t> list_gpus();

// Whether there is a device that list_gpus leaves out because it cannot compute.
bool any_gpu_failed();

}  // namespace qrhead
