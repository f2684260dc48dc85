#pragma once

#include "llama_api.h"

namespace qrhead {

// A failed assertion of llama.cpp, such as one about memory, ends the process. After this call, an assertion that fails on a
// thread with a guard throws ENGINE_FAILED instead, through the frames of llama.cpp.
//
// This does not hold in the CPU's kernels, where the other threads of the pool would wait for the one that left, nor on threads
// without a guard, where nothing would catch it. There an assertion still ends the process.
void throw_failed_assertions(const LlamaApi & llama);

}  // namespace qrhead
