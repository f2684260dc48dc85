#pragma once

#include "context.h"
#include "external_memory.h"
#include "promise_worker.h"

#include <memory>
#include <napi.h>

namespace qrhead {

class ContextObject : public Napi::ObjectWrap<ContextObject> {
  public:
    static Napi::Function define(Napi::Env env);
    static Napi::Value    create(Napi::Env env, std::shared_ptr<Context> context);

    explicit ContextObject(const Napi::CallbackInfo & info);

  private:
    Napi::Value js_position(const Napi::CallbackInfo & info);
    Napi::Value js_context_size(const Napi::CallbackInfo & info);
    Napi::Value js_batch_size(const Napi::CallbackInfo & info);
    Napi::Value js_prefill(const Napi::CallbackInfo & info);
    Napi::Value js_observe(const Napi::CallbackInfo & info);
    Napi::Value js_read_opening(const Napi::CallbackInfo & info);
    Napi::Value js_save_opening(const Napi::CallbackInfo & info);
    Napi::Value js_load_opening(const Napi::CallbackInfo & info);
    Napi::Value js_tiles_pay(const Napi::CallbackInfo & info);
    void        js_rollback(const Napi::CallbackInfo & info);
    Napi::Value js_generate(const Napi::CallbackInfo & info);
    Napi::Value js_save_cells(const Napi::CallbackInfo & info);
    Napi::Value js_load_cells(const Napi::CallbackInfo & info);
    Napi::Value js_read_documents(const Napi::CallbackInfo & info);
    Napi::Value js_put_documents(const Napi::CallbackInfo & info);
    Napi::Value js_dispose(const Napi::CallbackInfo & info);

    // The context, if it is alive and no other call is using it: throws DISPOSED or BUSY otherwise.
    std::shared_ptr<Context> require(Napi::Env env) const;
    // Marks the context busy, and keeps this object alive, until the last share of what is returned goes: on the JavaScript
    // thread, with the worker that has it, or on the way out of whatever throws before there is one.
    std::shared_ptr<void> claim(const Napi::CallbackInfo & info);

    std::shared_ptr<Context> context_;
    bool                     busy_ = false;
    ExternalMemory           memory_;
};

}  // namespace qrhead
