#include "writer.h"

#include "error.h"
#include "kv_cache.h"
#include "log_guard.h"

#include <algorithm>
#include <cmath>

namespace qrhead {

namespace {

std::string text_of(const llama_vocab * vocab, llama_token token) {
    std::string piece(64, '\0');
    int32_t     n = api().llama_token_to_piece(vocab, token, piece.data(), static_cast<int32_t>(piece.size()), 0, false);
    if (n < 0) {
        piece.resize(static_cast<size_t>(-n));
        n = api().llama_token_to_piece(vocab, token, piece.data(), -n, 0, false);
    }
    piece.resize(static_cast<size_t>(std::max(0, n)));
    return piece;
}

// The order is that of llama.cpp's own programs and of node-llama-cpp: penalties see every token, the rest narrow down.
SamplerHandle make_sampler(const Sampling & sampling, int32_t n_vocab) {
    const auto &  llama = api();
    SamplerHandle chain(llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params()));
    const auto    add = [&](llama_sampler * sampler) { llama.llama_sampler_chain_add(chain.get(), sampler); };
    if (sampling.repeat_penalty != 1.0f) {
        add(llama.llama_sampler_init_penalties(n_vocab, sampling.penalty_last_n, sampling.repeat_penalty, 0.0f, 0.0f));
    }
    if (sampling.temperature <= 0.0f) {
        add(llama.llama_sampler_init_greedy());
        return chain;
    }
    add(llama.llama_sampler_init_top_k(sampling.top_k));
    add(llama.llama_sampler_init_top_p(sampling.top_p, 1));
    add(llama.llama_sampler_init_temp(sampling.temperature));
    add(llama.llama_sampler_init_dist(sampling.seed));
    return chain;
}

}  // namespace

Writer::Writer(std::shared_ptr<Model> model, const CacheOptions & options)
    : model_(std::move(model)), pool_(std::clamp(options.n_threads, 1, 512)) {
    const auto & info   = model_->info();
    auto         params = cache_params(options, &cancellation_);
    removal_            = HeadRemoval(options.without_heads, info.n_layer, info.n_head);
    if (!removal_.empty()) {
        params.cb_eval           = HeadRemoval::on_node;
        params.cb_eval_user_data = &removal_;
    }
    handle_           = open_context(*model_, params);
    pool_.attach(handle_.get());
    n_ctx_    = options.n_ctx;
    n_ubatch_ = params.n_ubatch;
    n_bytes_  = kv_cache_bytes(info, n_ctx_, params.type_k, params.type_v);
}

size_t Writer::read(const std::vector<llama_token> & prompt, bool afresh, const Sampling & sampling,
                    const Cancellation & cancellation, const Progress & on_progress) {
    sampler_.reset();
    drawn_ = LLAMA_TOKEN_NULL;
    check_prompt(prompt);
    cancellation.throw_if_requested();
    LogGuard     log(api());
    const size_t n_kept = afresh ? 0 : n_known(prompt);
    forget_from(n_kept);
    for (size_t i = n_kept; i < prompt.size(); i += n_ubatch_) {
        const size_t n = std::min<size_t>(n_ubatch_, prompt.size() - i);
        decode(prompt.data() + i, n, i + n == prompt.size(), cancellation);
        if (on_progress) {
            on_progress(i + n);
        }
    }
    if (n_kept < prompt.size()) {
        prompt_logits_.assign(logits(), logits() + model_->info().n_vocab);
        prompt_ = prompt;
    }
    sampler_ = make_sampler(sampling, model_->info().n_vocab);
    return n_kept;
}

size_t Writer::n_known(const std::vector<llama_token> & prompt) const {
    const auto   end = std::mismatch(prompt.begin(), prompt.end(), cells_.begin(), cells_.end()).first;
    const size_t n   = static_cast<size_t>(end - prompt.begin());
    return n == prompt.size() && prompt != prompt_ ? n - 1 : n;
}

void Writer::check_prompt(const std::vector<llama_token> & prompt) const {
    if (prompt.empty()) {
        throw EngineError("INVALID_ARGUMENT", "Expected a prompt of at least one token");
    }
    if (prompt.size() > n_ctx_) {
        throw EngineError("CONTEXT_OVERFLOW", std::to_string(prompt.size()) + " tokens do not fit a context of " + std::to_string(n_ctx_));
    }
    const int32_t n_vocab = model_->info().n_vocab;
    for (const llama_token token : prompt) {
        if (token < 0 || token >= n_vocab) {
            throw EngineError("INVALID_ARGUMENT", "Expected token ids from 0 to " + std::to_string(n_vocab - 1) +
                                                      " but received " + std::to_string(token));
        }
    }
}

