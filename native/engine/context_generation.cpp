// Greedy decoding that watches where every head looks while a token is chosen.
#include "context.h"
#include "error.h"
#include "log_guard.h"

#include <algorithm>
#include <string>

namespace qrhead {

namespace {

std::string text_of(const llama_vocab * vocab, llama_token token) {
    std::string   piece(64, '\0');
    const auto    capacity = static_cast<int32_t>(piece.size());
    int32_t       n        = api().llama_token_to_piece(vocab, token, piece.data(), capacity, 0, false);
    if (n < 0) {
        piece.resize(static_cast<size_t>(-n));
        n = api().llama_token_to_piece(vocab, token, piece.data(), -n, 0, false);
    }
    piece.resize(static_cast<size_t>(std::max(0, n)));
    return piece;
}

}  // namespace

Generation Context::generate(llama_token last, size_t n_max, const Cancellation & cancellation, const Progress & on_progress) {
    if (n_heads() == 0 || capture_->stops_early()) {
        throw EngineError("INVALID_ARGUMENT", "Expected a context with heads and without early stop, which computes no logits");
    }
    check_tokens({ last });
    const size_t begin   = position_;
    const auto   n_vocab = model_->info().n_vocab;
    Generation   result;
    LogGuard     log(api());
    cancellation_ = &cancellation;
    try {
        for (llama_token token = last; result.tokens.size() < n_max && position_ < n_ctx_;) {
            Attention attention(n_heads(), position_ + 1);
            token = decode_row(token, attention, n_vocab, cancellation);
            if (api().llama_vocab_is_eog(model_->vocab(), token)) {
                break;
            }
            result.tokens.push_back(token);
            for (size_t r = 0; r < attention.n_rows(); r++) {
                const float * row = attention.row(r);
                result.attended.push_back(static_cast<int32_t>(std::max_element(row, row + attention.n_tokens()) - row));
            }
            if (on_progress) {
                on_progress(result.tokens.size());
            }
            const std::string text = text_of(model_->vocab(), token);
            result.text += text;
            if (text.find('\n') != std::string::npos) {
                break;
            }
        }
    } catch (...) {
        abandon(begin);
        throw;
    }
    cancellation_ = nullptr;
    rollback(begin);
    return result;
}

llama_token Context::decode_row(llama_token token, Attention & attention, int32_t n_vocab, const Cancellation & cancellation) {
    Batch batch;
    batch.add(&token, 1, position_of(position_), { 0, 1 });
    Pass pass;
    pass.branches.push_back({ { &attention }, { 0, 1 }, position_, position_, 1 });
    decode(std::move(batch), std::move(pass), cancellation, true);
    position_++;
    const float * logits = api().llama_get_logits_ith(handle_.get(), -1);
    if (logits == nullptr) {
        throw EngineError("ENGINE_FAILED", "llama.cpp computed no logits");
    }
    return static_cast<llama_token>(std::max_element(logits, logits + n_vocab) - logits);
}

}  // namespace qrhead
