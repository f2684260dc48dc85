#include "cell_state_object.h"

#include "addon_data.h"
#include "type_tag.h"

#include <algorithm>

namespace qrhead {

static constexpr napi_type_tag type_tag = { 0x51b7d0c24f9e4a63, 0x9c0e6f13a8d27b54 };

Napi::Function CellStateObject::define(Napi::Env env) {
    return DefineClass(env, "CellState",
                       { InstanceAccessor<&CellStateObject::js_cells>("cells"),
                         InstanceAccessor<&CellStateObject::js_bytes>("bytes"),
                         InstanceMethod<&CellStateObject::js_slice>("slice"),
                         InstanceMethod<&CellStateObject::js_append>("append") });
}

// new CellState(cells, bytes) is empty, has room for so many bytes and waits for them.
CellStateObject::CellStateObject(const Napi::CallbackInfo & info) : Napi::ObjectWrap<CellStateObject>(info) {
    info.This().As<Napi::Object>().TypeTag(&type_tag);
    const double n_cells = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : 0.0;
    if (!(n_cells >= 0.0 && n_cells <= INT32_MAX)) {
        throw Napi::RangeError::New(info.Env(), "Expected 0 to 2147483647 cells");
    }
    const double n_bytes = info[1].IsNumber() ? info[1].As<Napi::Number>().DoubleValue() : 0.0;
    if (!(n_bytes >= 0.0 && n_bytes <= 9007199254740991.0)) {
        throw Napi::RangeError::New(info.Env(), "Expected a number of bytes of at least 0");
    }
    state_->n_cells = static_cast<size_t>(n_cells);
    try {
        state_->bytes.reserve(static_cast<size_t>(n_bytes));
    } catch (const std::exception &) {
        throw Napi::RangeError::New(info.Env(), "Out of memory");
    }
    memory_.set(info.Env(), state_->bytes.capacity());
}

Napi::Value CellStateObject::create(Napi::Env env, CellState state) {
    Napi::Object object = AddonData::of(env).cell_state_class.New({});
    auto *       self   = Unwrap(object);
    *self->state_       = std::move(state);
    self->memory_.set(env, self->state_->bytes.capacity());
    return object;
}

std::shared_ptr<const CellState> CellStateObject::read(const Napi::Value & value) {
    if (!has_tag(value, type_tag)) {
        throw Napi::TypeError::New(value.Env(), "Expected a CellState");
    }
    return Unwrap(value.As<Napi::Object>())->state_;
}

Napi::Value CellStateObject::js_cells(const Napi::CallbackInfo & info) {
    require_receiver(info, type_tag, "CellState");
    return Napi::Number::New(info.Env(), static_cast<double>(state_->n_cells));
}

Napi::Value CellStateObject::js_bytes(const Napi::CallbackInfo & info) {
    require_receiver(info, type_tag, "CellState");
    return Napi::Number::New(info.Env(), static_cast<double>(state_->bytes.size()));
}

Napi::Value CellStateObject::js_slice(const Napi::CallbackInfo & info) {
    const double begin = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : -1.0;
    const double end   = info[1].IsNumber() ? info[1].As<Napi::Number>().DoubleValue() : -1.0;
    if (!(begin >= 0.0 && begin <= end && end <= static_cast<double>(state_->bytes.size()))) {
        throw Napi::RangeError::New(info.Env(), "Expected a range within " + std::to_string(state_->bytes.size()) + " bytes");
    }
    const auto * data  = state_->bytes.data() + static_cast<size_t>(begin);
    auto         array = Napi::Uint8Array::New(info.Env(), static_cast<size_t>(end - begin));
    std::copy(data, data + array.ByteLength(), array.Data());
    return array;
}

void CellStateObject::js_append(const Napi::CallbackInfo & info) {
    if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
        throw Napi::TypeError::New(info.Env(), "Expected a Uint8Array");
    }
    if (state_.use_count() > 1) {
        throw Napi::TypeError::New(info.Env(), "Expected a CellState that nothing else uses");
    }
    const auto array = info[0].As<Napi::Uint8Array>();
    try {
        state_->bytes.insert(state_->bytes.end(), array.Data(), array.Data() + array.ByteLength());
    } catch (const std::exception &) {
        throw Napi::RangeError::New(info.Env(), "Out of memory");
    }
    memory_.set(info.Env(), state_->bytes.capacity());
}

}  // namespace qrhead
