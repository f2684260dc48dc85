#include "check.h"
#include "context.h"

#include <algorithm>
#include <cmath>

using namespace qrhead;
using namespace qrhead::test;

namespace {

const Cancellation never;

ContextOptions options_for(uint32_t n_sequences = 1) {
    ContextOptions options;
    options.n_ctx       = 512;
    options.heads       = { { 1, 0 }, { 2, 3 } };
    options.n_sequences = n_sequences;
    return options;
}

std::vector<llama_token> slice(const std::vector<llama_token> & tokens, size_t begin, size_t end) {
    return { tokens.begin() + static_cast<long>(begin), tokens.begin() + static_cast<long>(end) };
}

struct Parts {
    std::vector<llama_token>              prefix;
    std::vector<std::vector<llama_token>> documents;
    std::vector<llama_token>              query;
};

Parts parts_of(const Model & model) {
    std::string text;
    for (int i = 0; i < 12; i++) {
        text += " Lyon has had " + std::to_string(13 * i) + " bridges since the year " + std::to_string(900 + 37 * i) + ".";
    }
    const auto all = tokens_of(model, text);
    return { slice(all, 0, 10), { slice(all, 10, 40), slice(all, 40, 47), slice(all, 47, 90), slice(all, 90, 110) }, slice(all, 110, 120) };
}

std::vector<std::shared_ptr<const CellState>> read(const std::shared_ptr<Model> & model, const Parts & parts, uint32_t n_sequences = 3) {
    Context reader(model, options_for(n_sequences));
    reader.prefill(parts.prefix, never, nullptr);
    std::vector<std::shared_ptr<const CellState>> states;
    for (auto & state : reader.read_documents(parts.documents, {}, never, nullptr)) {
        states.push_back(std::make_shared<const CellState>(std::move(state)));
    }
    CHECK(reader.position() == parts.prefix.size());
    return states;
}

float difference(const float * a, const float * b, size_t n) {
    float largest = 0.0f;
    for (size_t i = 0; i < n; i++) {
        largest = std::max(largest, std::fabs(a[i] - b[i]));
    }
    return largest;
}

}  // namespace

TEST("cells copied into another context give the same attention to the last bit") {
    for (const bool flash_attention : { true, false }) {
        const auto llama        = model("tiny-llama");
        const auto parts        = parts_of(*llama);
        auto       options      = options_for();
        options.flash_attention = flash_attention;
        Context first(llama, options);
        Context second(llama, options);
        first.prefill(parts.documents[0], never, nullptr);
        const auto state = first.save_cells();
        second.prefill(parts.query, never, nullptr);
        second.load_cells(state);
        CHECK(second.position() == parts.documents[0].size());
        const auto a = observe_heads(first, parts.query, never);
        const auto b = observe_heads(second, parts.query, never);
        CHECK(difference(a->row(0), b->row(0), 2 * a->n_tokens()) == 0.0f);
    }
}

TEST("bytes that are no cells are refused and the context stays usable") {
    const auto llama = model("tiny-llama");
    const auto parts = parts_of(*llama);
    Context    context(llama, options_for());
    CHECK_ERROR("INVALID_ARGUMENT", context.save_cells());
    context.prefill(parts.prefix, never, nullptr);
    const auto whole  = context.save_cells();
    const auto wanted = observe_heads(context, parts.query, never);
    const auto refuse = [&](const CellState & state) { CHECK_ERROR("CORPUS_INVALID", context.load_cells(state)); };
    refuse({});
    refuse({ whole.n_cells, {} });
    refuse({ whole.n_cells + 1, whole.bytes });
    for (const size_t size : { size_t(3), size_t(16), size_t(40), whole.bytes.size() / 2, whole.bytes.size() - 1 }) {
        refuse({ whole.n_cells, { whole.bytes.begin(), whole.bytes.begin() + static_cast<long>(size) } });
    }
    auto longer = whole;
    longer.bytes.push_back(0);
    refuse(longer);
    // Magic number, streams, cells, a position, its number of sequences.
    for (const size_t offset : { 0, 8, 12, 16, 15, 19, 20 }) {
        auto flipped = whole;
        flipped.bytes[offset] ^= 0x80;
        refuse(flipped);
    }
    CHECK(context.position() == 0);
    context.load_cells(whole);
    const auto again = observe_heads(context, parts.query, never);
    CHECK(difference(wanted->row(0), again->row(0), 2 * wanted->n_tokens()) == 0.0f);
}

