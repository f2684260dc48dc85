#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace qrhead {

// Cells of a KV cache, copied out of it in llama.cpp's own format for one sequence: positions, then K and V of every layer.
struct CellState {
    size_t                n_cells = 0;
    std::vector<uint8_t>  bytes;
    std::optional<size_t> documents_begin;  // where documents begin among them, if a context that held some said so
};

// Where documents are among cells: all begin at one position, and their cells follow each other.
struct CellPlaces {
    size_t begin   = 0;
    size_t longest = 0;  // 0 if there are none: the cells are one sequence of tokens
};

// The places that the bytes describe. None unless they are exactly those of `n_cells` cells from position `first` on, one
// behind the other, with documents behind each other at the end or without. llama.cpp checks types and sizes itself when it
// reads a state, but takes the cells' number and positions as they come. Two documents or more show; a single one is known by
// `documents_begin` alone.
std::optional<CellPlaces> places_of(const CellState & state, size_t first) noexcept;

}  // namespace qrhead
