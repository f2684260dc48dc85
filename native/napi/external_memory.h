#pragma once

#include <napi.h>

namespace qrhead {

// Tells V8 about bytes outside its heap. V8 sees only the small wrappers, and would otherwise have no reason to collect a
// wrapper that nobody disposed of.
class ExternalMemory {
  public:
    ExternalMemory() = default;
    ~ExternalMemory() { set(env_, 0); }

    ExternalMemory(const ExternalMemory &)             = delete;
    ExternalMemory & operator=(const ExternalMemory &) = delete;

    void set(Napi::Env env, size_t n_bytes) {
        const auto wanted = static_cast<int64_t>(n_bytes);
        if (wanted != n_told_) {
            Napi::MemoryManagement::AdjustExternalMemory(env, wanted - n_told_);
        }
        env_    = env;
        n_told_ = wanted;
    }

  private:
    Napi::Env env_    = nullptr;
    int64_t   n_told_ = 0;
};

}  // namespace qrhead
