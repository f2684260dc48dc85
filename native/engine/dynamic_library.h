#pragma once

#include <optional>
#include <string>

namespace qrhead {

// A shared library that stays loaded for the life of the process: handles into it may outlive every object of ours.
class DynamicLibrary {
  public:
    // Throws EngineError LIBRARY_NOT_FOUND with the loader's own words.
    static DynamicLibrary open(const std::string & path);

    // True when the system's loader finds `name`; nothing stays loaded.
    static bool can_open(const std::string & name) noexcept;

    // The loaded library that the system's loader returns for `name` without a folder: the first of that name in the
    // process, which need not be the one that was opened here.
    static std::optional<DynamicLibrary> find_loaded(const std::string & name);

    // The file that an address belongs to, or "" when that is not known.
    static std::string file_of(const void * address);

    // Address of an exported symbol: of this library, and on systems other than Windows of those that it depends on, as its
    // own code sees them. nullptr when there is none.
    void * find(const char * name) const noexcept;

  private:
    explicit DynamicLibrary(void * handle) : handle_(handle) {}

    void * handle_;
};

}  // namespace qrhead
