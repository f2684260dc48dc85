#include "check.h"

#include <cmath>
#include <limits>

using namespace qrhead;
using namespace qrhead::test;

namespace {

const Cancellation never;

using Tokens = std::vector<llama_token>;

ContextOptions options_for(uint32_t n_sequences, const char * cache_type = "f32", bool flash_attention = false) {
    ContextOptions options;
    options.n_ctx           = 800;
    options.heads           = { { 1, 0 }, { 2, 3 }, { 0, 2 }, { 2, 1 } };
    options.n_sequences     = n_sequences;
    options.type_k          = cache_type;
    options.type_v          = cache_type;
    options.flash_attention = flash_attention;
    return options;
}

struct Parts {
    Tokens              trunk;
    std::vector<Tokens> branches;
};

// A trunk, and branches of one token, of a few, and of more than a tile of flash attention.
Parts parts_of(const Model & model, size_t n_trunk = 90) {
    std::string text;
    for (int i = 0; i < 20; i++) {
        text += " Lyon has had " + std::to_string(13 * i) + " bridges since the year " + std::to_string(900 + 37 * i) + ".";
    }
    const auto all  = tokens_of(model, text);
    const auto part = [&](long begin, long end) { return Tokens(all.begin() + begin, all.begin() + end); };
    const auto joined = [](Tokens a, const Tokens & b) {
        a.insert(a.end(), b.begin(), b.end());
        return a;
    };
    Tokens trunk;
    for (size_t i = 0; i < n_trunk; i++) {
        trunk.push_back(all[i % all.size()]);
    }
    return { trunk, { part(90, 113), part(100, 101), part(110, 180), part(120, 129), joined(part(90, 105), part(130, 141)) } };
}

float largest(const Attention & attention) {
    float most = 0.0f;
    for (size_t i = 0; i < attention.n_rows() * attention.n_tokens(); i++) {
        most = std::max(most, attention.row(0)[i]);
    }
    return most;
}

// Of any two entries, as a part of the largest entry.
float difference(const Attention & a, const Attention & b) {
    if (a.n_rows() != b.n_rows() || a.n_tokens() != b.n_tokens()) {
        return std::numeric_limits<float>::infinity();
    }
    float most = 0.0f;
    for (size_t i = 0; i < a.n_rows() * a.n_tokens(); i++) {
        most = std::max(most, std::fabs(a.row(0)[i] - b.row(0)[i]));
    }
    return most / largest(a);
}

std::shared_ptr<Attention> alone(const std::shared_ptr<Model> & model, ContextOptions options, const Tokens & trunk, const Tokens & branch) {
    options.n_sequences = 1;
    Context context(model, options);
    context.prefill(trunk, never, nullptr);
    return observe_heads(context, branch, never);
}

}  // namespace

TEST("branches that share a forward pass get what each gets alone") {
    // Of the largest entry. Measured: 5e-6 for the first three, 5e-5 for the others, whose scores before the softmax are large.
    const std::pair<const char *, float> tolerances[] = { { "tiny-llama", 1e-5f },  { "tiny-qwen2", 1e-5f },  { "tiny-phi3", 1e-5f }, { "tiny-mpt", 1e-4f },
                                                          { "tiny-gemma2", 1e-4f }, { "tiny-gemma3", 1e-4f }, { "tiny-gptoss", 1e-4f } };
    for (const auto & [name, tolerance] : tolerances) {
        const bool has_sinks = std::string(name) == "tiny-gptoss";
        // Behind few cells rows of flash attention are computed one by one, and behind many in tiles.
        for (const auto & [flash_attention, n_trunk] : { std::pair(false, 90), { true, 10 }, { true, 90 }, { true, 600 } }) {
            // One by one, values are added up in half precision, where a last digit can tip a rounding. Measured: 1e-4.
            const float most   = flash_attention && n_trunk == 10 ? 5e-4f : tolerance;
            const auto parts   = parts_of(*model(name), static_cast<size_t>(n_trunk));
            const auto options = options_for(4, "f32", flash_attention);
            Context    context(model(name), options);
            context.prefill(parts.trunk, never, nullptr);
            // Five branches, four at a time.
            const auto together = context.observe(parts.branches, {}, never);
            CHECK(together.size() == parts.branches.size() && context.position() == parts.trunk.size());
            for (size_t b = 0; b < together.size(); b++) {
                CHECK(together[b]->n_tokens() == parts.trunk.size() + parts.branches[b].size());
                const float moved = difference(*alone(model(name), options, parts.trunk, parts.branches[b]), *together[b]);
                CHECK(moved < most);
                for (size_t r = 0; r < together[b]->n_rows(); r++) {
                    double sum = 0.0;
                    for (size_t t = 0; t < together[b]->n_tokens(); t++) {
                        sum += together[b]->row(r)[t];
                    }
                    CHECK(has_sinks ? sum < 1.0 : std::fabs(sum - 1.0) < 1e-4);
                }
            }
        }
    }
}

