#include "abi_check.h"
#include "check.h"
#include "dynamic_library.h"
#include "handles.h"
#include "llama_api.h"
#include "log_guard.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

using namespace qrhead;
using namespace qrhead::test;

namespace fs = std::filesystem;

void qrhead::test::bind_with_checks() {
    const LibraryPaths paths = library_paths();
    CHECK_ERROR("LIBRARY_NOT_FOUND", api());
    CHECK_ERROR("LIBRARY_NOT_FOUND", bind_llama({ "/nowhere", "/nowhere/libllama.so", "/nowhere/libggml.so", "/nowhere/b.so", "" }));
    // Libraries that load but lack llama.cpp's functions.
    CHECK_ERROR("LIBRARY_MISMATCH", bind_llama({ paths.directory, paths.ggml_base, paths.ggml_base, paths.ggml_base, paths.release }));
    // A build that calls itself "0.4.0-dev" may be of any commit after 0.4.0.
    CHECK_ERROR("LIBRARY_MISMATCH", bind_llama({ paths.directory, paths.llama, paths.ggml, paths.ggml_base, "" }));
    CHECK_ERROR("LIBRARY_MISMATCH", bind_llama({ paths.directory, paths.llama, paths.ggml, paths.ggml_base, "v0.0.1" }));
    CHECK_ERROR("LIBRARY_NOT_FOUND", api());

    bind_llama(paths);
    const auto n_devices = list_devices().size();
    CHECK(n_devices > 0);
    bind_llama(paths);
    CHECK(list_devices().size() == n_devices);
    CHECK_ERROR("LIBRARY_MISMATCH", bind_llama({ "/elsewhere", paths.llama, paths.ggml, paths.ggml_base, paths.release }));
    CHECK(api().directory == paths.directory);
}

namespace {

// A file of the test's own, removed at the end.
class TemporaryFile {
  public:
    explicit TemporaryFile(const std::string & content) : path_(fs::temp_directory_path() / "qrhead-engine-test.gguf") {
        std::ofstream(path_, std::ios::binary) << content;
    }
    ~TemporaryFile() { fs::remove(path_); }

    std::string path() const { return path_.string(); }

  private:
    fs::path path_;
};

std::string read_file(const std::string & path) {
    std::ifstream file(path, std::ios::binary);
    return { std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>() };
}

std::shared_ptr<Model> load(const std::string & path, const Cancellation & cancellation = {},
                            const Model::Progress & on_progress = nullptr) {
    ModelOptions options;
    options.path = path;
    return Model::load(options, cancellation, on_progress);
}

void count_log(enum ggml_log_level /*level*/, const char * /*text*/, void * user_data) {
    ++*static_cast<int *>(user_data);
}

}  // namespace

TEST("a system library is found by name without staying loaded") {
    CHECK(!DynamicLibrary::can_open("libqrhead-does-not-exist.so.1"));
}

TEST("the compiled release is the bound one") {
    CHECK(std::string(api().llama_version()).rfind(compiled_llama_version(), 0) == 0);
}

TEST("a model that cannot be read is a load failure with a reason") {
    CHECK_ERROR("MODEL_LOAD_FAILED", load("/nowhere/model.gguf"));
    CHECK_ERROR("MODEL_LOAD_FAILED", load(TemporaryFile("This is no model.").path()));
    const std::string whole = read_file(model_path("tiny-llama-spm"));
    for (const size_t size : { size_t(0), size_t(3), size_t(20), whole.size() / 20, whole.size() / 2, whole.size() - 64 }) {
        const TemporaryFile file(whole.substr(0, size));
        CHECK_ERROR("MODEL_LOAD_FAILED", load(file.path()));
    }
    try {
        load("/nowhere/model.gguf");
    } catch (const EngineError & error) {
        CHECK(std::string(error.what()).find("/nowhere/model.gguf: ") != std::string::npos);
    }
}

TEST("loading reports progress up to one and can be cancelled in the middle") {
    std::vector<float> fractions;
    load(model_path("tiny-llama-spm"), {}, [&](float fraction) { fractions.push_back(fraction); });
    CHECK(!fractions.empty() && fractions.back() == 1.0f);

    Cancellation cancellation{ make_cancel_flag(), make_cancel_flag() };
    CHECK_ERROR("ABORTED", load(model_path("tiny-llama-spm"), cancellation, [&](float) { *cancellation.call = true; }));
    CHECK_ERROR("ABORTED", load(model_path("tiny-llama-spm"), cancellation));
    const Cancellation leaving{ make_cancel_flag(), cancellation.call };
    CHECK_ERROR("ABORTED", load(model_path("tiny-llama-spm"), leaving));
}

TEST("a model describes itself") {
    const auto info = model("tiny-llama")->info();
    CHECK(info.architecture == "llama" && info.n_layer == 4 && info.n_head == 4 && info.n_head_kv == 2);
    CHECK(info.vocabulary_type == "bpe" && info.bos_text == "<|begin_of_text|>" && info.add_bos);
    CHECK(info.has_decoder && !info.has_encoder && !info.is_recurrent);
    CHECK(info.chat_template.has_value() && info.metadata.at("general.architecture") == "llama");
    CHECK(model("tiny-mamba")->info().is_recurrent);
    CHECK(model("tiny-gemma2")->info().n_swa == 32);
}

