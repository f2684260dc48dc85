#pragma once

#include "error.h"

#include <functional>
#include <memory>
#include <napi.h>
#include <string>
#include <utility>

namespace qrhead {

// An Error with the stable code of src/errors.ts.
inline Napi::Error coded_error(Napi::Env env, const std::string & code, const std::string & message) {
    Napi::Error error = Napi::Error::New(env, message);
    error.Set("code", Napi::String::New(env, code));
    return error;
}

// Runs `work` on a thread of the pool and settles a promise with what `convert` makes of its result. `work` owns all it
// needs as plain C++ values (shared pointers keep engine objects alive) and touches nothing of JavaScript's.
template <class Result> class PromiseWorker final : public Napi::AsyncWorker {
  public:
    using Work    = std::function<Result()>;
    using Convert = std::function<Napi::Value(Napi::Env, Result &)>;
    using Cleanup = std::function<void()>;

    // `cleanup` runs on the JavaScript thread before the promise settles, however the work ended.
    static Napi::Promise run(Napi::Env env, const char * name, Work work, Convert convert, Cleanup cleanup = nullptr) {
        auto * worker = new PromiseWorker(env, name, std::move(work), std::move(convert), std::move(cleanup));
        auto   promise = worker->deferred_.Promise();
        worker->Queue();
        return promise;
    }

  protected:
    void Execute() override {
        try {
            result_ = std::make_unique<Result>(work_());
        } catch (const EngineError & error) {
            fail(error.code(), error.what());
        } catch (const std::bad_alloc &) {
            fail("ENGINE_FAILED", "Out of memory");
        } catch (const std::exception & error) {
            fail("ENGINE_FAILED", error.what());
        } catch (...) {
            fail("ENGINE_FAILED", "Unknown native failure");
        }
        work_ = nullptr;  // frees what it captured here and not on the JavaScript thread
    }

    void OnOK() override {
        Napi::HandleScope scope(Env());
        finish();
        try {
            deferred_.Resolve(convert_(Env(), *result_));
        } catch (const Napi::Error & error) {
            deferred_.Reject(error.Value());
        }
    }

    void OnError(const Napi::Error & /*error*/) override {
        Napi::HandleScope scope(Env());
        finish();
        deferred_.Reject(coded_error(Env(), code_, message_).Value());
    }

  private:
    PromiseWorker(Napi::Env env, const char * name, Work work, Convert convert, Cleanup cleanup)
        : Napi::AsyncWorker(env, name), deferred_(Napi::Promise::Deferred::New(env)), work_(std::move(work)),
          convert_(std::move(convert)), cleanup_(std::move(cleanup)) {}

    void fail(const std::string & code, const std::string & message) {
        code_    = code;
        message_ = message;
        SetError(message.empty() ? "native failure" : message);
    }

    void finish() {
        if (cleanup_) {
            cleanup_();
        }
    }

    Napi::Promise::Deferred deferred_;
    Work                    work_;
    Convert                 convert_;
    Cleanup                 cleanup_;
    std::unique_ptr<Result> result_;
    std::string             code_;
    std::string             message_;
};

}  // namespace qrhead
