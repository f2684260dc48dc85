#include "head_selection.h"

#include "error.h"

#include <algorithm>
#include <string>

namespace qrhead {

static std::string name_of(const Head & head) {
    return std::to_string(head.layer) + "-" + std::to_string(head.head);
}

HeadSelection::HeadSelection(const std::vector<Head> & heads, int32_t n_layer, int32_t n_head) {
    for (const auto & head : heads) {
        if (head.layer < 0 || head.layer >= n_layer || head.head < 0 || head.head >= n_head) {
            throw EngineError("HEADS_MISMATCH", "Head " + name_of(head) + " does not exist: the model has layers 0 to " +
                                                    std::to_string(n_layer - 1) + " and heads 0 to " +
                                                    std::to_string(n_head - 1));
        }
        if (head.layer >= static_cast<int32_t>(layers_.size())) {
            layers_.resize(static_cast<size_t>(head.layer) + 1);
        }
        auto & entries = layers_[static_cast<size_t>(head.layer)];
        for (const auto & entry : entries) {
            if (entry.head == head.head) {
                throw EngineError("HEADS_MISMATCH", "Head " + name_of(head) + " is named twice");
            }
        }
        entries.push_back({ head.head, n_heads_++ });
    }
    for (auto & entries : layers_) {
        std::sort(entries.begin(), entries.end(), [](const Entry & a, const Entry & b) { return a.head < b.head; });
        n_wanted_layers_ += entries.empty() ? 0 : 1;
    }
}

}  // namespace qrhead
