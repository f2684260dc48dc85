// Runs every TEST of this folder: engine-test LIBRARY_DIRECTORY MODEL_DIRECTORY [PART OF A SENTENCE]
#include "check.h"
#include "llama_api.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <vector>

namespace qrhead::test {

namespace {

struct Case {
    const char * sentence;
    void (*body)();
};

std::vector<Case> & cases() {
    static std::vector<Case> all;
    return all;
}

std::map<std::string, std::shared_ptr<Model>> models;
std::string                                   library_directory;
std::string                                   model_directory;
int                                           n_failures = 0;

void fail(const std::string & message, const char * file, int line) {
    n_failures++;
    std::fprintf(stderr, "    %s:%d: %s\n", std::filesystem::path(file).filename().string().c_str(), line, message.c_str());
}

// libllama.v0.4.0.so, libllama.cuda.v0.4.0.so, llama.dll: the part before the first dot names the library.
std::string library(const std::string & name) {
    std::vector<std::string> found;
    for (const auto & entry : std::filesystem::directory_iterator(library_directory)) {
        const std::string file = entry.path().filename().string();
        const std::string stem = file.substr(0, file.find('.'));
        if (stem == name || stem == "lib" + name) {
            found.push_back(entry.path().string());
        }
    }
    return found.empty() ? library_directory + "/lib" + name + ".so" : *std::min_element(found.begin(), found.end());
}

}  // namespace

Registration::Registration(const char * sentence, void (*body)()) {
    cases().push_back({ sentence, body });
}

void check(bool condition, const char * text, const char * file, int line) {
    if (!condition) {
        fail(text, file, line);
    }
}

void check_error(const char * code, const std::function<void()> & body, const char * text, const char * file, int line) {
    try {
        body();
        fail(std::string(text) + " threw nothing, expected " + code, file, line);
    } catch (const EngineError & error) {
        if (error.code() != std::string(code)) {
            fail(std::string(text) + " threw " + error.code() + " (" + error.what() + "), expected " + code, file, line);
        }
    }
}

LibraryPaths library_paths() {
    return { library_directory, library("llama"), library("ggml"), library("ggml-base"),
             std::string("v") + compiled_llama_version() };
}

std::string model_path(const std::string & name) {
    return model_directory + "/" + name + ".gguf";
}

std::shared_ptr<Model> model(const std::string & name) {
    auto & loaded = models[name];
    if (!loaded) {
        ModelOptions options;
        options.path = model_path(name);
        loaded       = Model::load(options, {}, nullptr);
    }
    return loaded;
}

std::vector<llama_token> tokens_of(const Model & model, const std::string & text) {
    return tokenize(model, { { text, false } }).tokens;
}

static void run_case(const Case & test) {
    const int n_before = n_failures;
    try {
        test.body();
    } catch (const std::exception & error) {
        n_failures++;
        std::fprintf(stderr, "    threw %s\n", error.what());
    }
    if (n_failures > n_before) {
        std::fprintf(stderr, "not ok: %s\n", test.sentence);
    }
}

static int run(const std::string & wanted) {
    int n_run = 0;
    run_case({ "binding refuses what it cannot use, and is done once", bind_with_checks });
    for (const auto & test : cases()) {
        if (std::string(test.sentence).find(wanted) != std::string::npos) {
            n_run++;
            run_case(test);
        }
    }
    models.clear();  // before static objects go, the engine's among them
    std::printf("%d tests, %d failures\n", n_run, n_failures);
    return n_failures == 0 && n_run > 0 ? 0 : 1;
}

}  // namespace qrhead::test

int main(int argc, char ** argv) {
    using namespace qrhead::test;
    if (argc < 3) {
        std::fprintf(stderr, "usage: engine-test LIBRARY_DIRECTORY MODEL_DIRECTORY [PART OF A SENTENCE]\n");
        return 2;
    }
    library_directory = argv[1];
    model_directory   = argv[2];
    return run(argc > 3 ? argv[3] : "");
}
