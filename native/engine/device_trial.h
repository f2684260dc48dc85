#pragma once

#include "llama_api.h"

#include <string>

namespace qrhead {

// Why a device cannot compute, or "" if it can. The first call adds two numbers on it: a GPU build finds the device if there
// is a driver, and only the first kernel shows whether the driver can run the kernels of the build. Not tried on macOS, whose
// build has its kernels as source.
std::string failure_of(ggml_backend_dev_t device);

// Whether a device failed because its driver cannot run the kernels of the build, and not for lack of memory.
bool lacks_kernels(const std::string & failure);

// The advice for that failure.
extern const char * const advice_without_kernels;

}  // namespace qrhead
