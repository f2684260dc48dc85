#pragma once

#include <napi.h>

namespace qrhead {

// Marks the objects of a class: told by this and not by the prototype, which JavaScript may exchange.
inline bool has_tag(const Napi::Value & value, const napi_type_tag & tag) {
    return value.IsObject() && value.As<Napi::Object>().CheckTypeTag(&tag);
}

// For property getters. V8 checks whose object a method is called on, and does not for those: called on an object of another
// class they would take its memory for their own.
inline void require_receiver(const Napi::CallbackInfo & info, const napi_type_tag & tag, const char * class_name) {
    if (!has_tag(info.This(), tag)) {
        throw Napi::TypeError::New(info.Env(), std::string("Expected a ") + class_name + " for this");
    }
}

}  // namespace qrhead
