#pragma once

#include "llama.h"

#include <cstdint>
#include <string>
#include <vector>

namespace qrhead {

// Where text of a SentencePiece (SPM) vocabulary can be cut without changing its tokens.
//
// SPM starts from characters and joins neighbours whose text together is a token, the best score first. A symbol that crosses
// a cut between the characters a and b would be a token in which b follows a. If there is no such token, nothing joins across
// the cut, and the two sides do not depend on each other.
//
// llama.cpp's SPM tokenizer takes time quadratic in the length of what it finds no tokens for (line breaks, tabs, rare
// characters), and cannot be stopped: cut pieces are short, and between two of them a call can end.
class SpmBoundaries {
  public:
    explicit SpmBoundaries(const llama_vocab * vocab);

    // Where a piece of `text` that starts at `begin` should end, at most `end`: some thousand bytes behind `begin`, or as far
    // as characters go on that tokens may join.
    size_t end_of_piece(const std::string & text, size_t begin, size_t end) const;

    // A character that is one token and that no token joins with others. In front of a piece it takes the space that some
    // vocabularies put before a text. "" where the vocabulary has none; then nothing is cut.
    const std::string & separator() const noexcept { return separator_; }

  private:
    bool may_join(uint32_t left, uint32_t right) const;

    std::vector<uint64_t> joined_;  // both characters of every pair inside a token, sorted
    std::string           separator_;
};

}  // namespace qrhead
