#include "foreign_exceptions.h"

#if defined(_WIN32) && !defined(_MSC_VER)

#include "error.h"

#include <cstdint>
#include <cstdio>
#include <cstring>

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

namespace qrhead {

namespace {

constexpr DWORD CPP_EXCEPTION = 0xE06D7363;

// What _CxxThrowException passes, in places relative to the module that throws (ehdata.h of Microsoft's C++ runtime).
struct CatchableType {
    uint32_t properties;
    int32_t  type;
    int32_t  offset;  // of this class inside the object
};

struct CatchableTypes {
    int32_t count;
    int32_t types[1];
};

struct ThrowInfo {
    uint32_t attributes;
    int32_t  destructor;
    int32_t  forward;
    int32_t  catchable_types;
};

struct TypeDescriptor {
    const void * table;
    void *       spare;
    char         name[1];
};

// The table of functions of Microsoft's std::exception: its destructor, then what().
using What = const char * (*)(const void *);

// `what()` of an object that is a std::exception, else nullptr.
const char * what_of(const EXCEPTION_RECORD & record) {
    if (record.NumberParameters < 4) {
        return nullptr;
    }
    const auto * object = reinterpret_cast<const char *>(record.ExceptionInformation[1]);
    const auto * info   = reinterpret_cast<const ThrowInfo *>(record.ExceptionInformation[2]);
    const auto * module = reinterpret_cast<const char *>(record.ExceptionInformation[3]);
    if (object == nullptr || info == nullptr || module == nullptr) {
        return nullptr;
    }
    const auto * all = reinterpret_cast<const CatchableTypes *>(module + info->catchable_types);
    for (int32_t i = 0; i < all->count; i++) {
        const auto * one  = reinterpret_cast<const CatchableType *>(module + all->types[i]);
        const auto * type = reinterpret_cast<const TypeDescriptor *>(module + one->type);
        if (std::strcmp(type->name, ".?AVexception@std@@") == 0) {
            const char * exception = object + one->offset;
            const auto * table     = *reinterpret_cast<const What * const *>(exception);
            return table[1](exception);
        }
    }
    return nullptr;
}

struct Reason {
    char text[512];
};

// Runs before the stack unwinds, while the object exists. The object is never destroyed, so its text leaks.
int keep_reason(const EXCEPTION_POINTERS * thrown, Reason & reason) {
    if (thrown->ExceptionRecord->ExceptionCode != CPP_EXCEPTION) {
        return EXCEPTION_CONTINUE_SEARCH;
    }
    const char * what = what_of(*thrown->ExceptionRecord);
    std::snprintf(reason.text, sizeof(reason.text), "%s", what != nullptr ? what : "Unknown failure of llama.cpp");
    return EXCEPTION_EXECUTE_HANDLER;
}

// A function with an SEH handler may have no object with a destructor.
bool ends_well(void (*work)(void *), void * data, Reason & reason) {
    __try {
        work(data);
    } __except (keep_reason(GetExceptionInformation(), reason)) {
        return false;
    }
    return true;
}

}  // namespace

void hold_foreign_exceptions(void (*work)(void *), void * data) {
    Reason reason;
    if (!ends_well(work, data, reason)) {
        throw EngineError("ENGINE_FAILED", reason.text);
    }
}

}  // namespace qrhead

#endif