TEST("the first branch of a pass has the bits that it has alone") {
    for (const char * name : { "tiny-llama", "tiny-qwen2", "tiny-gemma2" }) {
        const auto parts   = parts_of(*model(name));
        const auto options = options_for(4, "f16");
        Context    context(model(name), options);
        context.prefill(parts.trunk, never, nullptr);
        CHECK(difference(*alone(model(name), options, parts.trunk, parts.branches[0]), *context.observe(parts.branches, {}, never)[0]) == 0.0f);
    }
}

TEST("branches leave no trace: the trunk, and what is observed or read behind it, are as before") {
    const auto llama = model("tiny-llama");
    const auto parts = parts_of(*llama);
    for (const bool flash_attention : { false, true }) {
        const auto options = options_for(3, "f16", flash_attention);
        Context    plain(llama, options);
        Context    context(llama, options);
        plain.prefill(parts.trunk, never, nullptr);
        context.prefill(parts.trunk, never, nullptr);
        const auto first = context.observe(parts.branches, {}, never);
        CHECK(context.save_cells().bytes == plain.save_cells().bytes);
        const auto again = context.observe(parts.branches, {}, never);
        for (size_t b = 0; b < first.size(); b++) {
            CHECK(difference(*first[b], *again[b]) == 0.0f);
        }
        // A trunk that grows and shrinks is what the next branches stand behind.
        for (auto * each : { &plain, &context }) {
            each->rollback(40);
            each->prefill(parts.branches[0], never, nullptr);
        }
        CHECK(difference(*observe_heads(plain, parts.branches[2], never), *context.observe({ parts.branches[2], parts.branches[1] }, {}, never)[0]) == 0.0f);
    }
}

TEST("behind an opening a branch has what it has whole, and the opening can be forgotten") {
    for (const char * name : { "tiny-llama", "tiny-qwen2", "tiny-gemma3", "tiny-gptoss" }) {
        const auto   parts = parts_of(*model(name));
        const Tokens opening(parts.branches[0].begin(), parts.branches[0].begin() + 15);
        const Tokens own(parts.branches[0].begin() + 15, parts.branches[0].end());
        const Tokens other(parts.branches[4].begin() + 15, parts.branches[4].end());
        for (const bool flash_attention : { false, true }) {
            auto    options = options_for(3, "f32", flash_attention);
            Context context(model(name), options);
            context.prefill(parts.trunk, never, nullptr);
            for (const Rows & rows : { Rows{}, Rows{ false, { 0.5f, 0.0f, 2.0f, 1.25f } } }) {
                const auto observe = [&](const std::vector<Tokens> & branches) {
                    return context.observe(branches, rows, never, nullptr, RowsGo::one_by_one);
                };
                const auto whole = observe({ parts.branches[0], parts.branches[4] });
                context.read_opening(opening, rows, never);
                const auto first = observe({ own });
                CHECK(first[0]->n_tokens() == parts.trunk.size() + parts.branches[0].size());
                // With flash attention values are added up in half precision, row by row.
                const float most = flash_attention ? 5e-4f : 1e-5f;
                CHECK(difference(*whole[0], *first[0]) < most);
                const auto both = observe({ own, other });
                CHECK(difference(*both[0], *first[0]) == 0.0f);
                CHECK(difference(*whole[1], *both[1]) < most);
                CHECK_ERROR("INVALID_ARGUMENT", context.observe({ own }, { !rows.per_head, {} }, never));
                CHECK_ERROR("INVALID_ARGUMENT", context.read_opening(opening, rows, never));
                context.rollback(parts.trunk.size());
                CHECK(difference(*whole[0], *observe({ parts.branches[0], parts.branches[4] })[0]) == 0.0f);
            }
        }
    }
}

