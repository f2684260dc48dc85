#include "model_object.h"

#include "addon_data.h"
#include "cancellation_object.h"
#include "context_object.h"
#include "convert.h"
#include "free_memory.h"
#include "promise_worker.h"
#include "warm_up.h"
#include "writer_object.h"

namespace qrhead {

Napi::Function ModelObject::define(Napi::Env env) {
    return DefineClass(env, "Model",
                       { InstanceMethod<&ModelObject::js_info>("info"),
                         InstanceMethod<&ModelObject::js_tokenize>("tokenize"),
                         InstanceMethod<&ModelObject::js_create_context>("createContext"),
                         InstanceMethod<&ModelObject::js_create_writer>("createWriter"),
                         InstanceMethod<&ModelObject::js_dispose>("dispose") });
}

Napi::Value ModelObject::js_load(const Napi::CallbackInfo & info) {
    const auto   object = require_object(info[0], "options");
    ModelOptions options;
    options.path         = require_string(object, "path");
    options.n_gpu_layers = static_cast<int32_t>(require_number(object, "gpuLayers", -1, 1 << 20));
    options.use_mmap     = require_bool(object, "useMmap");
    if (object.Has("usedLayers")) {
        options.n_used_layers = static_cast<int32_t>(require_number(object, "usedLayers", 1, 1 << 20));
    }
    options.check_tensors = object.Has("checkTensors") && require_bool(object, "checkTensors");
    auto cancellation    = CancellationObject::read(info[1]);
    auto progress        = to_progress(info[2], cancellation.environment);
    return PromiseWorker<std::shared_ptr<Model>>::run(
        info.Env(), "qrhead.loadModel",
        [options, cancellation, report = progress.report] { return Model::load(options, cancellation, report); },
        [](Napi::Env env, std::shared_ptr<Model> & model) {
            Napi::Object object = AddonData::of(env).model_class.New({});
            auto *       self   = Unwrap(object);
            self->memory_.set(env, model->info().n_bytes);
            self->model_ = std::move(model);
            return object;
        },
        { progress.lifetime });
}

Napi::Value ModelObject::js_describe(const Napi::CallbackInfo & info) {
    auto path         = require_string(require_object(info[0], "options"), "path");
    auto cancellation = CancellationObject::read(info[1]);
    return PromiseWorker<ModelInfo>::run(
        info.Env(), "qrhead.describeModel", [path, cancellation] { return Model::describe(path, cancellation); },
        [](Napi::Env env, ModelInfo & described) { return from_model_info(env, described); });
}

std::shared_ptr<Model> ModelObject::require(Napi::Env env) const {
    if (!model_) {
        throw coded_error(env, "DISPOSED", "The model has been disposed");
    }
    return model_;
}

Napi::Value ModelObject::js_info(const Napi::CallbackInfo & info) {
    return from_model_info(info.Env(), require(info.Env())->info());
}

Napi::Value ModelObject::js_tokenize(const Napi::CallbackInfo & info) {
    auto model  = require(info.Env());
    auto pieces = to_prompt_pieces(info[0]);
    auto cancellation = CancellationObject::read_optional(info[1]);
    return PromiseWorker<Tokenization>::run(
        info.Env(), "qrhead.tokenize", [model, pieces, cancellation] { return tokenize(*model, pieces, cancellation); },
        [](Napi::Env env, Tokenization & tokenization) { return from_tokenization(env, tokenization); });
}

Napi::Value ModelObject::js_create_context(const Napi::CallbackInfo & info) {
    auto model   = require(info.Env());
    auto options = to_context_options(info[0]);
    auto cancellation = CancellationObject::read_optional(info[1]);
    return PromiseWorker<std::shared_ptr<Context>>::run(
        info.Env(), "qrhead.createContext",
        [model, options, cancellation] {
            cancellation.throw_if_requested();  // while it waited for a thread; llama.cpp's own part cannot be stopped
            auto context = std::make_shared<Context>(model, options);
            if (model->info().is_on_device) {
                warm_up(*context, cancellation);
            }
            return context;
        },
        [](Napi::Env env, std::shared_ptr<Context> & context) { return ContextObject::create(env, std::move(context)); });
}

Napi::Value ModelObject::js_create_writer(const Napi::CallbackInfo & info) {
    return WriterObject::create(info, require(info.Env()));
}

// Contexts own a share of their model, so the weights go when the last of them does.
Napi::Value ModelObject::js_dispose(const Napi::CallbackInfo & info) {
    memory_.set(info.Env(), 0);
    return PromiseWorker<bool>::run(
        info.Env(), "qrhead.disposeModel", [model = std::exchange(model_, nullptr)]() mutable {
            model.reset();
            return_freed_memory();
            return true;
        },
        [](Napi::Env env, bool &) { return env.Undefined(); });
}

}  // namespace qrhead