TEST("somebody else's log callback is back after every call, and hears nothing meanwhile") {
    ggml_log_callback previous   = nullptr;
    void *            user_data  = nullptr;
    int               n_messages = 0;
    api().llama_log_get(&previous, &user_data);
    api().llama_log_set(count_log, &n_messages);
    load(model_path("tiny-llama-spm")).reset();
    CHECK_ERROR("MODEL_LOAD_FAILED", load("/nowhere/model.gguf"));
    ggml_log_callback after      = nullptr;
    void *            after_data = nullptr;
    api().llama_log_get(&after, &after_data);
    CHECK(after == count_log && after_data == &n_messages);
    CHECK(n_messages == 0);
    api().llama_log_set(previous, user_data);
}

TEST("somebody else's thread is heard by their callback while a call of ours runs") {
    ggml_log_callback previous   = nullptr;
    void *            user_data  = nullptr;
    int               n_messages = 0;
    api().llama_log_get(&previous, &user_data);
    api().llama_log_set(count_log, &n_messages);
    {
        const LogGuard log(api());
        std::thread    theirs([] {
            auto params     = api().llama_model_default_params();
            params.n_gpu_layers = 0;
            CHECK(api().llama_model_load_from_file("/nowhere/model.gguf", params) == nullptr);
        });
        theirs.join();
        CHECK(n_messages > 0);
        CHECK(LogGuard::first_error().empty());
    }
    api().llama_log_set(previous, user_data);
}

TEST("an assertion of llama.cpp that fails in a call of ours is an error") {
    const LogGuard  log(api());
    const GgmlArena arena(16 * api().ggml_tensor_overhead());
    ggml_tensor *   a = api().ggml_new_tensor_3d(arena.get(), GGML_TYPE_F32, 4, 1, 1);
    ggml_tensor *   b = api().ggml_new_tensor_3d(arena.get(), GGML_TYPE_F32, 5, 1, 1);
    CHECK_ERROR("ENGINE_FAILED", api().ggml_mul_mat(arena.get(), a, b));
    CHECK(api().ggml_mul_mat(arena.get(), a, a) != nullptr);
}

TEST("libraries with other layouts than the headers' are refused") {
    check_abi(api(), "lib");
    const auto refused = [](void (*change)(LlamaApi &)) {
        LlamaApi other = api();
        change(other);
        CHECK_ERROR("LIBRARY_MISMATCH", check_abi(other, "lib"));
    };
    refused([](LlamaApi & llama) { llama.ggml_tensor_overhead = [] { return api().ggml_tensor_overhead() + 8; }; });
    refused([](LlamaApi & llama) { llama.ggml_version = [] { return "0.22.9"; }; });
    refused([](LlamaApi & llama) {
        llama.ggml_op_name = [](enum ggml_op op) { return api().ggml_op_name(static_cast<enum ggml_op>(op + 1)); };
    });
    refused([](LlamaApi & llama) {
        llama.ggml_type_name = [](enum ggml_type type) {
            return type == GGML_TYPE_Q8_0 ? "q8_1" : api().ggml_type_name(type);
        };
    });
    refused([](LlamaApi & llama) {
        llama.llama_context_default_params = [] {
            auto params  = api().llama_context_default_params();
            params.n_ctx = 2048;  // as where a field was put in front
            return params;
        };
    });
    refused([](LlamaApi & llama) {
        llama.llama_model_default_params = [] {
            auto params            = api().llama_model_default_params();
            params.use_extra_bufts = false;
            return params;
        };
    });
}

TEST("each thread hears the reasons of its own failures, while several work at once") {
    LogGuard    log(api());
    std::thread other([] {
        const LogGuard log(api());
        CHECK(LogGuard::first_error().empty());
        CHECK_ERROR("MODEL_LOAD_FAILED", load("/nowhere/model.gguf"));
        CHECK(!LogGuard::first_error().empty());
    });
    other.join();
    CHECK(LogGuard::first_error().empty());
}

TEST("a slim model keeps its first layers and gains metadata") {
    const TemporaryFile file("");
    write_slim_model(model_path("tiny-llama"), file.path(), 2, 4, { { "qrhead.test", "slim" } });
    const auto slim = load(file.path());
    CHECK(slim->info().n_layer == 2);
    CHECK(slim->info().metadata.at("qrhead.test") == "slim");
    CHECK_ERROR("MODEL_LOAD_FAILED", write_slim_model("/nowhere/model.gguf", file.path(), 1, 2, {}));
    // llama.cpp has 127 bytes for each, and would cut what is longer.
    const auto write = [&](const std::string & key, const std::string & value) {
        write_slim_model(model_path("tiny-llama"), file.path(), 2, 4, { { key, value } });
    };
    write("qrhead.test", std::string(127, 'x'));
    CHECK(load(file.path())->info().metadata.at("qrhead.test") == std::string(127, 'x'));
    CHECK_ERROR("INVALID_ARGUMENT", write("qrhead.test", std::string(128, 'x')));
    CHECK_ERROR("INVALID_ARGUMENT", write(std::string(128, 'x'), "slim"));
    CHECK_ERROR("INVALID_ARGUMENT", write("", "slim"));
}
