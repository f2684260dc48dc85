#include "check.h"
#include "context.h"

#include <chrono>
#include <cmath>
#include <thread>

using namespace qrhead;
using namespace qrhead::test;

namespace {

constexpr float max_entry_error = 1e-3f;  // F16 cache, against llama.cpp's own softmax

const Cancellation never;

std::vector<Head> all_heads(const Model & model) {
    std::vector<Head> heads;
    for (int32_t layer = 0; layer < model.info().n_layer; layer++) {
        for (int32_t head = 0; head < model.info().n_head; head++) {
            heads.push_back({ layer, head });
        }
    }
    return heads;
}

struct Prompt {
    std::vector<llama_token> documents;
    std::vector<llama_token> query;
};

Prompt prompt_for(const Model & model) {
    std::string text;
    for (int i = 0; i < 12; i++) {
        text += "\n\n[" + std::to_string(i) + "] Paris has been the capital of France since the year " + std::to_string(900 + 37 * i) + ".";
    }
    const auto whole = tokens_of(model, text);
    return { { whole.begin(), whole.end() - 23 }, { whole.end() - 23, whole.end() } };
}

ContextOptions options_for(const Model & model) {
    ContextOptions options;
    options.n_ctx = 1024;
    options.heads = all_heads(model);  // one thread: ggml's threads spin while they wait, which a busy machine punishes
    return options;
}

std::shared_ptr<Attention> capture(const std::shared_ptr<Model> & model, const ContextOptions & options, bool per_head = true) {
    Context    context(model, options);
    const auto prompt = prompt_for(*model);
    context.prefill(prompt.documents, never, nullptr);
    return context.observe({ prompt.query }, { per_head, {} }, never).at(0);
}

float difference(const Attention & a, const Attention & b) {
    if (a.n_rows() != b.n_rows() || a.n_tokens() != b.n_tokens()) {
        return INFINITY;
    }
    float largest = 0.0f;
    for (size_t i = 0; i < a.n_rows() * a.n_tokens(); i++) {
        largest = std::max(largest, std::fabs(a.row(0)[i] - b.row(0)[i]));
    }
    return largest;
}

}  // namespace

TEST("attention computed at the flash-attention node is llama.cpp's own softmax") {
    auto options            = options_for(*model("tiny-llama"));
    const auto flash        = capture(model("tiny-llama"), options);
    options.flash_attention = false;
    const auto soft_max     = capture(model("tiny-llama"), options);
    CHECK(difference(*flash, *soft_max) < max_entry_error);
    for (size_t r = 0; r < flash->n_rows(); r++) {
        double sum = 0.0;
        for (size_t t = 0; t < flash->n_tokens(); t++) {
            sum += flash->row(r)[t];
        }
        CHECK(std::fabs(sum - 1.0) < 1e-4);
    }
}

TEST("several ubatches give what one gives, for documents and for the query") {
    auto       options = options_for(*model("tiny-llama"));
    const auto one     = capture(model("tiny-llama"), options);
    for (const bool flash_attention : { true, false }) {
        options.flash_attention = flash_attention;
        for (const uint32_t n_ubatch : { 1u, 8u, 22u, 23u, 100u }) {
            options.n_ubatch = n_ubatch;
            CHECK(difference(*one, *capture(model("tiny-llama"), options)) < max_entry_error);
        }
    }
}

TEST("the number of threads changes no byte") {
    auto       options = options_for(*model("tiny-llama"));
    const auto one     = capture(model("tiny-llama"), options);
    options.n_threads  = 2;
    CHECK(difference(*one, *capture(model("tiny-llama"), options)) == 0.0f);
}

TEST("stopping early changes no byte") {
    for (const bool flash_attention : { true, false }) {
        auto options            = options_for(*model("tiny-llama"));
        options.heads           = { { 1, 3 }, { 2, 0 }, { 1, 0 } };
        options.n_ubatch        = 16;
        options.flash_attention = flash_attention;
        options.early_stop      = true;
        const auto early        = capture(model("tiny-llama"), options);
        options.early_stop      = false;
        CHECK(difference(*early, *capture(model("tiny-llama"), options)) == 0.0f);
    }
}

TEST("stopping early changes no byte where the last layers look at the keys of earlier ones") {
    const auto gemma = model("tiny-gemma4");
    for (const bool flash_attention : { true, false }) {
        for (int32_t layer = 0; layer < gemma->info().n_layer; layer++) {
            auto options            = options_for(*gemma);
            options.heads           = { { layer, 1 }, { layer / 2, 0 } };
            options.n_ubatch        = 16;
            options.flash_attention = flash_attention;
            const auto early        = capture(gemma, options);
            options.early_stop      = false;
            CHECK(difference(*early, *capture(gemma, options)) == 0.0f);
        }
    }
}