TEST("one document apart is the same as one in the row") {
    for (const char * name : { "tiny-llama", "tiny-qwen2", "tiny-llama-spm" }) {
        auto parts = parts_of(*model(name));
        parts.documents.resize(1);
        const auto states = read(model(name), parts);
        Context    apart(model(name), options_for(2));
        Context    row(model(name), options_for());
        apart.prefill(parts.prefix, never, nullptr);
        apart.put_documents(states);
        row.prefill(parts.prefix, never, nullptr);
        row.prefill(parts.documents[0], never, nullptr);
        CHECK(apart.position() == row.position());
        const auto a = observe_heads(apart, parts.query, never);
        const auto b = observe_heads(row, parts.query, never);
        CHECK(a->n_tokens() == b->n_tokens() && difference(a->row(0), b->row(0), 2 * a->n_tokens()) < 1e-3f);
    }
}

TEST("documents apart get the same attention in any order and however many were read at a time") {
    const auto llama  = model("tiny-llama");
    const auto parts  = parts_of(*llama);
    const auto states = read(llama, parts);
    Context    given(llama, options_for(2));
    Context    turned(llama, options_for(2));
    given.prefill(parts.prefix, never, nullptr);
    turned.prefill(parts.prefix, never, nullptr);
    given.put_documents(states);
    const auto others = read(llama, parts, 9);
    turned.put_documents({ others[3], others[2] });
    turned.put_documents({ others[1], others[0] });
    const auto a = observe_heads(given, parts.query, never);
    const auto b = observe_heads(turned, parts.query, never);
    size_t     at_a = parts.prefix.size();
    size_t     at_b = at_a + states[3]->n_cells + states[2]->n_cells + states[1]->n_cells;
    CHECK(a->n_tokens() == b->n_tokens());
    for (size_t d = 0; d < states.size(); d++) {
        for (size_t r = 0; r < 2; r++) {
            CHECK(difference(a->row(r) + at_a, b->row(r) + at_b, states[d]->n_cells) < 1e-4f);
        }
        at_a += states[d]->n_cells;
        at_b -= d + 1 < states.size() ? states[d + 1]->n_cells : 0;
    }
}

TEST("behind documents apart the query is taken back alone, and the documents only together") {
    const auto llama  = model("tiny-llama");
    const auto parts  = parts_of(*llama);
    const auto states = read(llama, parts);
    Context    context(llama, options_for(2));
    context.prefill(parts.prefix, never, nullptr);
    context.put_documents(states);
    const size_t end   = context.position();
    const auto   first = observe_heads(context, parts.query, never);
    CHECK(context.position() == end);
    context.prefill(parts.query, never, nullptr);
    CHECK_ERROR("INVALID_ARGUMENT", context.put_documents(states));
    CHECK_ERROR("INVALID_ARGUMENT", context.rollback(end - 1));
    CHECK_ERROR("INVALID_ARGUMENT", context.save_cells());
    context.rollback(end);
    const auto again = observe_heads(context, parts.query, never);
    CHECK(difference(first->row(0), again->row(0), 2 * first->n_tokens()) == 0.0f);
    context.rollback(parts.prefix.size());
    CHECK(context.position() == parts.prefix.size());
    context.put_documents(states);
    const auto third = observe_heads(context, parts.query, never);
    CHECK(difference(first->row(0), third->row(0), 2 * first->n_tokens()) == 0.0f);
    context.rollback(0);
    context.prefill(parts.prefix, never, nullptr);
    context.prefill(parts.query, never, nullptr);
    CHECK(context.position() == parts.prefix.size() + parts.query.size());
}

