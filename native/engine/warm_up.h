#pragma once

#include "cancellation.h"
#include "context.h"

namespace qrhead {

// Computes one full batch in an empty context and removes it, so that a device without enough memory for its first use fails
// here and not in the first query. A query in a long context may still need more. Throws CONTEXT_FAILED, or ABORTED.
void warm_up(Context & context, const Cancellation & cancellation);

}  // namespace qrhead
