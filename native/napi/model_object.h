#pragma once

#include "external_memory.h"
#include "model.h"

#include <memory>
#include <napi.h>

namespace qrhead {

class ModelObject : public Napi::ObjectWrap<ModelObject> {
  public:
    static Napi::Function define(Napi::Env env);
    static Napi::Value    js_load(const Napi::CallbackInfo & info);
    static Napi::Value    js_describe(const Napi::CallbackInfo & info);

    explicit ModelObject(const Napi::CallbackInfo & info) : Napi::ObjectWrap<ModelObject>(info) {}

  private:
    Napi::Value js_info(const Napi::CallbackInfo & info);
    Napi::Value js_tokenize(const Napi::CallbackInfo & info);
    Napi::Value js_create_context(const Napi::CallbackInfo & info);
    Napi::Value js_create_writer(const Napi::CallbackInfo & info);
    Napi::Value js_dispose(const Napi::CallbackInfo & info);

    std::shared_ptr<Model> require(Napi::Env env) const;

    std::shared_ptr<Model> model_;
    ExternalMemory         memory_;
};

}  // namespace qrhead
