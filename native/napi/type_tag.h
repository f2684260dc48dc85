#pragma once

#include <napi.h>

namespace qrhead {

// Marks the objects of a class. The tag and not the prototype decides, because JavaScript can exchange the prototype.
inline bool has_tag(const Napi::Value & value, const napi_type_tag & tag) {
    return value.IsObject() && value.As<Napi::Object>().CheckTypeTag(&tag);
}

// For property getters. V8 checks the class of the object that a method is called on, but not for getters: called on an object
// of another class they would misread its memory.
inline void require_receiver(const Napi::CallbackInfo & info, const napi_type_tag & tag, const char * class_name) {
    if (!has_tag(info.This(), tag)) {
        throw Napi::TypeError::New(info.Env(), std::string("Expected a ") + class_name + " for this");
    }
}

}  // namespace qrhead