TEST("attention read from copies of a node's inputs is that read from the inputs themselves, for every cache type") {
    for (const char * name : { "tiny-llama", "tiny-gemma2", "tiny-gptoss", "tiny-mpt", "tiny-gemma4" }) {
        for (const char * type : { "f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0" }) {
            auto options   = options_for(*model(name));
            options.type_k = type;
            const auto     direct = capture(model(name), options);
            options.read_on_host  = true;
            CHECK(difference(*direct, *capture(model(name), options)) == 0.0f);
        }
    }
    auto options         = options_for(*model("tiny-llama"));
    options.heads        = { { 1, 3 }, { 2, 0 } };
    options.type_k       = "q8_0";
    options.n_ubatch     = 7;
    const auto direct    = capture(model("tiny-llama"), options);
    options.read_on_host = true;
    CHECK(difference(*direct, *capture(model("tiny-llama"), options)) == 0.0f);
}

TEST("a few heads are the same as among all, and their rows come in the order asked for") {
    auto       options = options_for(*model("tiny-llama"));
    const auto all     = capture(model("tiny-llama"), options);
    options.heads      = { { 3, 2 }, { 0, 1 }, { 3, 0 } };
    const auto some    = capture(model("tiny-llama"), options);
    const auto summed  = capture(model("tiny-llama"), options, false);
    CHECK(some->n_rows() == 3 && summed->n_rows() == 1);
    for (size_t t = 0; t < some->n_tokens(); t++) {
        CHECK(some->row(0)[t] == all->row(14)[t] && some->row(1)[t] == all->row(1)[t] && some->row(2)[t] == all->row(12)[t]);
        CHECK(std::fabs(summed->row(0)[t] - (some->row(0)[t] + some->row(1)[t] + some->row(2)[t])) < 1e-6f);
    }
}

TEST("after a rollback the same tokens give the same bytes") {
    const auto prompt = prompt_for(*model("tiny-gemma2"));
    Context    context(model("tiny-gemma2"), options_for(*model("tiny-gemma2")));
    context.prefill(prompt.documents, never, nullptr);
    const auto first = observe_heads(context, prompt.query, never);
    CHECK(context.position() == prompt.documents.size());
    observe_heads(context, { prompt.query.rbegin(), prompt.query.rend() }, never);
    CHECK(difference(*first, *observe_heads(context, prompt.query, never)) == 0.0f);
    CHECK_ERROR("INVALID_ARGUMENT", context.rollback(context.position() + 1));
    context.rollback(0);
    CHECK(context.position() == 0);
    context.prefill(prompt.documents, never, nullptr);
    CHECK(difference(*first, *observe_heads(context, prompt.query, never)) == 0.0f);
}

TEST("a cancelled prefill leaves the position and the cache as they were") {
    auto options     = options_for(*model("tiny-llama"));
    options.n_ubatch = 32;
    const auto prompt = prompt_for(*model("tiny-llama"));
    const auto wanted = capture(model("tiny-llama"), options);
    Context    context(model("tiny-llama"), options);
    context.prefill(prompt.documents, never, nullptr);
    const size_t       before = context.position();
    const Cancellation cancellation{ make_cancel_flag(), nullptr };
    std::vector<size_t> reports;
    CHECK_ERROR("ABORTED", context.prefill(prompt.documents, cancellation, [&](size_t done) {
        reports.push_back(done);
        *cancellation.call = reports.size() == 2;
    }));
    CHECK(reports == std::vector<size_t>({ 32, 64 }) && context.position() == before);
    CHECK_ERROR("ABORTED", observe_heads(context, prompt.query, cancellation));
    CHECK(context.position() == before);
    CHECK(difference(*wanted, *observe_heads(context, prompt.query, never)) == 0.0f);
}

TEST("cancelling from another thread ends a forward pass that is under way") {
    auto options     = options_for(*model("tiny-llama"));
    options.n_ctx    = 8192;
    options.n_ubatch = 8192;
    Context                        context(model("tiny-llama"), options);
    const std::vector<llama_token> tokens(8192, 1000);
    const Cancellation             cancellation{ make_cancel_flag(), nullptr };
    std::thread                    other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        *cancellation.call = true;
    });
    CHECK_ERROR("ABORTED", context.prefill(tokens, cancellation, nullptr));
    other.join();
    CHECK(context.position() == 0);
    context.prefill({ tokens.begin(), tokens.begin() + 10 }, never, nullptr);
    CHECK(context.position() == 10);
}