WrittenToken Writer::next(const Cancellation & cancellation) {
    if (cancellation.requested()) {
        sampler_.reset();
        cancellation.throw_if_requested();
    }
    if (!sampler_) {
        throw EngineError("INVALID_ARGUMENT", "No text was begun, or it has ended: read a prompt first");
    }
    LogGuard      log(api());
    SamplerHandle sampler = std::move(sampler_);  // a text that fails has ended
    const bool    is_first = drawn_ == LLAMA_TOKEN_NULL;
    if (!is_first) {
        decode(&drawn_, 1, true, cancellation);
    }
    WrittenToken token;
    token.id  = draw(*sampler, is_first ? prompt_logits_.data() : logits());
    token.end = api().llama_vocab_is_eog(model_->vocab(), token.id);
    if (!token.end) {
        token.text = text_of(model_->vocab(), token.id);
        drawn_     = token.id;
        sampler_   = std::move(sampler);
    }
    return token;
}

void Writer::decode(const llama_token * tokens, size_t n_tokens, bool wants_logits, const Cancellation & cancellation) {
    cancellation.throw_if_requested();
    const size_t begin = cells_.size();
    if (n_tokens > n_ctx_ - begin) {
        throw EngineError("CONTEXT_OVERFLOW", "The context of " + std::to_string(n_ctx_) + " tokens is full");
    }
    std::vector<llama_token>    ids(tokens, tokens + n_tokens);
    std::vector<llama_pos>      positions(n_tokens);
    std::vector<int32_t>        n_seq_ids(n_tokens, 1);
    llama_seq_id                sequence = 0;
    std::vector<llama_seq_id *> seq_ids(n_tokens, &sequence);
    std::vector<int8_t>         outputs(n_tokens, 0);
    for (size_t i = 0; i < n_tokens; i++) {
        positions[i] = static_cast<llama_pos>(begin + i);
    }
    outputs.back() = wants_logits ? 1 : 0;
    const llama_batch batch{ static_cast<int32_t>(n_tokens), ids.data(), nullptr, positions.data(), n_seq_ids.data(),
                             seq_ids.data(), outputs.data() };
    cancellation_ = &cancellation;
    try {
        removal_.begin_pass();
        const int32_t status = api().llama_decode(handle_.get(), batch);
        api().llama_synchronize(handle_.get());
        cancellation.throw_if_requested();
        if (status != 0) {
            const std::string reason = LogGuard::first_error();
            throw EngineError("ENGINE_FAILED", "llama_decode returned " + std::to_string(status) + " at position " +
                                                   std::to_string(begin) + (reason.empty() ? "" : ": " + reason));
        }
        removal_.finish_pass();
        cells_.insert(cells_.end(), ids.begin(), ids.end());
    } catch (...) {
        cancellation_ = nullptr;
        api().llama_memory_seq_rm(api().llama_get_memory(handle_.get()), 0, static_cast<llama_pos>(begin), -1);
        throw;
    }
    cancellation_ = nullptr;
}

const std::vector<float> & Writer::prompt_logits() const {
    if (prompt_.empty()) {
        throw EngineError("INVALID_ARGUMENT", "No prompt was read");
    }
    return prompt_logits_;
}

const float * Writer::logits() const {
    const float * found = api().llama_get_logits_ith(handle_.get(), -1);
    if (found == nullptr) {
        throw EngineError("ENGINE_FAILED", "llama.cpp computed no logits");
    }
    return found;
}

llama_token Writer::draw(llama_sampler & sampler, const float * logits) {
    candidates_.resize(static_cast<size_t>(model_->info().n_vocab));
    for (size_t id = 0; id < candidates_.size(); id++) {
        if (std::isnan(logits[id]) || logits[id] == INFINITY) {
            throw EngineError("ENGINE_FAILED", "The model computed a logit that is no number: its file may be damaged");
        }
        candidates_[id] = { static_cast<llama_token>(id), logits[id], 0.0f };
    }
    llama_token_data_array array{ candidates_.data(), candidates_.size(), -1, false };
    api().llama_sampler_apply(&sampler, &array);
    if (array.selected < 0 || static_cast<size_t>(array.selected) >= array.size) {
        throw EngineError("ENGINE_FAILED", "llama.cpp's samplers chose no token");
    }
    const llama_token token = array.data[array.selected].id;
    api().llama_sampler_accept(&sampler, token);
    return token;
}

void Writer::forget_from(size_t cell) {
    if (!api().llama_memory_seq_rm(api().llama_get_memory(handle_.get()), 0, static_cast<llama_pos>(cell), -1)) {
        throw EngineError("MODEL_UNSUPPORTED", "The model (" + model_->info().architecture +
                                                   ") cannot forget its last tokens, as recurrent models cannot");
    }
    cells_.resize(cell);
}

}  // namespace qrhead
