#pragma once

#include "llama_api.h"

namespace qrhead {

// llama.cpp asserts what it does not expect, even that memory can be had, and an assertion ends the process. From now on one
// that fails on a thread of a call of ours is ENGINE_FAILED instead, thrown through the frames of llama.cpp that are above.
//
// Not in the CPU's kernels: the other threads of the pool would wait for the one that left. Nor on threads without a guard,
// where nobody would catch. Those end the process as before.
void throw_failed_assertions(const LlamaApi & llama);

}  // namespace qrhead
