#include "dynamic_library.h"

#include "error.h"

#ifdef _WIN32
#    ifndef NOMINMAX
#        define NOMINMAX
#    endif
#    include <windows.h>
#else
#    include <dlfcn.h>
#endif

namespace qrhead {

#ifdef _WIN32

static std::wstring to_wide(const std::string & text) {
    const int length = MultiByteToWideChar(CP_UTF8, 0, text.data(), static_cast<int>(text.size()), nullptr, 0);
    std::wstring wide(static_cast<size_t>(length), L'\0');
    MultiByteToWideChar(CP_UTF8, 0, text.data(), static_cast<int>(text.size()), wide.data(), length);
    return wide;
}

DynamicLibrary DynamicLibrary::open(const std::string & path) {
    // The altered search path makes Windows look for ggml.dll beside llama.dll and not beside node.exe.
    HMODULE handle = LoadLibraryExW(to_wide(path).c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH);
    if (handle == nullptr) {
        throw EngineError("LIBRARY_NOT_FOUND", path + ": Windows error " + std::to_string(GetLastError()));
    }
    return DynamicLibrary(handle);
}

bool DynamicLibrary::can_open(const std::string & name) noexcept {
    HMODULE handle = LoadLibraryExA(name.c_str(), nullptr, LOAD_LIBRARY_SEARCH_DEFAULT_DIRS);
    if (handle != nullptr) {
        FreeLibrary(handle);
    }
    return handle != nullptr;
}

std::optional<DynamicLibrary> DynamicLibrary::find_loaded(const std::string & name) {
    HMODULE handle = nullptr;
    if (GetModuleHandleExW(0, to_wide(name).c_str(), &handle) == 0) {
        return std::nullopt;
    }
    return DynamicLibrary(handle);
}

std::string DynamicLibrary::file_of(const void * address) {
    HMODULE        handle = nullptr;
    const auto     flags  = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    char           path[MAX_PATH * 4];
    const auto     begin  = static_cast<const wchar_t *>(address);
    if (GetModuleHandleExW(flags, begin, &handle) == 0) {
        return "";
    }
    const DWORD length = GetModuleFileNameA(handle, path, sizeof(path));
    return std::string(path, length < sizeof(path) ? length : 0);
}

void * DynamicLibrary::find(const char * name) const noexcept {
    return reinterpret_cast<void *>(GetProcAddress(static_cast<HMODULE>(handle_), name));
}

#else

DynamicLibrary DynamicLibrary::open(const std::string & path) {
    void * handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
        const char * reason = dlerror();
        throw EngineError("LIBRARY_NOT_FOUND", reason != nullptr ? reason : path);
    }
    return DynamicLibrary(handle);
}

bool DynamicLibrary::can_open(const std::string & name) noexcept {
    void * handle = dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL);
    if (handle != nullptr) {
        dlclose(handle);
    }
    return handle != nullptr;
}

std::optional<DynamicLibrary> DynamicLibrary::find_loaded(const std::string & name) {
    void * handle = dlopen(name.c_str(), RTLD_LAZY | RTLD_NOLOAD);
    if (handle == nullptr) {
        return std::nullopt;
    }
    return DynamicLibrary(handle);
}

std::string DynamicLibrary::file_of(const void * address) {
    Dl_info info{};
    return dladdr(address, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : "";
}

void * DynamicLibrary::find(const char * name) const noexcept {
    return dlsym(handle_, name);
}

#endif

}  // namespace qrhead
