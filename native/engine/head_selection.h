#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace qrhead {

struct Head {
    int32_t layer = 0;
    int32_t head  = 0;
};

// The heads to capture, arranged by layer. `row` is a head's place in the order that the caller gave.
class HeadSelection {
  public:
    struct Entry {
        int32_t head = 0;
        int32_t row  = 0;
    };

    HeadSelection() = default;

    // Throws HEADS_MISMATCH for a layer or head outside `n_layer` and `n_head`, or one named twice.
    HeadSelection(const std::vector<Head> & heads, int32_t n_layer, int32_t n_head);

    bool    empty() const noexcept { return n_heads_ == 0; }
    int32_t n_heads() const noexcept { return n_heads_; }
    int32_t n_wanted_layers() const noexcept { return n_wanted_layers_; }
    int32_t deepest_layer() const noexcept { return static_cast<int32_t>(layers_.size()) - 1; }

    bool wants(int32_t layer) const noexcept {
        return layer >= 0 && layer < static_cast<int32_t>(layers_.size()) && !layers_[static_cast<size_t>(layer)].empty();
    }

    // Heads of one layer in ascending order.
    const std::vector<Entry> & layer(int32_t index) const { return layers_[static_cast<size_t>(index)]; }

  private:
    std::vector<std::vector<Entry>> layers_;  // up to the deepest wanted one
    int32_t                         n_heads_         = 0;
    int32_t                         n_wanted_layers_ = 0;
};

}  // namespace qrhead
