#include "spm_boundaries.h"

#include "llama_api.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace qrhead {

namespace {

// Bytes. Long enough that a call for each piece costs little.
constexpr size_t piece_bytes = 4096;

constexpr uint32_t written_space = 0xE29681;  // U+2581, which stands for a space in these vocabularies

// As llama.cpp takes text apart: by the first byte alone.
size_t length_of(char first) {
    constexpr unsigned char lengths[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4 };
    return lengths[static_cast<unsigned char>(first) >> 4];
}

// The bytes of the character at `at`, as one number. Moves `at` behind it.
uint32_t next_character(std::string_view text, size_t & at) {
    const size_t end       = std::min(text.size(), at + length_of(text[at]));
    uint32_t     character = 0;
    for (; at < end; at++) {
        character = character << 8 | static_cast<unsigned char>(text[at]);
    }
    return character == ' ' ? written_space : character;
}

uint64_t pair_of(uint32_t left, uint32_t right) {
    return uint64_t(left) << 32 | right;
}

}  // namespace

bool SpmBoundaries::may_join(uint32_t left, uint32_t right) const {
    return std::binary_search(joined_.begin(), joined_.end(), pair_of(left, right));
}

SpmBoundaries::SpmBoundaries(const llama_vocab * vocab) {
    const auto &                 llama = api();
    std::unordered_set<uint32_t> with_others;
    std::vector<std::string>     alone;
    for (llama_token id = 0; id < llama.llama_vocab_n_tokens(vocab); id++) {
        const char * raw = llama.llama_vocab_get_text(vocab, id);
        if (raw == nullptr || *raw == '\0') {
            continue;
        }
        const std::string_view text(raw);
        size_t                 at       = 0;
        uint32_t               previous = next_character(text, at);
        if (at == text.size()) {
            if (at > 1 && previous != written_space && llama.llama_vocab_get_attr(vocab, id) == LLAMA_TOKEN_ATTR_NORMAL) {
                alone.emplace_back(text);
            }
            continue;
        }
        with_others.insert(previous);
        while (at < text.size()) {
            const uint32_t character = next_character(text, at);
            with_others.insert(character);
            joined_.push_back(pair_of(previous, character));
            previous = character;
        }
    }
    std::sort(joined_.begin(), joined_.end());
    joined_.erase(std::unique(joined_.begin(), joined_.end()), joined_.end());
    for (const auto & text : alone) {
        size_t at = 0;
        if (with_others.count(next_character(text, at)) == 0) {
            separator_ = text;
            return;
        }
    }
}

size_t SpmBoundaries::end_of_piece(const std::string & text, size_t begin, size_t end) const {
    if (separator_.empty() || end - begin <= piece_bytes) {
        return end;
    }
    size_t at = begin + piece_bytes;
    // To the beginning of a character.
    while (at < end && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) {
        at++;
    }
    if (at >= end) {
        return end;
    }
    const std::string_view window(text.data(), end);
    uint32_t               previous = next_character(window, at);
    while (at < end) {
        const size_t   cut       = at;
        const uint32_t character = next_character(window, at);
        if (!may_join(previous, character)) {
            return cut;
        }
        previous = character;
    }
    return end;
}

}  // namespace qrhead
