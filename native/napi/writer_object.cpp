#include "writer_object.h"

#include "addon_data.h"
#include "cancellation_object.h"
#include "convert.h"
#include "free_memory.h"
#include "promise_worker.h"
#include "type_tag.h"

namespace qrhead {

static constexpr napi_type_tag type_tag = { 0x5d0b7e3a91c84f26, 0xb27c4e1fa8d36095 };

WriterObject::WriterObject(const Napi::CallbackInfo & info) : Napi::ObjectWrap<WriterObject>(info) {
    info.This().As<Napi::Object>().TypeTag(&type_tag);
}

Napi::Function WriterObject::define(Napi::Env env) {
    return DefineClass(env, "Writer",
                       { InstanceAccessor<&WriterObject::js_position>("position"),
                         InstanceAccessor<&WriterObject::js_context_size>("contextSize"),
                         InstanceMethod<&WriterObject::js_read>("read"),
                         InstanceMethod<&WriterObject::js_next>("next"),
                         InstanceMethod<&WriterObject::js_prompt_logits>("promptLogits"),
                         InstanceMethod<&WriterObject::js_dispose>("dispose") });
}

static Sampling to_sampling(const Napi::Object & object) {
    Sampling sampling;
    sampling.temperature    = static_cast<float>(require_number(object, "temperature", 0, 1e6));
    sampling.top_k          = static_cast<int32_t>(require_number(object, "topK", 0, 1 << 30));
    sampling.top_p          = static_cast<float>(require_number(object, "topP", 0, 1));
    // For llama.cpp the largest 32-bit number means a random seed.
    sampling.seed           = static_cast<uint32_t>(require_number(object, "seed", 0, UINT32_MAX - 1.0));
    sampling.repeat_penalty = static_cast<float>(require_number(object, "repeatPenalty", 1, 1e6));
    return sampling;
}

Napi::Value WriterObject::create(const Napi::CallbackInfo & info, std::shared_ptr<Model> model) {
    auto options      = to_cache_options(info[0]);
    auto cancellation = CancellationObject::read_optional(info[1]);
    return PromiseWorker<std::shared_ptr<Writer>>::run(
        info.Env(), "qrhead.createWriter",
        [model, options, cancellation] {
            cancellation.throw_if_requested();  // while it waited for a thread; llama.cpp's own part cannot be stopped
            return std::make_shared<Writer>(model, options);
        },
        [](Napi::Env env, std::shared_ptr<Writer> & writer) {
            Napi::Object object = AddonData::of(env).writer_class.New({});
            auto *       self   = Unwrap(object);
            self->memory_.set(env, writer->n_bytes());
            self->writer_ = std::move(writer);
            return object;
        });
}

std::shared_ptr<Writer> WriterObject::require(Napi::Env env) const {
    if (!writer_) {
        throw coded_error(env, "DISPOSED", "The writer has been disposed");
    }
    if (busy_) {
        throw coded_error(env, "BUSY", "The writer is busy with another call");
    }
    return writer_;
}

std::shared_ptr<void> WriterObject::claim(const Napi::CallbackInfo & info) {
    require(info.Env());
    auto self = std::make_shared<Napi::ObjectReference>(Napi::Persistent(info.This().As<Napi::Object>()));
    busy_ = true;
    // The deleter also runs if the shared pointer cannot allocate its count.
    return std::shared_ptr<void>(nullptr, [this, self](void *) { busy_ = false; });
}

Napi::Value WriterObject::js_position(const Napi::CallbackInfo & info) {
    require_receiver(info, type_tag, "Writer");
    return Napi::Number::New(info.Env(), static_cast<double>(require(info.Env())->position()));
}

Napi::Value WriterObject::js_context_size(const Napi::CallbackInfo & info) {
    require_receiver(info, type_tag, "Writer");
    return Napi::Number::New(info.Env(), require(info.Env())->n_ctx());
}

Napi::Value WriterObject::js_read(const Napi::CallbackInfo & info) {
    auto       prompt       = require_int32_array(info[0], "prompt");
    const auto options      = require_object(info[1], "options");
    const bool afresh       = require_bool(options, "afresh");
    const auto sampling     = to_sampling(options);
    auto       cancellation = CancellationObject::read(info[2]);
    auto       claimed      = claim(info);
    auto       progress     = to_progress(info[3], cancellation.environment);
    return PromiseWorker<size_t>::run(
        info.Env(), "qrhead.readPrompt",
        [writer = writer_, prompt, afresh, sampling, cancellation, report = progress.report] {
            return writer->read(prompt, afresh, sampling, cancellation,
                                [&report](size_t done) { report(static_cast<double>(done)); });
        },
        [](Napi::Env env, size_t & n_kept) { return Napi::Number::New(env, static_cast<double>(n_kept)); },
        { progress.lifetime, claimed });
}

Napi::Value WriterObject::js_next(const Napi::CallbackInfo & info) {
    auto cancellation = CancellationObject::read(info[0]);
    auto claimed      = claim(info);
    return PromiseWorker<WrittenToken>::run(
        info.Env(), "qrhead.nextToken", [writer = writer_, cancellation] { return writer->next(cancellation); },
        [](Napi::Env env, WrittenToken & token) {
            auto result = Napi::Object::New(env);
            auto text   = Napi::Uint8Array::New(env, token.text.size());
            std::copy(token.text.begin(), token.text.end(), text.Data());
            result.Set("token", token.id);
            result.Set("text", text);
            result.Set("end", token.end);
            return result;
        },
        { claimed });
}

Napi::Value WriterObject::js_prompt_logits(const Napi::CallbackInfo & info) {
    require_receiver(info, type_tag, "Writer");
    const auto writer = require(info.Env());
    try {
        return from_floats(info.Env(), writer->prompt_logits());
    } catch (const EngineError & error) {
        throw coded_error(info.Env(), error.code(), error.what());
    }
}

// The last owner frees the cache, and that is this worker unless a call is still running.
Napi::Value WriterObject::js_dispose(const Napi::CallbackInfo & info) {
    memory_.set(info.Env(), 0);
    return PromiseWorker<bool>::run(
        info.Env(), "qrhead.disposeWriter", [writer = std::exchange(writer_, nullptr)]() mutable {
            writer.reset();
            return_freed_memory();
            return true;
        },
        [](Napi::Env env, bool &) { return env.Undefined(); });
}

}  // namespace qrhead
