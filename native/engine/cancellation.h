#pragma once

#include "error.h"

#include <atomic>
#include <memory>

namespace qrhead {

// A flag that running work polls at least once per ubatch. One belongs to a call, one to the JavaScript environment.
using CancelFlag = std::shared_ptr<std::atomic<bool>>;

inline CancelFlag make_cancel_flag() {
    return std::make_shared<std::atomic<bool>>(false);
}

struct Cancellation {
    CancelFlag call;
    CancelFlag environment;

    bool requested() const noexcept { return (call && *call) || (environment && *environment); }

    void throw_if_requested() const {
        if (requested()) {
            throw EngineError("ABORTED", "The call was aborted");
        }
    }
};

}  // namespace qrhead
