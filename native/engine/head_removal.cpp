#include "head_removal.h"

#include "error.h"
#include "llama_api.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

namespace qrhead {

namespace {

// The layer of an output of attention, or -1.
int32_t layer_of(const ggml_tensor * node) noexcept {
    constexpr char prefix[] = "kqv_out-";
    if (std::strncmp(node->name, prefix, sizeof(prefix) - 1) != 0) {
        return -1;
    }
    return static_cast<int32_t>(std::strtol(node->name + sizeof(prefix) - 1, nullptr, 10));
}

}  // namespace

bool HeadRemoval::on_node(ggml_tensor * node, bool ask, void * removal) noexcept {
    auto & self = *static_cast<HeadRemoval *>(removal);
    if (!self.wants(node)) {
        return !ask;
    }
    if (ask) {
        return true;
    }
    try {
        self.apply(node);
    } catch (...) {
        self.error_ = std::current_exception();
    }
    return self.error_ == nullptr;
}

bool HeadRemoval::wants(const ggml_tensor * node) const noexcept {
    return !heads_.empty() && heads_.wants(layer_of(node));
}

void HeadRemoval::apply(ggml_tensor * node) {
    const int32_t layer = layer_of(node);
    // It is a view or a copy of [head size, heads, tokens], as one row a token.
    const ggml_tensor * by_head = node->src[0];
    const bool is_known = by_head != nullptr && node->type == GGML_TYPE_F32 && node->nb[0] == sizeof(float) &&
                          by_head->ne[0] * by_head->ne[1] == node->ne[0] && node->nb[1] == sizeof(float) * static_cast<size_t>(node->ne[0]) &&
                          heads_.layer(layer).back().head < by_head->ne[1];
    if (!is_known) {
        throw EngineError("MODEL_UNSUPPORTED", "Heads of layer " + std::to_string(layer) + " cannot be taken out: the output of its " +
                                                   "attention is not in one part a head (" + api().ggml_type_name(node->type) + ", " +
                                                   std::to_string(node->ne[0]) + " numbers a token)");
    }
    // Whole, on every device: few transfers, where a head's part would be one a token.
    const size_t head_bytes = sizeof(float) * static_cast<size_t>(by_head->ne[0]);
    const size_t row_bytes  = node->nb[1];
    bytes_.resize(api().ggml_nbytes(node));
    api().ggml_backend_tensor_get(node, bytes_.data(), 0, bytes_.size());
    for (size_t row = 0; row + row_bytes <= bytes_.size(); row += row_bytes) {
        for (const auto & entry : heads_.layer(layer)) {
            std::fill_n(bytes_.data() + row + static_cast<size_t>(entry.head) * head_bytes, head_bytes, uint8_t{ 0 });
        }
    }
    api().ggml_backend_tensor_set(node, bytes_.data(), 0, bytes_.size());
    n_layers_seen_++;
}

void HeadRemoval::begin_pass() noexcept {
    n_layers_seen_ = 0;
    error_         = nullptr;
}

void HeadRemoval::finish_pass() {
    if (error_) {
        std::rethrow_exception(std::exchange(error_, nullptr));
    }
    if (n_layers_seen_ != heads_.n_wanted_layers()) {
        throw EngineError("MODEL_UNSUPPORTED", "Heads were to be taken out of " + std::to_string(heads_.n_wanted_layers()) +
                                                   " layers, and " + std::to_string(n_layers_seen_) + " of these have attention whose " +
                                                   "output can be changed");
    }
}

}  // namespace qrhead
