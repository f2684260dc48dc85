#pragma once

#include <stdexcept>
#include <string>

namespace qrhead {

// A failure that the caller can act on. `code` is one of the QRHeadErrorCode strings of src/errors.ts, or "ABORTED".
class EngineError : public std::runtime_error {
  public:
    EngineError(const char * code, const std::string & message) : std::runtime_error(message), code_(code) {}

    const char * code() const noexcept { return code_; }

  private:
    const char * code_;
};

}  // namespace qrhead
