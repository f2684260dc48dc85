#pragma once

#include "cancellation.h"
#include "model.h"

#include <string>
#include <vector>

namespace qrhead {

// A stretch of prompt. Special tokens are recognised in special pieces only, so that text cannot forge the prompt.
struct PromptPiece {
    std::string text;
    bool        special = false;
};

struct Tokenization {
    std::vector<llama_token> tokens;
    std::vector<uint32_t>    offsets;  // [begin, end) of each token in bytes of the concatenated text
};

// Tokenizes the pieces as one text: merges cross piece boundaries, special tokens do not. A begin-of-sequence token is put
// first when the vocabulary asks for one and the text does not start with it; it covers no bytes.
// Throws TOKENIZER_UNSUPPORTED for a vocabulary whose tokens cannot be traced back to bytes, and ABORTED.
Tokenization tokenize(const Model & model, const std::vector<PromptPiece> & pieces, const Cancellation & cancellation = {});

}  // namespace qrhead
