#include "cancellation_object.h"

#include "addon_data.h"
#include "type_tag.h"

namespace qrhead {

Napi::Function CancellationObject::define(Napi::Env env) {
    return DefineClass(env, "Cancellation",
                       { InstanceMethod<&CancellationObject::js_cancel>("cancel"),
                         InstanceAccessor<&CancellationObject::js_cancelled>("cancelled") });
}

static constexpr napi_type_tag type_tag = { 0x2f6d1c0b7a9e4853, 0x9b3e5d7f1a2c4e60 };

CancellationObject::CancellationObject(const Napi::CallbackInfo & info) : Napi::ObjectWrap<CancellationObject>(info) {
    info.This().As<Napi::Object>().TypeTag(&type_tag);
}

Cancellation CancellationObject::read(const Napi::Value & value) {
    if (!has_tag(value, type_tag)) {
        throw Napi::TypeError::New(value.Env(), "Expected a Cancellation for cancellation");
    }
    return { Unwrap(value.As<Napi::Object>())->flag_, AddonData::of(value.Env()).shutting_down };
}

Cancellation CancellationObject::read_optional(const Napi::Value & value) {
    return value.IsUndefined() ? Cancellation{ nullptr, AddonData::of(value.Env()).shutting_down } : read(value);
}

void CancellationObject::js_cancel(const Napi::CallbackInfo & /*info*/) {
    *flag_ = true;
}

Napi::Value CancellationObject::js_cancelled(const Napi::CallbackInfo & info) {
    require_receiver(info, type_tag, "Cancellation");
    return Napi::Boolean::New(info.Env(), *flag_);
}

}  // namespace qrhead
