#pragma once

#include "llama_api.h"

#include <string>

namespace qrhead {

// Why nothing can be computed on a device, or "" where something can. The first call adds two numbers on it: a build for a
// GPU finds the device as soon as there is a driver, and learns at its first kernel whether the driver takes the kernels that
// the build has. Not tried on macOS, whose build brings its kernels as source.
std::string failure_of(ggml_backend_dev_t device);

// Whether a device failed because the build has no kernels that it and its driver can run. Memory has nothing to do with it.
bool lacks_kernels(const std::string & failure);

// What helps then.
extern const char * const advice_without_kernels;

}  // namespace qrhead
