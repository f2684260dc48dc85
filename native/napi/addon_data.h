#pragma once

#include "cancellation.h"

#include <napi.h>

namespace qrhead {

// State of one JavaScript environment (the main thread or a worker thread), so that the addon loads in many of them.
struct AddonData {
    Napi::FunctionReference model_class;
    Napi::FunctionReference context_class;
    Napi::FunctionReference attention_class;
    Napi::FunctionReference cancellation_class;
    Napi::FunctionReference cell_state_class;
    Napi::FunctionReference writer_class;

    // Set when the environment goes away: running work ends instead of holding up the exit.
    CancelFlag shutting_down = make_cancel_flag();

    static AddonData & of(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }
};

}  // namespace qrhead
