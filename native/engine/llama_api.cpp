#include "llama_api.h"

#include "abi_check.h"
#include "assertions.h"
#include "device_trial.h"
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

std::string folder_of(const std::string & file) {
    const size_t slash = file.find_last_of("/\\");
    return slash == std::string::npos ? "." : file.substr(0, slash);
}

std::string name_of(const std::string & file) {
    return file.substr(file.find_last_of("/\\") + 1);
}

std::string text_of(const DynamicLibrary & library, const char * function) {
    const auto text = reinterpret_cast<const char * (*)()>(library.find(function));
    return text != nullptr ? text() : "";
}

// The system's loader knows a library by its name, and libggml-base has the same name in every release. The first
// one in a process serves everybody who asks for it. That is harmless for the same build; another build has another ABI.
void refuse_other_base(const DynamicLibrary & own, const DynamicLibrary & in_use, const LibraryPaths & paths) {
    const void * address = in_use.find("ggml_version");
    if (address == nullptr || address == own.find("ggml_version")) {
        return;
    }
    if (text_of(own, "ggml_version") == text_of(in_use, "ggml_version") &&
        text_of(own, "ggml_commit") == text_of(in_use, "ggml_commit")) {
        return;
    }
    throw EngineError("LIBRARY_MISMATCH", "This process already uses another build of llama.cpp, from " +
                                              folder_of(DynamicLibrary::file_of(address)) + " (ggml " +
                                              text_of(in_use, "ggml_version") + "), and the system would mix it with qrhead's from " +
                                              paths.directory + " (ggml " + text_of(own, "ggml_version") +
                                              "): use one release of node-llama-cpp, or run qrhead in another process");
}

void resolve(LlamaApi & target, const LibraryPaths & paths) {
    const auto base   = DynamicLibrary::open(paths.ggml_base);
    const auto shared = [&] { return DynamicLibrary::find_loaded(name_of(paths.ggml_base)); };
    const auto open   = [&](const std::string & path) {
        try {
            return DynamicLibrary::open(path);
        } catch (const EngineError &) {
            // The cause is most likely a function that the other build lacks.
            if (const auto in_use = shared()) {
                refuse_other_base(base, *in_use, paths);
            }
            throw;
        }
    };
    const auto ggml  = open(paths.ggml);
    const auto llama = open(paths.llama);
    refuse_other_base(base, llama, paths);
#ifdef _WIN32
    // A library finds only what it defines itself there.
    if (const auto in_use = shared()) {
        refuse_other_base(base, *in_use, paths);
    }
#endif
    // libllama comes first: its view of the others is the one that its own code has.
    auto find = [&](const char * name) {
        for (const auto * library : { &llama, &ggml, &base }) {
            if (void * address = library->find(name)) {
                return address;
            }
        }
        throw EngineError("LIBRARY_MISMATCH", std::string(name) + " is missing from " + paths.llama +
                                                  ": expected llama.cpp " + compiled_llama_version());
    };
#define QRHEAD_RESOLVE(name) target.name = reinterpret_cast<decltype(&::name)>(find(#name));
    QRHEAD_LLAMA_FUNCTIONS(QRHEAD_RESOLVE)
#undef QRHEAD_RESOLVE
    target.directory = paths.directory;
}

// Nearly every build calls itself "0.4.0-dev", whatever commit after 0.4.0 it is of. Such a build is taken when its builder
// says that it is of the release, or its commit is the one that the headers are of.
void check_release(const LlamaApi & llama, const LibraryPaths & paths) {
    const std::string wanted  = compiled_llama_version();
    const std::string found   = llama.llama_version();
    const std::string commit  = llama.ggml_commit();
    const std::string headers = QRHEAD_LLAMA_COMMIT;
    const bool        known   = paths.release == "v" + wanted || (commit.size() >= 7 && headers.rfind(commit, 0) == 0);
    if (found == wanted || (found == wanted + "-dev" && known)) {
        return;
    }
    throw EngineError("LIBRARY_MISMATCH", "The library is llama.cpp " + found + ", commit " + commit +
                                              ", but qrhead was compiled for " + wanted + ", commit " + headers.substr(0, 7) +
                                              " (" + paths.llama + "): use the libraries that node-llama-cpp brings, or build " +
                                              "them of the same release (`npx node-llama-cpp source build`)");
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
    check_release(candidate, paths);
    check_abi(candidate, paths.llama);
    bound = candidate;
    LogGuard log(bound);
    // Beside node-llama-cpp the backends may be registered already; ggml ignores a second registration.
    bound.ggml_backend_load_all_from_path(paths.directory.c_str());
    bound.llama_backend_init();
    if (bound.ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU) == nullptr) {
        throw EngineError("LIBRARY_NOT_FOUND", "No CPU backend could be loaded from " + paths.directory);
    }
    throw_failed_assertions(bound);
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
    LogGuard                log(llama);
    std::vector<DeviceInfo> devices;
    for (size_t i = 0; i < llama.ggml_backend_dev_count(); i++) {
        ggml_backend_dev_t device = llama.ggml_backend_dev_get(i);
        DeviceInfo         info;
        info.name        = llama.ggml_backend_dev_name(device);
        info.description = llama.ggml_backend_dev_description(device);
        info.type        = device_type_name(llama.ggml_backend_dev_type(device));
        info.failure     = info.type == "gpu" || info.type == "igpu" ? failure_of(device) : "";
        llama.ggml_backend_dev_memory(device, &info.memory_free, &info.memory_total);
        devices.push_back(info);
    }
    return devices;
}

}  // namespace qrhead
