#pragma once

#include "llama_api.h"

#include <string>

namespace qrhead {

// Compares what the libraries say of themselves with what the headers said when this was compiled: the size of a tensor, the
// defaults at both ends of every struct of parameters, the numbers of the operations and types that the engine reads. A
// version alone does not tell, since all builds between two releases may have the same. Throws LIBRARY_MISMATCH.
void check_abi(const LlamaApi & llama, const std::string & file);

}  // namespace qrhead