TEST("two threads work with contexts of one model at the same time") {
    const auto                 options = options_for(*model("tiny-llama"));
    const auto                 wanted = capture(model("tiny-llama"), options);
    std::shared_ptr<Attention> results[2];
    {
        std::thread other([&] { results[1] = capture(model("tiny-llama"), options); });
        results[0] = capture(model("tiny-llama"), options);
        other.join();
    }
    CHECK(difference(*wanted, *results[0]) == 0.0f && difference(*wanted, *results[1]) == 0.0f);
}

TEST("a context is filled to its last token and no further") {
    auto options  = options_for(*model("tiny-llama"));
    options.n_ctx = 100;
    Context context(model("tiny-llama"), options);
    CHECK_ERROR("CONTEXT_OVERFLOW", context.prefill(std::vector<llama_token>(101, 5), never, nullptr));
    CHECK(context.position() == 0 && context.n_ctx() == 100);
    context.prefill(std::vector<llama_token>(95, 5), never, nullptr);
    CHECK_ERROR("CONTEXT_OVERFLOW", observe_heads(context, std::vector<llama_token>(6, 5), never));
    CHECK(observe_heads(context, std::vector<llama_token>(5, 5), never)->n_tokens() == 100);
    context.prefill(std::vector<llama_token>(5, 5), never, nullptr);
    CHECK_ERROR("CONTEXT_OVERFLOW", context.prefill({ 5 }, never, nullptr));
    context.prefill({}, never, nullptr);
    CHECK(context.position() == 100);
}

TEST("wrong arguments of a context and of its calls are refused") {
    const auto llama   = model("tiny-llama");
    auto       options = options_for(*llama);
    Context    context(llama, options);
    CHECK_ERROR("INVALID_ARGUMENT", context.prefill({ 0, -1 }, never, nullptr));
    CHECK_ERROR("INVALID_ARGUMENT", context.prefill({ 128256 }, never, nullptr));
    CHECK_ERROR("INVALID_ARGUMENT", observe_heads(context, {}, never));
    CHECK(context.position() == 0);
    options.type_k = "f17";
    CHECK_ERROR("INVALID_ARGUMENT", Context(llama, options));
    options.type_k = "f16";
    options.heads  = { { 4, 0 } };
    CHECK_ERROR("HEADS_MISMATCH", Context(llama, options));
    options.heads = {};
    Context headless(llama, options);
    headless.prefill({ 1, 2, 3 }, never, nullptr);
    CHECK_ERROR("INVALID_ARGUMENT", observe_heads(headless, { 4 }, never));
    for (auto * number : { &options.n_ctx, &options.n_ubatch }) {
        options = options_for(*llama);
        *number = 0;
        CHECK_ERROR("INVALID_ARGUMENT", Context(llama, options));
    }
    options           = options_for(*llama);
    options.n_threads = 0;
    CHECK_ERROR("INVALID_ARGUMENT", Context(llama, options));
}

TEST("a quantised V cache needs flash attention, and says so") {
    auto options            = options_for(*model("tiny-llama"));
    options.type_v          = "q8_0";
    options.flash_attention = false;
    CHECK_ERROR("CONTEXT_FAILED", Context(model("tiny-llama"), options));
}

TEST("models without attention to read are refused") {
    auto options  = options_for(*model("tiny-bert"));
    options.n_ctx = 256;
    CHECK_ERROR("MODEL_UNSUPPORTED", Context(model("tiny-bert"), options));
    options       = options_for(*model("tiny-mamba"));
    options.heads = {};
    Context context(model("tiny-mamba"), options);
    context.prefill({ 1, 2, 3 }, never, nullptr);
    CHECK_ERROR("MODEL_UNSUPPORTED", context.rollback(1));
}

TEST("every cache type for K gives nearly what f32 gives") {
    auto options   = options_for(*model("tiny-llama"));
    options.type_k = "f32";
    const auto exact = capture(model("tiny-llama"), options);
    // Rounding of K: 11 bits, 8 bits, 8 and 4 bits with a scale per 32 entries.
    const std::pair<const char *, float> tolerances[] = { { "f16", 1e-3f }, { "bf16", 1e-2f }, { "q8_0", 2e-2f }, { "q5_1", 0.1f }, { "q4_0", 0.3f } };
    for (const auto & [type, tolerance] : tolerances) {
        options.type_k = type;
        const float error = difference(*exact, *capture(model("tiny-llama"), options));
        CHECK(error > 0.0f && error < tolerance);
    }
}
