#pragma once

#include "llama_api.h"

#include <string>

namespace qrhead {

// Compares the loaded libraries with the headers of this build: the size of a tensor, the defaults at both ends of every
// struct of parameters, the numbers of the operations and types that the engine reads. The version is not enough, because all
// builds between two releases may have the same one. Throws LIBRARY_MISMATCH.
void check_abi(const LlamaApi & llama, const std::string & file);

}  // namespace qrhead
