#include "addon_data.h"
#include "attention_object.h"
#include "cancellation_object.h"
#include "cell_state_object.h"
#include "context_object.h"
#include "convert.h"
#include "dynamic_library.h"
#include "free_memory.h"
#include "llama_api.h"
#include "log_guard.h"
#include "model_object.h"
#include "promise_worker.h"
#include "writer_object.h"

namespace qrhead {

static Napi::Value js_can_open_library(const Napi::CallbackInfo & info) {
    const std::string name = info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : "";
    return Napi::Boolean::New(info.Env(), !name.empty() && DynamicLibrary::can_open(name));
}

// Loading a driver's libraries takes seconds on some machines, and asking a GPU for its memory may wait for it.
static Napi::Value js_bind(const Napi::CallbackInfo & info) {
    const auto         object = require_object(info[0], "options");
    const LibraryPaths paths{ require_string(object, "directory"), require_string(object, "llama"),
                              require_string(object, "ggml"), require_string(object, "ggmlBase"),
                              object.Has("release") ? require_string(object, "release") : "" };
    return PromiseWorker<bool>::run(
        info.Env(), "qrhead.bind",
        [paths] {
            bind_llama(paths);
            return true;
        },
        [](Napi::Env env, bool &) { return env.Undefined(); });
}

static Napi::Value js_load_backends(const Napi::CallbackInfo & info) {
    const std::string directory = info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : "";
    const std::string file      = info[1].IsString() ? info[1].As<Napi::String>().Utf8Value() : "";
    return PromiseWorker<bool>::run(
        info.Env(), "qrhead.loadBackends",
        [directory, file] {
            LogGuard log(api());
            if (!file.empty()) {
                return api().ggml_backend_load((directory + "/" + file).c_str()) != nullptr;
            }
            api().ggml_backend_load_all_from_path(directory.c_str());
            return true;
        },
        [](Napi::Env env, bool &) { return env.Undefined(); });
}

static Napi::Value from_devices(Napi::Env env, const std::vector<DeviceInfo> & found) {
    auto devices = Napi::Array::New(env);
    for (const auto & device : found) {
        auto object = Napi::Object::New(env);
        object.Set("name", device.name);
        object.Set("description", device.description);
        object.Set("type", device.type);
        if (!device.failure.empty()) {
            object.Set("failure", device.failure);
        }
        object.Set("memoryTotal", static_cast<double>(device.memory_total));
        object.Set("memoryFree", static_cast<double>(device.memory_free));
        devices.Set(devices.Length(), object);
    }
    auto result = Napi::Object::New(env);
    result.Set("version", api().llama_version());
    result.Set("directory", api().directory);
    result.Set("devices", devices);
    result.Set("supportsGpuOffload", api().llama_supports_gpu_offload());
    result.Set("supportsMmap", api().llama_supports_mmap());
    return result;
}

static Napi::Value js_library_info(const Napi::CallbackInfo & info) {
    return PromiseWorker<std::vector<DeviceInfo>>::run(
        info.Env(), "qrhead.libraryInfo", [] { return list_devices(); },
        [](Napi::Env env, std::vector<DeviceInfo> & devices) { return from_devices(env, devices); });
}

static Napi::Value js_slim_model(const Napi::CallbackInfo & info) {
    const auto object   = require_object(info[0], "options");
    const auto input    = require_string(object, "input");
    const auto output   = require_string(object, "output");
    const auto n_keep   = static_cast<int32_t>(require_number(object, "layers", 1, 1 << 20));
    const auto n_layer  = static_cast<int32_t>(require_number(object, "totalLayers", 1, 1 << 20));
    const auto metadata = require_object(object.Get("metadata"), "metadata");
    std::map<std::string, std::string> entries;
    const auto keys = metadata.GetPropertyNames();
    for (uint32_t i = 0; i < keys.Length(); i++) {
        const std::string key = keys.Get(i).ToString();
        entries[key]          = require_string(metadata, key.c_str());
    }
    const auto cancellation = CancellationObject::read_optional(info[1]);
    return PromiseWorker<bool>::run(
        info.Env(), "qrhead.slimModel",
        [=] {
            cancellation.throw_if_requested();
            write_slim_model(input, output, n_keep, n_layer, entries);
            return true;
        },
        [](Napi::Env env, bool &) { return env.Undefined(); });
}

// process.exit and an uncaught error wait for the thread pool, and run cleanup hooks after that or never: without this they
// would wait for the end of a long prompt.
static void cancel_work_on_exit(Napi::Env env, const CancelFlag & shutting_down) {
    const Napi::Value process = env.Global().Get("process");
    const Napi::Value once    = process.IsObject() ? process.As<Napi::Object>().Get("once") : env.Undefined();
    if (once.IsFunction()) {
        auto listener = Napi::Function::New(env, [shutting_down](const Napi::CallbackInfo &) { *shutting_down = true; });
        once.As<Napi::Function>().Call(process, { Napi::String::New(env, "exit"), listener });
    }
}

static Napi::Object initialize(Napi::Env env, Napi::Object exports) {
    return_memory_early();
    auto * data = new AddonData();
    env.SetInstanceData(data);
    cancel_work_on_exit(env, data->shutting_down);

    data->cancellation_class = Napi::Persistent(CancellationObject::define(env));
    data->model_class        = Napi::Persistent(ModelObject::define(env));
    data->context_class      = Napi::Persistent(ContextObject::define(env));
    data->attention_class    = Napi::Persistent(AttentionObject::define(env));
    data->cell_state_class   = Napi::Persistent(CellStateObject::define(env));
    data->writer_class       = Napi::Persistent(WriterObject::define(env));

    exports.Set("compiledVersion", compiled_llama_version());
    exports.Set("canOpenLibrary", Napi::Function::New<js_can_open_library>(env, "canOpenLibrary"));
    exports.Set("bind", Napi::Function::New<js_bind>(env, "bind"));
    exports.Set("loadBackends", Napi::Function::New<js_load_backends>(env, "loadBackends"));
    exports.Set("libraryInfo", Napi::Function::New<js_library_info>(env, "libraryInfo"));
    exports.Set("Cancellation", data->cancellation_class.Value());
    exports.Set("CellState", data->cell_state_class.Value());
    exports.Set("loadModel", Napi::Function::New<ModelObject::js_load>(env, "loadModel"));
    exports.Set("describeModel", Napi::Function::New<ModelObject::js_describe>(env, "describeModel"));
    exports.Set("slimModel", Napi::Function::New<js_slim_model>(env, "slimModel"));
    return exports;
}

}  // namespace qrhead

static Napi::Object qrhead_initialize(Napi::Env env, Napi::Object exports) {
    return qrhead::initialize(env, exports);
}

NODE_API_MODULE(qrhead, qrhead_initialize)
