#pragma once

#include "context.h"
#include "error.h"
#include "model.h"
#include "tokenizer.h"

#include <functional>
#include <memory>
#include <string>

// Just enough of a test framework: TEST registers a body under a sentence, CHECK counts a failure and goes on.
namespace qrhead::test {

struct Registration {
    Registration(const char * sentence, void (*body)());
};

void check(bool condition, const char * text, const char * file, int line);
void check_error(const char * code, const std::function<void()> & body, const char * text, const char * file, int line);

// Binds llama.cpp for every other test, checking on the way what holds before and after.
void bind_with_checks();

LibraryPaths library_paths();
std::string  model_path(const std::string & name);

// A tiny model, loaded once for all tests.
std::shared_ptr<Model> model(const std::string & name);

std::vector<llama_token> tokens_of(const Model & model, const std::string & text);

// Attention of one branch, a row per head.
inline std::shared_ptr<Attention> observe_heads(Context & context, const std::vector<llama_token> & branch,
                                                const Cancellation & cancellation) {
    return context.observe({ branch }, {}, cancellation).at(0);
}

}  // namespace qrhead::test

#define QRHEAD_JOIN_(a, b) a##b
#define QRHEAD_JOIN(a, b)  QRHEAD_JOIN_(a, b)

#define TEST(sentence)                                                                                            \
    static void                              QRHEAD_JOIN(test_, __LINE__)();                                      \
    static const qrhead::test::Registration  QRHEAD_JOIN(registered_, __LINE__)(sentence, QRHEAD_JOIN(test_, __LINE__)); \
    static void                              QRHEAD_JOIN(test_, __LINE__)()

#define CHECK(condition) qrhead::test::check((condition), #condition, __FILE__, __LINE__)

#define CHECK_ERROR(code, expression) \
    qrhead::test::check_error(code, [&] { (void) (expression); }, #expression, __FILE__, __LINE__)
