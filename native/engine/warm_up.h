#pragma once

#include "cancellation.h"
#include "context.h"

namespace qrhead {

// Computes one full batch in a context that holds nothing and forgets it, so that a device that lacks memory for what it
// allocates at its first use says so here and not in the first query. What a query itself takes beyond that, in a long
// context, is not known before. Throws CONTEXT_FAILED, or ABORTED.
void warm_up(Context & context, const Cancellation & cancellation);

}  // namespace qrhead
