#pragma once

#include <string>

namespace qrhead {

// A shared library that stays loaded for the life of the process: handles into it may outlive every object of ours.
class DynamicLibrary {
  public:
    // Throws EngineError LIBRARY_NOT_FOUND with the loader's own words.
    static DynamicLibrary open(const std::string & path);

    // True when the system's loader finds `name`; nothing stays loaded.
    static bool can_open(const std::string & name) noexcept;

    // nullptr when the library does not export `name`.
    void * find(const char * name) const noexcept;

  private:
    explicit DynamicLibrary(void * handle) : handle_(handle) {}

    void * handle_;
};

}  // namespace qrhead