TEST("documents that are read where they stay get the attention of those that were put in") {
    for (const char * name : { "tiny-llama", "tiny-qwen2" }) {
        const auto parts  = parts_of(*model(name));
        const auto states = read(model(name), parts);
        Context    put(model(name), options_for(2));
        Context    kept(model(name), options_for(3));
        put.prefill(parts.prefix, never, nullptr);
        put.put_documents(states);
        kept.prefill(parts.prefix, never, nullptr);
        CHECK(kept.read_documents({ parts.documents[0] }, { true, false }, never, nullptr).empty());
        const auto copies = kept.read_documents({ parts.documents.begin() + 1, parts.documents.end() }, { true, true }, never, nullptr);
        CHECK(copies.size() == 3 && copies[0].n_cells == parts.documents[1].size() && kept.position() == put.position());
        const auto a = observe_heads(put, parts.query, never);
        const auto b = observe_heads(kept, parts.query, never);
        CHECK(difference(a->row(0), b->row(0), 2 * a->n_tokens()) < 1e-4f);
        // What was copied is what stayed.
        put.rollback(parts.prefix.size());
        put.put_documents({ states[0] });
        for (const auto & copy : copies) {
            put.put_documents({ std::make_shared<const CellState>(copy) });
        }
        const auto c = observe_heads(put, parts.query, never);
        CHECK(difference(c->row(0), b->row(0), 2 * a->n_tokens()) < 1e-4f);
    }
}

TEST("a context grows by its cells, with documents and without, and changes no bit") {
    const auto llama = model("tiny-llama");
    const auto parts = parts_of(*llama);
    for (const size_t n_documents : { size_t(0), size_t(1), size_t(4) }) {
        Context small(llama, options_for(3));
        small.prefill(parts.prefix, never, nullptr);
        small.read_documents({ parts.documents.begin(), parts.documents.begin() + static_cast<long>(n_documents) }, { true, false }, never, nullptr);
        auto options  = options_for(3);
        options.n_ctx = 1500;
        Context large(llama, options);
        large.prefill(parts.query, never, nullptr);
        observe_heads(large, parts.query, never);
        large.load_cells(small.save_cells());
        CHECK(large.position() == small.position());
        const auto a = small.observe({ parts.query, parts.documents[0] }, {}, never);
        const auto b = large.observe({ parts.query, parts.documents[0] }, {}, never);
        for (size_t i = 0; i < a.size(); i++) {
            CHECK(difference(a[i]->row(0), b[i]->row(0), 2 * a[i]->n_tokens()) == 0.0f);
        }
        // Documents are still documents: one more begins where they do.
        for (auto * each : { &small, &large }) {
            each->read_documents({ parts.documents[2] }, { true, false }, never, nullptr);
        }
        const auto c = observe_heads(small, parts.query, never);
        CHECK(difference(c->row(0), observe_heads(large, parts.query, never)->row(0), 2 * c->n_tokens()) == 0.0f);
        large.rollback(parts.prefix.size());
        CHECK(large.position() == parts.prefix.size());
    }
}

