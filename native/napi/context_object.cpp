#include "context_object.h"

#include "addon_data.h"
#include "attention_object.h"
#include "cancellation_object.h"
#include "cell_state_object.h"
#include "convert.h"
#include "free_memory.h"
#include "promise_worker.h"
#include "type_tag.h"

namespace qrhead {

static constexpr napi_type_tag type_tag = { 0x7c1e5a90b4d24f38, 0xa36f0d8e2b9c5174 };

ContextObject::ContextObject(const Napi::CallbackInfo & info) : Napi::ObjectWrap<ContextObject>(info) {
    info.This().As<Napi::Object>().TypeTag(&type_tag);
}

Napi::Function ContextObject::define(Napi::Env env) {
    return DefineClass(env, "Context",
                       { InstanceAccessor<&ContextObject::js_position>("position"),
                         InstanceAccessor<&ContextObject::js_context_size>("contextSize"),
                         InstanceAccessor<&ContextObject::js_batch_size>("batchSize"),
                         InstanceMethod<&ContextObject::js_prefill>("prefill"),
                         InstanceMethod<&ContextObject::js_observe>("observe"),
                         InstanceMethod<&ContextObject::js_read_opening>("readOpening"),
                         InstanceMethod<&ContextObject::js_save_opening>("saveOpening"),
                         InstanceMethod<&ContextObject::js_load_opening>("loadOpening"),
                         InstanceMethod<&ContextObject::js_tiles_pay>("tilesPay"),
                         InstanceMethod<&ContextObject::js_rollback>("rollback"),
                         InstanceMethod<&ContextObject::js_generate>("generate"),
                         InstanceMethod<&ContextObject::js_save_cells>("saveCells"),
                         InstanceMethod<&ContextObject::js_load_cells>("loadCells"),
                         InstanceMethod<&ContextObject::js_read_documents>("readDocuments"),
                         InstanceMethod<&ContextObject::js_put_documents>("putDocuments"),
                         InstanceMethod<&ContextObject::js_dispose>("dispose") });
}

Napi::Value ContextObject::create(Napi::Env env, std::shared_ptr<Context> context) {
    Napi::Object object = AddonData::of(env).context_class.New({});
    auto *       self   = Unwrap(object);
    self->memory_.set(env, context->n_bytes());
    self->context_ = std::move(context);
    return object;
}

std::shared_ptr<Context> ContextObject::require(Napi::Env env) const {
    if (!context_) {
        throw coded_error(env, "DISPOSED", "The context has been disposed");
    }
    if (busy_) {
        throw coded_error(env, "BUSY", "The context is busy with another call");
    }
    return context_;
}

std::shared_ptr<void> ContextObject::claim(const Napi::CallbackInfo & info) {
    require(info.Env());
    auto self = std::make_shared<Napi::ObjectReference>(Napi::Persistent(info.This().As<Napi::Object>()));
    busy_ = true;
    // The deleter also runs if the shared pointer cannot allocate its count.
    return std::shared_ptr<void>(nullptr, [this, self](void *) { busy_ = false; });
}

Napi::Value ContextObject::js_position(const Napi::CallbackInfo & info) {
    require_receiver(info, type_tag, "Context");
    return Napi::Number::New(info.Env(), static_cast<double>(require(info.Env())->position()));
}

Napi::Value ContextObject::js_context_size(const Napi::CallbackInfo & info) {
    require_receiver(info, type_tag, "Context");
    return Napi::Number::New(info.Env(), require(info.Env())->n_ctx());
}

Napi::Value ContextObject::js_batch_size(const Napi::CallbackInfo & info) {
    require_receiver(info, type_tag, "Context");
    return Napi::Number::New(info.Env(), require(info.Env())->n_ubatch());
}

Napi::Value ContextObject::js_prefill(const Napi::CallbackInfo & info) {
    auto tokens       = require_int32_array(info[0], "tokens");
    auto cancellation = CancellationObject::read(info[1]);
    auto claimed      = claim(info);
    auto progress     = to_progress(info[2], cancellation.environment);
    return PromiseWorker<bool>::run(
        info.Env(), "qrhead.prefill",
        [context = context_, tokens, cancellation, report = progress.report] {
            context->prefill(tokens, cancellation, [&report](size_t done) { report(static_cast<double>(done)); });
            return true;
        },
        [](Napi::Env env, bool &) { return env.Undefined(); },
        { progress.lifetime, claimed });
}

Napi::Value ContextObject::js_observe(const Napi::CallbackInfo & info) {
    auto branches     = require_int32_arrays(info[0], "branches");
    auto rows         = to_rows(info[1]);
    auto go           = to_rows_go(info[1]);
    auto cancellation = CancellationObject::read(info[2]);
    auto claimed      = claim(info);
    auto progress     = to_progress(info[3], cancellation.environment);
    return PromiseWorker<std::vector<std::shared_ptr<Attention>>>::run(
        info.Env(), "qrhead.observe",
        [context = context_, branches, rows, go, cancellation, report = progress.report] {
            return context->observe(branches, rows, cancellation, [&report](size_t done) { report(static_cast<double>(done)); }, go);
        },
        [](Napi::Env env, std::vector<std::shared_ptr<Attention>> & attentions) {
            auto result = Napi::Array::New(env, attentions.size());
            for (uint32_t i = 0; i < attentions.size(); i++) {
                result.Set(i, AttentionObject::create(env, std::move(attentions[i])));
            }
            return result;
        },
        { progress.lifetime, claimed });
}

Napi::Value ContextObject::js_read_opening(const Napi::CallbackInfo & info) {
    auto tokens       = require_int32_array(info[0], "tokens");
    auto rows         = to_rows(info[1]);
    auto cancellation = CancellationObject::read(info[2]);
    auto claimed      = claim(info);
    return PromiseWorker<bool>::run(
        info.Env(), "qrhead.readOpening",
        [context = context_, tokens, rows, cancellation] {
            context->read_opening(tokens, rows, cancellation);
            return true;
        },
        [](Napi::Env env, bool &) { return env.Undefined(); }, { claimed });
}

Napi::Value ContextObject::js_save_opening(const Napi::CallbackInfo & info) {
    auto claimed = claim(info);
    return PromiseWorker<SavedOpening>::run(
        info.Env(), "qrhead.saveOpening", [context = context_] { return context->save_opening(); },
        [](Napi::Env env, SavedOpening & opening) {
            auto result = Napi::Object::New(env);
            result.Set("sums", from_floats(env, opening.sums));
            result.Set("cells", CellStateObject::create(env, std::move(opening.cells)));
            return result;
        },
        { claimed });
}

Napi::Value ContextObject::js_load_opening(const Napi::CallbackInfo & info) {
    const auto opening = require_object(info[0], "opening");
    auto       cells   = CellStateObject::read(opening.Get("cells"));
    auto       sums    = optional_float32_array(opening.Get("sums"), "sums");
    auto       rows    = to_rows(info[1]);
    auto       claimed = claim(info);
    return PromiseWorker<bool>::run(
        info.Env(), "qrhead.loadOpening",
        [context = context_, cells, sums, rows] {
            context->load_opening({ *cells, sums }, rows);
            return true;
        },
        [](Napi::Env env, bool &) { return env.Undefined(); }, { claimed });
}

Napi::Value ContextObject::js_tiles_pay(const Napi::CallbackInfo & info) {
    return Napi::Boolean::New(info.Env(), require(info.Env())->tiles_pay(to_query_rows(info[0])));
}

void ContextObject::js_rollback(const Napi::CallbackInfo & info) {
    const double position = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : -1.0;
    auto         context  = require(info.Env());
    if (!(position >= 0.0 && position <= context->n_ctx())) {
        throw Napi::RangeError::New(info.Env(), "Expected a position from 0 to " + std::to_string(context->n_ctx()));
    }
    try {
        context->rollback(static_cast<size_t>(position));
    } catch (const EngineError & error) {
        throw coded_error(info.Env(), error.code(), error.what());
    }
}

Napi::Value ContextObject::js_generate(const Napi::CallbackInfo & info) {
    const auto options      = require_object(info[0], "options");
    const auto last         = static_cast<llama_token>(require_number(options, "last", 0, INT32_MAX));
    const auto n_max        = static_cast<size_t>(require_number(options, "maxTokens", 1, 1 << 20));
    auto       cancellation = CancellationObject::read(info[1]);
    auto       claimed      = claim(info);
    auto       probe        = to_progress(info.Env().Undefined(), cancellation.environment);
    return PromiseWorker<Generation>::run(
        info.Env(), "qrhead.generate",
        [context = context_, last, n_max, cancellation, report = probe.report] {
            return context->generate(last, n_max, cancellation, [&report](size_t done) { report(static_cast<double>(done)); });
        },
        [](Napi::Env env, Generation & generation) {
            auto result   = Napi::Object::New(env);
            auto tokens   = Napi::Int32Array::New(env, generation.tokens.size());
            auto attended = Napi::Int32Array::New(env, generation.attended.size());
            std::copy(generation.tokens.begin(), generation.tokens.end(), tokens.Data());
            std::copy(generation.attended.begin(), generation.attended.end(), attended.Data());
            result.Set("tokens", tokens);
            result.Set("attended", attended);
            auto text = Napi::Uint8Array::New(env, generation.text.size());
            std::copy(generation.text.begin(), generation.text.end(), text.Data());
            result.Set("text", text);
            return result;
        },
        { probe.lifetime, claimed });
}

Napi::Value ContextObject::js_save_cells(const Napi::CallbackInfo & info) {
    auto claimed = claim(info);
    return PromiseWorker<CellState>::run(
        info.Env(), "qrhead.saveCells", [context = context_] { return context->save_cells(); },
        [](Napi::Env env, CellState & state) { return CellStateObject::create(env, std::move(state)); }, { claimed });
}

Napi::Value ContextObject::js_load_cells(const Napi::CallbackInfo & info) {
    auto state   = CellStateObject::read(info[0]);
    auto claimed = claim(info);
    return PromiseWorker<bool>::run(
        info.Env(), "qrhead.loadCells",
        [context = context_, state] {
            context->load_cells(*state);
            return true;
        },
        [](Napi::Env env, bool &) { return env.Undefined(); }, { claimed });
}

Napi::Value ContextObject::js_read_documents(const Napi::CallbackInfo & info) {
    auto       documents    = require_int32_arrays(info[0], "documents");
    const auto options      = require_object(info[1], "options");
    const auto reading      = Reading{ require_bool(options, "keep"), require_bool(options, "copy") };
    auto       cancellation = CancellationObject::read(info[2]);
    auto       claimed      = claim(info);
    auto       progress     = to_progress(info[3], cancellation.environment);
    return PromiseWorker<std::vector<CellState>>::run(
        info.Env(), "qrhead.readDocuments",
        [context = context_, documents, reading, cancellation, report = progress.report] {
            return context->read_documents(documents, reading, cancellation, [&report](size_t done) { report(static_cast<double>(done)); });
        },
        [](Napi::Env env, std::vector<CellState> & states) {
            auto result = Napi::Array::New(env, states.size());
            for (uint32_t i = 0; i < states.size(); i++) {
                result.Set(i, CellStateObject::create(env, std::move(states[i])));
            }
            return result;
        },
        { progress.lifetime, claimed });
}

Napi::Value ContextObject::js_put_documents(const Napi::CallbackInfo & info) {
    if (!info[0].IsArray()) {
        throw Napi::TypeError::New(info.Env(), "Expected an array of CellState for documents");
    }
    const auto                                    array = info[0].As<Napi::Array>();
    std::vector<std::shared_ptr<const CellState>> documents;
    for (uint32_t i = 0; i < array.Length(); i++) {
        documents.push_back(CellStateObject::read(array.Get(i)));
    }
    auto claimed = claim(info);
    return PromiseWorker<bool>::run(
        info.Env(), "qrhead.putDocuments",
        [context = context_, documents] {
            context->put_documents(documents);
            return true;
        },
        [](Napi::Env env, bool &) { return env.Undefined(); }, { claimed });
}

// The last owner frees the context, and that is this worker unless a call is still running.
Napi::Value ContextObject::js_dispose(const Napi::CallbackInfo & info) {
    memory_.set(info.Env(), 0);
    return PromiseWorker<bool>::run(
        info.Env(), "qrhead.disposeContext", [context = std::exchange(context_, nullptr)]() mutable {
            context.reset();
            return_freed_memory();
            return true;
        },
        [](Napi::Env env, bool &) { return env.Undefined(); });
}

}  // namespace qrhead
