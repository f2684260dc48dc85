#pragma once

#include "external_memory.h"
#include "writer.h"

#include <memory>
#include <napi.h>

namespace qrhead {

class WriterObject : public Napi::ObjectWrap<WriterObject> {
  public:
    static Napi::Function define(Napi::Env env);
    // Makes the writer on a thread of the pool.
    static Napi::Value    create(const Napi::CallbackInfo & info, std::shared_ptr<Model> model);

    explicit WriterObject(const Napi::CallbackInfo & info);

  private:
    Napi::Value js_position(const Napi::CallbackInfo & info);
    Napi::Value js_context_size(const Napi::CallbackInfo & info);
    Napi::Value js_read(const Napi::CallbackInfo & info);
    Napi::Value js_next(const Napi::CallbackInfo & info);
    Napi::Value js_prompt_logits(const Napi::CallbackInfo & info);
    Napi::Value js_dispose(const Napi::CallbackInfo & info);

    // The writer, if it is alive and no other call is using it: throws DISPOSED or BUSY otherwise.
    std::shared_ptr<Writer> require(Napi::Env env) const;
    // Marks the writer busy, and keeps this object alive, until the last share of what is returned goes.
    std::shared_ptr<void> claim(const Napi::CallbackInfo & info);

    std::shared_ptr<Writer> writer_;
    bool                    busy_ = false;
    ExternalMemory          memory_;
};

}  // namespace qrhead
