#include "llama_api.h"

#include "dynamic_library.h"
#include "error.h"
#include "log_guard.h"

#include <atomic>
#include <mutex>

namespace qrhead {

namespace {

// Process-wide on purpose: the libraries keep process-wide state (backends, log callback) themselves.
std::mutex         bind_mutex;
LlamaApi           bound;
std::atomic<bool>  is_bound{ false };

void resolve(LlamaApi & target, const LibraryPaths & paths) {
    // Dependencies first. Windows finds a symbol in the library that defines it and nowhere else, so all three are asked.
    const DynamicLibrary libraries[] = {
        DynamicLibrary::open(paths.ggml_base),
        DynamicLibrary::open(paths.ggml),
        DynamicLibrary::open(paths.llama),
    };
    auto find = [&](const char * name) {
        for (const auto & library : libraries) {
            if (void * address = library.find(name)) {
                return address;
            }
        }
        throw EngineError("LIBRARY_MISMATCH", std::string(name) + " is missing from " + paths.llama +
                                                  ": expected llama.cpp " + compiled_llama_version());
    };
#define QRHEAD_RESOLVE(name) target.name = reinterpret_cast<decltype(target.name)>(find(#name));
    QRHEAD_LLAMA_FUNCTIONS(QRHEAD_RESOLVE)
#undef QRHEAD_RESOLVE
    target.directory = paths.directory;
}

// "0.4.0-dev" is a build of release 0.4.0.
bool same_release(const std::string & found) {
    const std::string wanted = compiled_llama_version();
    return found == wanted || found.rfind(wanted + "-", 0) == 0;
}

const char * device_type_name(enum ggml_backend_dev_type type) {
    switch (type) {
        case GGML_BACKEND_DEVICE_TYPE_CPU:  return "cpu";
        case GGML_BACKEND_DEVICE_TYPE_GPU:  return "gpu";
        case GGML_BACKEND_DEVICE_TYPE_IGPU: return "igpu";
        default:                            return "accel";
    }
}

}  // namespace

const char * compiled_llama_version() noexcept {
    return QRHEAD_LLAMA_VERSION;
}

void bind_llama(const LibraryPaths & paths) {
    std::lock_guard<std::mutex> lock(bind_mutex);
    if (is_bound) {
        if (bound.directory != paths.directory) {
            throw EngineError("LIBRARY_MISMATCH", "This process already uses llama.cpp from " + bound.directory +
                                                      " and cannot also use " + paths.directory +
                                                      ": choose one, or start another process");
        }
        return;
    }
    LlamaApi candidate;
    resolve(candidate, paths);
    const std::string found = candidate.llama_version();
    if (!same_release(found)) {
        throw EngineError("LIBRARY_MISMATCH", "The library is llama.cpp " + found + " but qrhead was compiled for " +
                                                  compiled_llama_version() + " (" + paths.llama + ")");
    }
    bound = candidate;
    LogGuard log(bound);
    // Beside node-llama-cpp the backends may be registered already; ggml ignores a second registration.
    bound.ggml_backend_load_all_from_path(paths.directory.c_str());
    bound.llama_backend_init();
    if (bound.ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU) == nullptr) {
        throw EngineError("LIBRARY_NOT_FOUND", "No CPU backend could be loaded from " + paths.directory);
    }
    is_bound = true;
}

const LlamaApi & api() {
    if (!is_bound) {
        throw EngineError("LIBRARY_NOT_FOUND", "llama.cpp has not been bound yet");
    }
    return bound;
}

std::vector<DeviceInfo> list_devices() {
    const auto & llama = api();
    std::vector<DeviceInfo> devices;
    for (size_t i = 0; i < llama.ggml_backend_dev_count(); i++) {
        ggml_backend_dev_t device = llama.ggml_backend_dev_get(i);
        DeviceInfo         info;
        info.name        = llama.ggml_backend_dev_name(device);
        info.description = llama.ggml_backend_dev_description(device);
        info.type        = device_type_name(llama.ggml_backend_dev_type(device));
        llama.ggml_backend_dev_memory(device, &info.memory_free, &info.memory_total);
        devices.push_back(info);
    }
    return devices;
}

}  // namespace qrhead
