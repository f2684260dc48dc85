#include "check.h"
#include "context.h"
#include "writer.h"

#include <algorithm>
#include <set>

using namespace qrhead;
using namespace qrhead::test;

namespace {

const Cancellation never;

CacheOptions options_of(uint32_t n_ctx, uint32_t n_ubatch = 512) {
    CacheOptions options;
    options.n_ctx    = n_ctx;
    options.n_ubatch = n_ubatch;
    return options;
}

std::vector<llama_token> prompt_for(const Model & model) {
    return tokens_of(model, "Paris has been the capital of France since the year 987, and before that it was the");
}

// Tokens of a text, without the end token.
std::vector<llama_token> write(Writer & writer, size_t n_max) {
    std::vector<llama_token> tokens;
    while (tokens.size() < n_max) {
        const auto token = writer.next(never);
        if (token.end) {
            break;
        }
        tokens.push_back(token.id);
    }
    return tokens;
}

std::vector<llama_token> write(Writer & writer, const std::vector<llama_token> & prompt, const Sampling & sampling, size_t n_max) {
    writer.read(prompt, true, sampling, never, nullptr);
    return write(writer, n_max);
}

}  // namespace

TEST("the likeliest tokens are those that a context with heads chooses") {
    const auto     loaded = model("tiny-llama");
    const auto     prompt = prompt_for(*loaded);
    ContextOptions reading;
    reading.n_ctx      = 256;
    reading.heads      = { { 0, 0 } };
    reading.early_stop = false;
    Context context(loaded, reading);
    context.prefill({ prompt.begin(), prompt.end() - 1 }, never, nullptr);
    const auto expected = context.generate(prompt.back(), 12, never, nullptr).tokens;

    Writer     writer(loaded, options_of(256));
    const auto written = write(writer, prompt, {}, expected.size());
    CHECK(expected.size() > 3);
    CHECK(written == expected);
}

TEST("a prompt is read from where it differs on, and the same one not at all") {
    const auto loaded = model("tiny-llama");
    const auto prompt = prompt_for(*loaded);
    auto       longer = prompt;
    Writer     writer(loaded, options_of(256, 8));
    CHECK(writer.read(prompt, false, {}, never, nullptr) == 0);
    const auto first = write(writer, 10);
    CHECK(writer.position() == prompt.size() + 9);  // the last token is not in the cache
    CHECK(writer.read(prompt, false, {}, never, nullptr) == prompt.size());
    CHECK(writer.position() == prompt.size());
    CHECK(write(writer, 10) == first);

    longer.push_back(first[0]);
    longer.push_back(7);
    std::vector<size_t> done;
    CHECK(writer.read(longer, false, {}, never, [&done](size_t n) { done.push_back(n); }) == prompt.size() + 1);
    CHECK(done == std::vector<size_t>{ longer.size() });
    // Shorter than what the cache holds: the logits behind its last token have to be computed.
    longer.resize(5);
    CHECK(writer.read(longer, false, {}, never, nullptr) == 4);
    CHECK(writer.position() == 5);
    CHECK(writer.read(longer, true, {}, never, nullptr) == 0);
}

TEST("a text that goes on in the cache is the one that is read anew") {
    const auto loaded = model("tiny-llama-spm");
    const auto prompt = prompt_for(*loaded);
    Writer     writer(loaded, options_of(256));
    const auto first = write(writer, prompt, {}, 4);
    auto       whole = prompt;
    whole.insert(whole.end(), first.begin(), first.end());
    whole.push_back(11);
    writer.read(whole, false, {}, never, nullptr);
    const auto continued = write(writer, 8);
    CHECK(write(writer, whole, {}, 8) == continued);
}

TEST("seeds give the same text again, and other seeds others") {
    const auto loaded = model("tiny-llama");
    const auto prompt = prompt_for(*loaded);
    Writer     writer(loaded, options_of(256));
    Sampling   sampling;
    sampling.temperature = 1.0f;
    std::set<std::vector<llama_token>> texts;
    for (uint32_t seed = 0; seed < 8; seed++) {
        sampling.seed    = seed;
        const auto text  = write(writer, prompt, sampling, 12);
        CHECK(write(writer, prompt, sampling, 12) == text);
        texts.insert(text);
    }
    CHECK(texts.size() > 4);

    const auto greedy = write(writer, prompt, {}, 12);
    sampling.top_k    = 1;
    CHECK(write(writer, prompt, sampling, 12) == greedy);
    sampling.top_k = 0;
    sampling.top_p = 0.0f;
    CHECK(write(writer, prompt, sampling, 12) == greedy);
}

