#include "device_trial.h"

#include "error.h"
#include "handles.h"
#include "log_guard.h"

#include <map>
#include <mutex>

namespace qrhead {

namespace {

std::string reason_or(const std::string & otherwise) {
    const std::string reason = LogGuard::first_error();
    return reason.empty() ? otherwise : reason;
}

std::string add_numbers(ggml_backend_dev_t device) {
    constexpr float  number  = 1.5f;
    constexpr size_t n_nodes = 4;
    const auto &     llama   = api();
    GgmlArena        arena(n_nodes * llama.ggml_tensor_overhead() + llama.ggml_graph_overhead_custom(n_nodes, false));
    ggml_tensor *    given = llama.ggml_new_tensor_3d(arena.get(), GGML_TYPE_F32, 1, 1, 1);
    ggml_tensor *    sum   = llama.ggml_add(arena.get(), given, given);
    ggml_cgraph *    graph = llama.ggml_new_graph_custom(arena.get(), n_nodes, false);
    llama.ggml_set_output(given);
    llama.ggml_set_output(sum);
    llama.ggml_build_forward_expand(graph, sum);

    BackendHandle   backend(llama.ggml_backend_dev_init(device, nullptr));
    AllocatorHandle allocator;
    try {
        if (!backend) {
            return reason_or("it could not be opened");
        }
        allocator.reset(llama.ggml_gallocr_new(llama.ggml_backend_get_default_buffer_type(backend.get())));
        if (!llama.ggml_gallocr_alloc_graph(allocator.get(), graph)) {
            return reason_or("it gave no memory");
        }
        llama.ggml_backend_tensor_set(given, &number, 0, sizeof(number));
        if (llama.ggml_backend_graph_compute(backend.get(), graph) != GGML_STATUS_SUCCESS) {
            return reason_or("it could not add two numbers");
        }
        float found = 0.0f;
        llama.ggml_backend_tensor_get(sum, &found, 0, sizeof(found));
        return found == number + number ? std::string() : "it added two numbers and got another sum";
    } catch (const EngineError & error) {
        // They are never freed: a device that failed may fail again while it frees them, where nothing can catch it.
        backend.release();
        allocator.release();
        return reason_or(error.what());
    }
}

}  // namespace

std::string failure_of(ggml_backend_dev_t device) {
#ifdef __APPLE__
    static_cast<void>(device);
    return {};
#else
    static std::mutex                                mutex;
    static std::map<ggml_backend_dev_t, std::string> known;
    std::lock_guard<std::mutex>                      lock(mutex);
    const auto                                       found = known.find(device);
    if (found != known.end()) {
        return found->second;
    }
    LogGuard log(api());
    LogGuard::forget_errors();
    const std::string failure = add_numbers(device);
    LogGuard::forget_errors();
    // A device without free memory may have some later, so try again.
    if (failure.empty() || lacks_kernels(failure)) {
        known[device] = failure;
    }
    return failure;
#endif
}

bool lacks_kernels(const std::string & failure) {
    for (const char * part : { "unsupported toolchain", "no kernel image", "kernel image is invalid", "PTX JIT", "PTX compiler" }) {
        if (failure.find(part) != std::string::npos) {
            return true;
        }
    }
    return false;
}

const char * const advice_without_kernels =
    "this build of llama.cpp has no kernels for the device and its driver: update the driver, use gpu: \"vulkan\" or "
    "gpu: false, or set QRHEAD_LLAMA_DIR to a build made on this machine (`npx node-llama-cpp source build`)";

}  // namespace qrhead
