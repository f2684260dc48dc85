#include "warm_up.h"

#include "device_trial.h"
#include "error.h"

#include <algorithm>
#include <cstring>

namespace qrhead {

void warm_up(Context & context, const Cancellation & cancellation) {
    const llama_token any_token = 0;
    try {
        context.prefill(std::vector<llama_token>(std::min(context.n_ubatch(), context.n_ctx()), any_token), cancellation, nullptr);
        context.rollback(0);
    } catch (const EngineError & error) {
        if (std::strcmp(error.code(), "ABORTED") == 0) {
            throw;
        }
        const bool        too_large = !lacks_kernels(error.what());
        const std::string advice    = too_large ? "a smaller context or batch, or fewer layers on the device (gpuLayers), may fit"
                                                : advice_without_kernels;
        throw EngineError("CONTEXT_FAILED", std::string("The device failed in a first batch of a context of ") +
                                                std::to_string(context.n_ctx()) + " tokens: " + error.what() + "; " + advice);
    }
}

}  // namespace qrhead
