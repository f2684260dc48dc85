#pragma once

#include "cancellation.h"

#include <napi.h>

namespace qrhead {

class CancellationObject : public Napi::ObjectWrap<CancellationObject> {
  public:
    static Napi::Function define(Napi::Env env);

    // The flags that the call with this argument listens to. Throws a TypeError for anything but a Cancellation.
    static Cancellation read(const Napi::Value & value);

    // The same, where the argument may be left out: the environment's end still stops the work.
    static Cancellation read_optional(const Napi::Value & value);

    explicit CancellationObject(const Napi::CallbackInfo & info);

  private:
    void        js_cancel(const Napi::CallbackInfo & info);
    Napi::Value js_cancelled(const Napi::CallbackInfo & info);

    CancelFlag flag_ = make_cancel_flag();
};

}  // namespace qrhead
