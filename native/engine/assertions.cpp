#include "assertions.h"

#include "error.h"
#include "log_guard.h"

#include <cstdio>
#include <cstring>
#include <string>

namespace qrhead {

namespace {

ggml_abort_callback_t previous = nullptr;

// "/home/.../ggml/src/ggml.c:1644: GGML_ASSERT(...) failed", without the folders of the machine that built it.
std::string shorten(const char * message) {
    const char * colon = std::strchr(message, ':');
    const char * begin = message;
    for (const char * at = message; colon != nullptr && at < colon; at++) {
        if (*at == '/' || *at == '\\') {
            begin = at + 1;
        }
    }
    return begin;
}

void on_failed_assertion(const char * message) {
    if (LogGuard::is_active_here() && std::strstr(message, "ggml-cpu") == nullptr) {
        // Backends log what went wrong first: the assertion of CUDA's says no more than "CUDA error".
        const std::string reason = LogGuard::first_error();
        throw EngineError("ENGINE_FAILED", "An assertion of llama.cpp failed: " + shorten(message) +
                                               (reason.empty() ? "" : " (" + reason + ")"));
    }
    if (previous != nullptr) {
        previous(message);
    } else {
        std::fprintf(stderr, "%s\n", message);
    }
}

}  // namespace

void throw_failed_assertions(const LlamaApi & llama) {
    previous = llama.ggml_set_abort_callback(on_failed_assertion);
}

}  // namespace qrhead