TEST("a penalty keeps greedy text from repeating itself") {
    const auto loaded = model("tiny-llama");
    const auto prompt = prompt_for(*loaded);
    Writer     writer(loaded, options_of(512));
    Sampling   sampling;
    const auto distinct = [&] {
        const auto tokens = write(writer, prompt, sampling, 64);
        return std::set<llama_token>(tokens.begin(), tokens.end()).size();
    };
    const size_t before     = distinct();
    sampling.repeat_penalty = 10.0f;
    CHECK(distinct() > before);
}

TEST("what does not fit, and what was not begun, is said") {
    const auto loaded = model("tiny-llama");
    const auto prompt = prompt_for(*loaded);
    Writer     writer(loaded, options_of(static_cast<uint32_t>(prompt.size() + 1)));
    CHECK_ERROR("INVALID_ARGUMENT", writer.next(never));
    CHECK_ERROR("INVALID_ARGUMENT", writer.read({}, false, {}, never, nullptr));
    CHECK_ERROR("INVALID_ARGUMENT", writer.read({ -1 }, false, {}, never, nullptr));
    CHECK_ERROR("INVALID_ARGUMENT", writer.read({ loaded->info().n_vocab }, false, {}, never, nullptr));
    CHECK_ERROR("CONTEXT_OVERFLOW", writer.read(std::vector<llama_token>(prompt.size() + 2, 1), false, {}, never, nullptr));
    writer.read(prompt, false, {}, never, nullptr);
    writer.next(never);
    writer.next(never);
    CHECK_ERROR("CONTEXT_OVERFLOW", writer.next(never));
    CHECK_ERROR("INVALID_ARGUMENT", writer.next(never));
    CHECK(writer.read(prompt, false, {}, never, nullptr) == prompt.size());
    auto wrong   = options_of(64);
    wrong.type_k = "int3";
    CHECK_ERROR("INVALID_ARGUMENT", Writer(loaded, wrong));
}

TEST("a text that was aborted has ended, and the cache holds what was read before") {
    const auto loaded = model("tiny-llama");
    const auto prompt = prompt_for(*loaded);
    Writer     writer(loaded, options_of(256, 8));
    const auto expected = write(writer, prompt, {}, 6);

    const Cancellation cancellation{ make_cancel_flag(), nullptr };
    CHECK_ERROR("ABORTED", writer.read(prompt, true, {}, cancellation, [&](size_t) { *cancellation.call = true; }));
    CHECK(writer.position() == 8);
    CHECK_ERROR("INVALID_ARGUMENT", writer.next(never));
    CHECK(writer.read(prompt, false, {}, never, nullptr) == 8);
    writer.next(never);
    CHECK_ERROR("ABORTED", writer.next(cancellation));
    CHECK_ERROR("INVALID_ARGUMENT", writer.next(never));
    CHECK(writer.read(prompt, false, {}, never, nullptr) == prompt.size());
    CHECK(write(writer, 6) == expected);
}

TEST("heads that are taken out are missing while a prompt is read and while a text is written") {
    const auto loaded  = model("tiny-llama");
    const auto prompt  = prompt_for(*loaded);
    auto       options = options_of(256, 8);
    Writer     whole(loaded, options);
    CHECK_ERROR("INVALID_ARGUMENT", whole.prompt_logits());
    const auto text   = write(whole, prompt, {}, 8);
    const auto logits = whole.prompt_logits();
    CHECK(logits.size() == static_cast<size_t>(loaded->info().n_vocab));

    options.without_heads = { { 0, 1 }, { 2, 0 }, { 2, 3 } };
    Writer     writer(loaded, options);
    const auto changed = write(writer, prompt, {}, 8);
    CHECK(writer.prompt_logits() != logits);
    // However the prompt is cut, and with the cache that was written without them.
    auto longer = prompt;
    longer.insert(longer.end(), changed.begin(), changed.begin() + 2);
    CHECK(writer.read(longer, false, {}, never, nullptr) == longer.size() - 1);
    const auto continued = write(writer, 4);
    CHECK(write(writer, longer, {}, 4) == continued);
    CHECK(write(whole, prompt, {}, 8) == text);

    options.without_heads = { { 0, 99 } };
    CHECK_ERROR("HEADS_MISMATCH", Writer(loaded, options));
    ContextOptions stopping;
    stopping.heads         = { { 0, 0 } };
    stopping.without_heads = { { 0, 1 } };
    CHECK_ERROR("INVALID_ARGUMENT", Context(loaded, stopping));
}
