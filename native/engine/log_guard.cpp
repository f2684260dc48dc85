#include "log_guard.h"

#include <mutex>

namespace qrhead {

namespace {

std::mutex        mutex;
int               n_guards = 0;
ggml_log_callback previous_callback  = nullptr;
void *            previous_user_data = nullptr;

// llama.cpp logs on the thread that called it, and calls run on several.
thread_local int         n_guards_here = 0;
thread_local std::string error_line;

// Lines of other threads are not ours: a host may use the same libraries while a call of ours runs.
void forward(enum ggml_log_level level, const char * text) {
    ggml_log_callback callback  = nullptr;
    void *            user_data = nullptr;
    {
        std::lock_guard<std::mutex> lock(mutex);
        callback  = previous_callback;
        user_data = previous_user_data;
    }
    if (callback != nullptr) {
        callback(level, text, user_data);
    }
}

void collect(enum ggml_log_level level, const char * text, void * /*user_data*/) {
    if (n_guards_here == 0) {
        forward(level, text);
        return;
    }
    if (level != GGML_LOG_LEVEL_ERROR || text == nullptr) {
        return;
    }
    std::string line(text);
    while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) {
        line.pop_back();
    }
    if (line.empty()) {
        return;
    }
    // The first line has the cause; those after it say that something failed.
    if (error_line.empty()) {
        error_line = line;
    }
}

}  // namespace

LogGuard::LogGuard(const LlamaApi & llama) : llama_(llama) {
    if (n_guards_here++ == 0) {
        error_line.clear();
    }
    std::lock_guard<std::mutex> lock(mutex);
    if (n_guards++ == 0) {
        llama_.llama_log_get(&previous_callback, &previous_user_data);
        llama_.llama_log_set(collect, nullptr);
    }
}

LogGuard::~LogGuard() {
    n_guards_here--;
    std::lock_guard<std::mutex> lock(mutex);
    if (--n_guards > 0) {
        return;
    }
    ggml_log_callback current   = nullptr;
    void *            user_data = nullptr;
    llama_.llama_log_get(&current, &user_data);
    // If somebody installed another callback meanwhile, it stays.
    if (current == collect) {
        llama_.llama_log_set(previous_callback, previous_user_data);
    }
}

bool LogGuard::is_active_here() noexcept {
    return n_guards_here > 0;
}

std::string LogGuard::first_error() {
    return error_line;
}

void LogGuard::forget_errors() noexcept {
    error_line.clear();
}

}  // namespace qrhead