TEST("an opening that is refused or cancelled is not there, and one that is overtaken is text like any other") {
    const auto llama   = model("tiny-llama");
    const auto parts   = parts_of(*llama);
    auto       options = options_for(2);
    options.n_ubatch   = 8;
    Context context(llama, options);
    context.prefill(parts.trunk, never, nullptr);
    const auto before = context.observe({ parts.branches[0] }, {}, never);
    Cancellation cancelled{ make_cancel_flag(), nullptr };
    *cancelled.call = true;
    CHECK_ERROR("ABORTED", context.read_opening(parts.branches[2], {}, cancelled));
    CHECK_ERROR("INVALID_ARGUMENT", context.read_opening({}, {}, never));
    CHECK_ERROR("INVALID_ARGUMENT", context.read_opening({ -1 }, {}, never));
    CHECK_ERROR("INVALID_ARGUMENT", context.read_opening({ 1 }, { false, { 1.0f } }, never));
    CHECK_ERROR("CONTEXT_OVERFLOW", context.read_opening(Tokens(800, 1), {}, never));
    CHECK(context.position() == parts.trunk.size());
    CHECK(difference(*before[0], *context.observe({ parts.branches[0] }, {}, never)[0]) == 0.0f);

    Context plain(llama, options);
    plain.prefill(parts.trunk, never, nullptr);
    for (const auto * part : { &parts.branches[3], &parts.branches[1] }) {
        plain.prefill(*part, never, nullptr);
    }
    context.read_opening(parts.branches[3], {}, never);
    context.prefill(parts.branches[1], never, nullptr);
    CHECK(difference(*plain.observe({ parts.branches[0] }, {}, never)[0], *context.observe({ parts.branches[0] }, {}, never)[0]) < 1e-5f);
}

