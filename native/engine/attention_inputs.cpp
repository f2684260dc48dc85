#include "attention_inputs.h"

#include <algorithm>
#include <cstring>

namespace qrhead {

AttentionInputs AttentionInputs::from_flash_attention(ggml_tensor * node) {
    AttentionInputs inputs;
    inputs.q     = node->src[0];
    inputs.k     = node->src[1];
    inputs.mask  = node->src[3];
    inputs.sinks = node->src[4];
    // An F32 cache is cast for the flash-attention kernel; the original is more exact and as easy to read.
    if (inputs.k->op == GGML_OP_CPY && inputs.k->src[0] != nullptr) {
        inputs.k = inputs.k->src[0];
    }
    float parameters[3];
    std::memcpy(parameters, node->op_params, sizeof(parameters));
    inputs.scale          = parameters[0];
    inputs.max_alibi_bias = parameters[1];
    inputs.softcap        = parameters[2];
    return inputs;
}

// Four tensors.
HostInputs::HostInputs(const AttentionInputs & inputs) : context_(4 * api().ggml_tensor_overhead()), inputs_(inputs) {
    inputs_.q     = copy(inputs.q);
    inputs_.k     = copy(inputs.k);
    inputs_.mask  = copy(inputs.mask);
    inputs_.sinks = copy(inputs.sinks);
}

ggml_tensor * HostInputs::copy(const ggml_tensor * tensor) {
    if (tensor == nullptr) {
        return nullptr;
    }
    auto & bytes = bytes_.emplace_back(api().ggml_nbytes(tensor));
    api().ggml_backend_tensor_get(tensor, bytes.data(), 0, bytes.size());
    ggml_tensor * copied = api().ggml_new_tensor_3d(context_.get(), tensor->type, tensor->ne[0], tensor->ne[1], tensor->ne[2]);
    std::copy(std::begin(tensor->nb), std::end(tensor->nb), std::begin(copied->nb));
    copied->data = bytes.data();
    return copied;
}

}  // namespace qrhead
