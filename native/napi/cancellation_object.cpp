#include "cancellation_object.h"

#include "addon_data.h"

namespace qrhead {

Napi::Function CancellationObject::define(Napi::Env env) {
    return DefineClass(env, "Cancellation",
                       { InstanceMethod<&CancellationObject::js_cancel>("cancel"),
                         InstanceAccessor<&CancellationObject::js_cancelled>("cancelled") });
}

Cancellation CancellationObject::read(const Napi::Value & value) {
    auto & data = AddonData::of(value.Env());
    if (!value.IsObject() || !value.As<Napi::Object>().InstanceOf(data.cancellation_class.Value())) {
        throw Napi::TypeError::New(value.Env(), "Expected a Cancellation for cancellation");
    }
    return { Unwrap(value.As<Napi::Object>())->flag_, data.shutting_down };
}

void CancellationObject::js_cancel(const Napi::CallbackInfo & /*info*/) {
    *flag_ = true;
}

Napi::Value CancellationObject::js_cancelled(const Napi::CallbackInfo & info) {
    return Napi::Boolean::New(info.Env(), *flag_);
}

}  // namespace qrhead
