#pragma once

#include "llama_api.h"

#include <string>

namespace qrhead {

// Catches what llama.cpp logs while a call of ours runs, so that nothing reaches the user's standard error and a failure
// can say why. The callback is process-wide and may belong to node-llama-cpp, so it hears its own threads meanwhile and is
// given back afterwards.
class LogGuard {
  public:
    explicit LogGuard(const LlamaApi & llama);
    ~LogGuard();

    LogGuard(const LogGuard &)             = delete;
    LogGuard & operator=(const LogGuard &) = delete;

    // Whether this thread is in a call of ours.
    static bool is_active_here() noexcept;

    // The first error line that llama.cpp logged on this thread since its guards began or it forgot, or "" when there was none.
    static std::string first_error();

    // Forgets the errors that were logged on this thread so far.
    static void forget_errors() noexcept;

  private:
    const LlamaApi & llama_;
};

}  // namespace qrhead