TEST("an opening that was copied into another context changes no bit, with documents apart and without") {
    const auto   llama = model("tiny-llama");
    const auto   parts = parts_of(*llama);
    const Tokens opening(parts.branches[0].begin(), parts.branches[0].begin() + 15);
    const Tokens own(parts.branches[0].begin() + 15, parts.branches[0].end());
    for (const bool apart : { false, true }) {
        const auto fill = [&](Context & context) {
            context.prefill(parts.trunk, never, nullptr);
            if (apart) {
                context.read_documents({ parts.branches[2], parts.branches[3] }, { true, false }, never, nullptr);
            }
        };
        for (const Rows & rows : { Rows{}, Rows{ false, { 0.5f, 0.0f, 2.0f, 1.25f } } }) {
            auto    options = options_for(3, "f16", true);
            Context first(llama, options);
            fill(first);
            first.read_opening(opening, rows, never);
            const auto wanted = first.observe({ own, parts.branches[1] }, rows, never);
            const auto saved  = first.save_opening();
            CHECK(saved.cells.n_cells == opening.size());
            CHECK(difference(*wanted[0], *first.observe({ own, parts.branches[1] }, rows, never)[0]) == 0.0f);
            options.n_ctx = 1200;
            Context second(llama, options);
            fill(second);
            const size_t n_trunk = second.position();
            second.load_opening(saved, rows);
            CHECK(second.position() == n_trunk + opening.size());
            for (int round = 0; round < 2; round++) {
                const auto found = second.observe({ own, parts.branches[1] }, rows, never);
                CHECK(difference(*wanted[0], *found[0]) == 0.0f);
                CHECK(difference(*wanted[1], *found[1]) == 0.0f);
            }
            CHECK_ERROR("INVALID_ARGUMENT", second.load_opening(saved, rows));
            second.rollback(n_trunk);
            const auto without = second.observe({ parts.branches[0] }, rows, never);
            CHECK_ERROR("INVALID_ARGUMENT", second.save_opening());
            // Numbers of another trunk, or that are no attention; cells of none, or from somewhere else.
            auto broken = saved;
            broken.sums.pop_back();
            CHECK_ERROR("CORPUS_INVALID", second.load_opening(broken, rows));
            for (const float value : { std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -1.0f }) {
                broken         = saved;
                broken.sums[3] = value;
                CHECK_ERROR("CORPUS_INVALID", second.load_opening(broken, rows));
            }
            CHECK_ERROR("CORPUS_INVALID", second.load_opening(saved, { !rows.per_head, {} }));
            broken             = saved;
            broken.cells.bytes.pop_back();
            CHECK_ERROR("CORPUS_INVALID", second.load_opening(broken, rows));
            broken             = saved;
            broken.cells.bytes = {};
            CHECK_ERROR("CORPUS_INVALID", second.load_opening(broken, rows));
            second.prefill({ 5 }, never, nullptr);
            CHECK_ERROR("CORPUS_INVALID", second.load_opening(saved, rows));
            second.rollback(n_trunk);
            CHECK(difference(*without[0], *second.observe({ parts.branches[0] }, rows, never)[0]) == 0.0f);
        }
    }
    Context alone(llama, options_for(1));
    alone.prefill(parts.trunk, never, nullptr);
    CHECK_ERROR("INVALID_ARGUMENT", alone.save_opening());
    const auto sliding = model("tiny-gemma3");
    Context    window(sliding, options_for(2));
    CHECK_ERROR("MODEL_UNSUPPORTED", window.save_opening());
    CHECK_ERROR("MODEL_UNSUPPORTED", window.load_opening({}, {}));
}

TEST("queries go in tiles where all their rows cost as much, and row by row where those of a further query cost less") {
    const auto llama = model("tiny-llama");
    Context    context(llama, options_for(2, "f16", true));
    CHECK(!context.tiles_pay({ 0, 41, 16 }));
    CHECK(context.tiles_pay({ 0, 90, 70 }));
    CHECK(context.tiles_pay({ 1 << 20, 41, 30 }));
    // Of a row alone, half precision is too little behind many cells.
    CHECK(!context.tiles_pay({ 1000, 2, 1 }));
    CHECK(context.tiles_pay({ 1100, 2, 1 }));
    CHECK(!context.tiles_pay({ 1100, 2, 0 }));
    // Nothing is filled up where attention is no flash attention.
    CHECK(!Context(llama, options_for(2)).tiles_pay({ 1 << 20, 90, 70 }));
}

// Of the largest entry, where a pass is cut into others: few rows go through flash attention one by one, and values are added
// up in half precision there. Measured: 2e-3 and 1.3e-6.
constexpr float half   = 5e-3f;
constexpr float single = 1e-5f;

TEST("a branch of several ubatches, and more rows than a pass has, are cut without a difference") {
    const auto llama = model("tiny-llama");
    const auto parts = parts_of(*llama);
    for (const bool flash_attention : { false, true }) {
        auto    options = options_for(5, "f32", flash_attention);
        Context whole(llama, options);
        whole.prefill(parts.trunk, never, nullptr);
        const auto wanted = whole.observe(parts.branches, {}, never);
        for (const uint32_t n_ubatch : { 1u, 16u, 24u, 69u, 70u }) {
            options.n_ubatch = n_ubatch;
            Context context(llama, options);
            context.prefill(parts.trunk, never, nullptr);
            std::vector<size_t> reports;
            const auto          cut = context.observe(parts.branches, {}, never, [&](size_t done) { reports.push_back(done); });
            for (size_t b = 0; b < cut.size(); b++) {
                CHECK(difference(*wanted[b], *cut[b]) < (flash_attention ? half : single));
            }
            CHECK(reports.back() == 23 + 1 + 70 + 9 + 26);
        }
    }
}

