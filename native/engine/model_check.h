#pragma once

#include <cstdint>
#include <string>

namespace qrhead {

// What a header says; 0 where it says nothing.
struct ModelSizes {
    uint32_t n_blocks  = 0;  // with those for multi-token prediction
    uint32_t n_experts = 0;
};

// Reads a GGUF's header with llama.cpp's own reader and refuses what llama.cpp's loader would assert on, which ends the
// process: sizes out of its range, head counts whose products overflow, contradictory experts, a token that stands twice.
// The loader reports other faults by itself, so a file that cannot be read passes this check.
// Throws MODEL_LOAD_FAILED with the key, its value and what was expected.
ModelSizes check_model_file(const std::string & path);

}  // namespace qrhead
