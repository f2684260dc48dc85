#pragma once

#include "cancellation.h"

#include <string>

namespace qrhead {

// Looks at a GGUF's tensors before llama.cpp does, all parts of a split model included.
//
// Always: types that llama.cpp cannot compute with, which it would assert on, and the values of norms and biases, which
// are small: none may be NaN or infinite, and norms may not be all zeros, as they are in the unwritten part of a download.
// With `every_matrix` also: no matrix of zeros among those that every model needs, nor three tensors of zeros in a row before
// the last block. Whether a matrix has NaN is left to llama.cpp's own `check_tensors`.
//
// llama.cpp reports other faults by itself, so a file that cannot be read passes this check.
// Throws MODEL_LOAD_FAILED with the tensor's name, and ABORTED.
void check_tensor_data(const std::string & path, bool every_matrix, const Cancellation & cancellation);

}  // namespace qrhead