TEST("documents apart that cannot be read or put in leave the context as it was") {
    const auto llama = model("tiny-llama");
    auto       parts = parts_of(*llama);
    Context    single(llama, options_for());
    CHECK_ERROR("INVALID_ARGUMENT", single.read_documents(parts.documents, {}, never, nullptr));
    Context reader(llama, options_for(3));
    reader.prefill(parts.prefix, never, nullptr);
    CHECK_ERROR("INVALID_ARGUMENT", reader.read_documents({ {} }, {}, never, nullptr));
    CHECK_ERROR("CONTEXT_OVERFLOW", reader.read_documents({ std::vector<llama_token>(503, 7) }, {}, never, nullptr));
    const Cancellation cancelled{ make_cancel_flag(), nullptr };
    CHECK_ERROR("ABORTED", reader.read_documents(parts.documents, {}, cancelled, [&](size_t) { *cancelled.call = true; }));
    CHECK(reader.position() == parts.prefix.size());
    const auto states = read(llama, parts);
    const auto again  = reader.read_documents(parts.documents, {}, never, nullptr);
    CHECK(again[2].bytes == states[2]->bytes);

    Context other(llama, options_for(2));
    other.prefill(parts.query, never, nullptr);
    if (parts.query.size() != parts.prefix.size()) {
        CHECK_ERROR("CORPUS_INVALID", other.put_documents(states));
    }
    other.rollback(5);
    CHECK_ERROR("CORPUS_INVALID", other.put_documents(states));  // read behind a prefix of another length
    CHECK(other.position() == 5);
    auto options  = options_for(2);
    options.n_ctx = 64;
    Context small(llama, options);
    small.prefill(parts.prefix, never, nullptr);
    CHECK_ERROR("CONTEXT_OVERFLOW", small.put_documents(states));
    CHECK(small.position() == parts.prefix.size());
}

TEST("greedy decoding sees where heads look, stops where it should and forgets what it wrote") {
    const auto llama    = model("tiny-llama");
    const auto parts    = parts_of(*llama);
    auto       options  = options_for();
    options.early_stop  = false;
    const auto all      = parts.documents[0];
    const auto before   = slice(all, 0, all.size() - 1);
    for (const bool flash_attention : { true, false }) {
        options.flash_attention = flash_attention;
        Context context(llama, options);
        context.prefill(before, never, nullptr);
        const auto first = context.generate(all.back(), 8, never, nullptr);
        CHECK(first.tokens.size() <= 8 && !first.tokens.empty() && first.attended.size() == 2 * first.tokens.size());
        CHECK(context.position() == before.size());
        CHECK(context.generate(all.back(), 8, never, nullptr).tokens == first.tokens);
        // What a head looked at most is the largest entry of its row of attention.
        const auto row = observe_heads(context, { all.back() }, never);
        for (size_t r = 0; r < 2; r++) {
            const float * values = row->row(r);
            CHECK(std::max_element(values, values + row->n_tokens()) - values == first.attended[r]);
        }
        // One token at a time is the same text.
        context.rollback(before.size());
        std::vector<llama_token> one_by_one;
        auto                     input = all.back();
        for (size_t i = 0; i < first.tokens.size(); i++) {
            const auto next = context.generate(input, 1, never, nullptr);
            one_by_one.push_back(next.tokens.at(0));
            context.prefill({ input }, never, nullptr);
            input = next.tokens[0];
        }
        CHECK(one_by_one == first.tokens);
    }
}

TEST("greedy decoding is refused without logits, ends with the context, and is cancelled") {
    const auto llama = model("tiny-llama");
    Context    early(llama, options_for());
    early.prefill({ 1, 2 }, never, nullptr);
    CHECK_ERROR("INVALID_ARGUMENT", early.generate(3, 4, never, nullptr));
    auto options       = options_for();
    options.early_stop = false;
    options.n_ctx      = 24;
    Context context(llama, options);
    context.prefill(std::vector<llama_token>(20, 1000), never, nullptr);
    CHECK(context.generate(1000, 50, never, nullptr).tokens.size() <= 4);
    CHECK_ERROR("INVALID_ARGUMENT", context.generate(-1, 4, never, nullptr));
    const Cancellation cancelled{ make_cancel_flag(), nullptr };
    *cancelled.call = true;
    CHECK_ERROR("ABORTED", context.generate(1000, 4, cancelled, nullptr));
    CHECK(context.position() == 20);
    options.heads = {};
    Context headless(llama, options);
    CHECK_ERROR("INVALID_ARGUMENT", headless.generate(3, 4, never, nullptr));
}
