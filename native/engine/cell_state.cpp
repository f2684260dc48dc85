#include "cell_state.h"

#include <algorithm>
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

// As `places_of`, for records of one size.
std::optional<CellPlaces> read_records(const CellState & state, size_t first, size_t record_size) noexcept {
    if (state.bytes.size() - header_size < state.n_cells * record_size) {
        return std::nullopt;
    }
    const auto position = [&](size_t cell) -> size_t { return number_at(state.bytes, header_size + cell * record_size); };
    const auto n_owners = [&](size_t cell) { return number_at(state.bytes, header_size + cell * record_size + 4); };

    // Where a position does not follow the one before, the second document begins.
    auto begin = state.documents_begin;
    for (size_t cell = 1; cell < state.n_cells && !begin; cell++) {
        if (position(cell) != position(cell - 1) + 1) {
            begin = position(cell);
        }
    }
    const size_t n_tokens = begin.value_or(first + state.n_cells) - first;  // before the first document
    if ((begin && *begin < first) || n_tokens > state.n_cells) {
        return std::nullopt;
    }
    CellPlaces places{ begin.value_or(0), 0 };
    size_t     start = n_tokens;  // cell where the current document begins
    for (size_t cell = 0; cell < state.n_cells; cell++) {
        if (cell > n_tokens && position(cell) == *begin) {
            start = cell;
        }
        const size_t expected = cell < n_tokens ? first + cell : *begin + cell - start;
        if (position(cell) != expected || n_owners(cell) != 1) {
            return std::nullopt;
        }
        places.longest = cell < n_tokens ? 0 : std::max(places.longest, cell - start + 1);
    }
    return places;
}

}  // namespace

std::optional<CellPlaces> places_of(const CellState & state, size_t first) noexcept {
    const auto & bytes = state.bytes;
    if (bytes.size() < header_size || number_at(bytes, 8) != 1 || number_at(bytes, 12) != state.n_cells || state.n_cells == 0) {
        return std::nullopt;
    }
    for (const size_t record_size : record_sizes) {
        if (const auto places = read_records(state, first, record_size)) {
            return places;
        }
    }
    return std::nullopt;
}

}  // namespace qrhead
