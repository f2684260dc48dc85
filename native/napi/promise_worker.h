#pragma once

#include "error.h"

#include <functional>
#include <memory>
#include <napi.h>
#include <string>
#include <utility>
#include <vector>

namespace qrhead {

// An Error with the stable code of src/errors.ts.
inline Napi::Error coded_error(Napi::Env env, const std::string & code, const std::string & message) {
    Napi::Error error = Napi::Error::New(env, message);
    error.Set("code", Napi::String::New(env, code));
    return error;
}

// What a call holds until its promise settles. The destructors release it, on the JavaScript thread.
using Held = std::vector<std::shared_ptr<void>>;

// Runs `work` on a thread of the pool and settles a promise with what `convert` makes of its result. `work` owns all it
// needs as plain C++ values (shared pointers keep engine objects alive) and touches nothing of JavaScript's.
template <class Result> class PromiseWorker final : public Napi::AsyncWorker {
  public:
    using Work    = std::function<Result()>;
    using Convert = std::function<Napi::Value(Napi::Env, Result &)>;

    // `held` goes before the promise settles, however the work ended, and also when it cannot even begin.
    static Napi::Promise run(Napi::Env env, const char * name, Work work, Convert convert, Held held = {}) {
        std::unique_ptr<PromiseWorker> worker(
            new PromiseWorker(env, name, std::move(work), std::move(convert), std::move(held)));
        auto promise = worker->deferred_.Promise();
        worker->Queue();
        worker.release();  // it deletes itself when it is done
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
        held_.clear();
        if (!result_) {
            reject();
            return;
        }
        try {
            deferred_.Resolve(convert_(Env(), *result_));
        } catch (const Napi::Error & error) {
            deferred_.Reject(error.Value());
        } catch (const std::bad_alloc &) {
            fail("ENGINE_FAILED", "Out of memory");
            reject();
        } catch (const std::exception & error) {
            fail("ENGINE_FAILED", error.what());
            reject();
        }
    }

    // Only for what Napi::AsyncWorker itself caught: `fail` tells it nothing.
    void OnError(const Napi::Error & error) override {
        Napi::HandleScope scope(Env());
        held_.clear();
        deferred_.Reject(error.Value());
    }

  private:
    PromiseWorker(Napi::Env env, const char * name, Work work, Convert convert, Held held)
        : Napi::AsyncWorker(env, name), deferred_(Napi::Promise::Deferred::New(env)), work_(std::move(work)),
          convert_(std::move(convert)), held_(std::move(held)) {}

    // May run when memory has just run out.
    void fail(const char * code, const char * message) noexcept {
        code_ = code;
        try {
            message_ = message;
        } catch (...) {
            message_.clear();
        }
    }

    void reject() {
        try {
            deferred_.Reject(coded_error(Env(), code_, message_.empty() ? "Native failure" : message_).Value());
        } catch (const std::exception &) {
            deferred_.Reject(Env().Undefined());  // an open promise would be worse than one without a reason
        }
    }

    Napi::Promise::Deferred deferred_;
    Work                    work_;
    Convert                 convert_;
    Held                    held_;
    std::unique_ptr<Result> result_;
    const char *            code_ = "ENGINE_FAILED";
    std::string             message_;
};

}  // namespace qrhead
