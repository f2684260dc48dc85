#include "cell_state.h"

#include <cstring>

namespace qrhead {

namespace {

// A state begins with a magic number and the sequence, then the number of streams and of cells, then a record for each cell:
// its position, the number of its sequences (1), for some models 12 more bytes, and the sequence.
constexpr size_t header_size    = 4 * sizeof(uint32_t);
constexpr size_t record_sizes[] = { 3 * sizeof(uint32_t), 6 * sizeof(uint32_t) };

uint32_t number_at(const std::vector<uint8_t> & bytes, size_t offset) noexcept {
    uint32_t number = 0;
    std::memcpy(&number, bytes.data() + offset, sizeof(number));
    return number;
}

}  // namespace

bool describes_cells(const CellState & state, size_t begin) noexcept {
    const auto & bytes = state.bytes;
    if (bytes.size() < header_size || number_at(bytes, 8) != 1 || number_at(bytes, 12) != state.n_cells || state.n_cells == 0) {
        return false;
    }
    for (const size_t record_size : record_sizes) {
        if (bytes.size() - header_size < state.n_cells * record_size) {
            continue;
        }
        size_t cell = 0;
        while (cell < state.n_cells && number_at(bytes, header_size + cell * record_size) == begin + cell &&
               number_at(bytes, header_size + cell * record_size + 4) == 1) {
            cell++;
        }
        if (cell == state.n_cells) {
            return true;
        }
    }
    return false;
}

}  // namespace qrhead