TEST("branches behind documents that were put in see them all, and each other not") {
    const auto llama = model("tiny-llama");
    const auto parts = parts_of(*llama);
    Context    context(llama, options_for(4));
    Context    single(llama, options_for(2));
    for (auto * each : { &context, &single }) {
        each->prefill({ parts.trunk.begin(), parts.trunk.begin() + 12 }, never, nullptr);
        each->read_documents({ parts.branches[2], parts.branches[3] }, { true, false }, never, nullptr);
    }
    const auto together = context.observe({ parts.branches[0], parts.branches[1], parts.branches[4] }, {}, never);
    CHECK(difference(*observe_heads(single, parts.branches[0], never), *together[0]) < 1e-5f);
    CHECK(difference(*observe_heads(single, parts.branches[1], never), *together[1]) < 1e-5f);
    CHECK(difference(*observe_heads(single, parts.branches[4], never), *together[2]) < 1e-5f);
}

TEST("a sum over heads that is made while capturing is that of the rows, with weights and without") {
    const auto llama = model("tiny-llama");
    const auto parts = parts_of(*llama);
    Context    context(llama, options_for(2));
    context.prefill(parts.trunk, never, nullptr);
    const auto rows = context.observe(parts.branches, {}, never);
    for (const std::vector<float> & weights : { std::vector<float>(), std::vector<float>{ 0.5f, 0.0f, 2.0f, 1.25f } }) {
        const auto sums = context.observe(parts.branches, { false, weights }, never);
        for (size_t b = 0; b < sums.size(); b++) {
            const auto wanted = rows[b]->sum_over_heads(nullptr, rows[b]->n_tokens(), weights);
            CHECK(sums[b]->n_rows() == 1 && sums[b]->n_tokens() == wanted.size());
            for (size_t t = 0; t < wanted.size(); t++) {
                CHECK(std::fabs(sums[b]->row(0)[t] - wanted[t]) < 1e-6f);
            }
        }
    }
}

TEST("branches that cannot be observed are refused, and a cancelled call leaves the cache as it was") {
    const auto llama   = model("tiny-llama");
    const auto parts   = parts_of(*llama);
    auto       options = options_for(2);
    options.n_ctx      = 120;
    Context context(llama, options);
    context.prefill(parts.trunk, never, nullptr);
    CHECK(context.observe({}, {}, never).empty());
    CHECK_ERROR("INVALID_ARGUMENT", context.observe({ parts.branches[0], {} }, {}, never));
    CHECK_ERROR("INVALID_ARGUMENT", context.observe({ { -1 } }, {}, never));
    CHECK_ERROR("INVALID_ARGUMENT", context.observe({ { 1 } }, { false, { 1.0f } }, never));
    CHECK_ERROR("INVALID_ARGUMENT", context.observe({ { 1 } }, { true, { 1.0f, 1.0f, 1.0f, 1.0f } }, never));
    CHECK_ERROR("INVALID_ARGUMENT", context.observe({ { 1 } }, { false, { 1.0f, 1.0f, 1.0f, -1.0f } }, never));
    CHECK_ERROR("CONTEXT_OVERFLOW", context.observe({ parts.branches[2] }, {}, never));
    // Each of them fits, though not all at a time.
    const auto before = context.observe({ parts.branches[0], parts.branches[4] }, {}, never);
    const Cancellation cancelled{ make_cancel_flag(), nullptr };
    CHECK_ERROR("ABORTED", context.observe({ parts.branches[0], parts.branches[4] }, {}, cancelled, [&](size_t) { *cancelled.call = true; }));
    CHECK(context.position() == parts.trunk.size());
    CHECK(difference(*before[1], *context.observe({ parts.branches[0], parts.branches[4] }, {}, never)[1]) == 0.0f);
}
