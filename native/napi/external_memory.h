#pragma once

#include <napi.h>

namespace qrhead {

// Bytes outside V8's heap that V8 has been told of. It sees only the small wrappers, and would never have a reason to collect
// one that nobody disposed of.
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
