#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace qrhead {

// Cells of a KV cache, copied out of it in llama.cpp's own format for one sequence: positions, then K and V of every layer.
struct CellState {
    size_t               n_cells = 0;
    std::vector<uint8_t> bytes;
};

// Whether the bytes describe exactly the cells of `n_cells` consecutive positions from `begin` on. llama.cpp checks types
// and sizes itself when it reads a state, but takes the cells' number and positions as they come.
bool describes_cells(const CellState & state, size_t begin) noexcept;

}  // namespace qrhead
