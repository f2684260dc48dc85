#pragma once

// llama.cpp's libraries for Windows throw exceptions of Microsoft's compiler. An addon made by another compiler cannot catch
// them, and the process would end. Windows itself (SEH) can catch them, around each call.
#if defined(_WIN32) && !defined(_MSC_VER)

#include <type_traits>

namespace qrhead {

// Calls `work(data)`. Throws EngineError ENGINE_FAILED with the message of a C++ exception of Microsoft's that leaves it.
// Other exceptions pass, ours too.
void hold_foreign_exceptions(void (*work)(void *), void * data);

// A function of a library made by another compiler. Calls to it throw exceptions that this code can catch.
template <class Pointer> class Bound;

template <class Result, class... Args> class Bound<Result (*)(Args...)> {
  public:
    using Function = Result (*)(Args...);

    Bound(Function function) : function_(function) {}

    operator Function() const { return function_; }

    Result operator()(Args... args) const {
        if constexpr (std::is_void_v<Result>) {
            hold([&] { function_(args...); });
        } else {
            Result result{};
            hold([&] { result = function_(args...); });
            return result;
        }
    }

  private:
    template <class Work> static void hold(Work work) {
        hold_foreign_exceptions([](void * data) { (*static_cast<Work *>(data))(); }, &work);
    }

    Function function_;
};

}  // namespace qrhead

#else

namespace qrhead {

// On these platforms all compilers share the C++ runtime, so exceptions of the libraries can be caught like ours.
template <class Function> using Bound = Function;

}  // namespace qrhead

#endif
