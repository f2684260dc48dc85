#pragma once

#include "cancellation.h"
#include "handles.h"
#include "head_removal.h"
#include "kv_cache.h"
#include "model.h"
#include "thread_pool.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace qrhead {

// How the next token is drawn from the logits.
struct Sampling {
    float    temperature    = 0.0f;  // 0 takes the likeliest token, whatever the other fields say
    int32_t  top_k          = 40;    // 0 keeps all
    float    top_p          = 0.95f;
    uint32_t seed           = 0;
    float    repeat_penalty = 1.0f;
    int32_t  penalty_last_n = 64;    // tokens of the text, without the prompt
};

struct WrittenToken {
    llama_token id = LLAMA_TOKEN_NULL;
    std::string text;         // bytes: they may end inside a character; none for a control token
    bool        end = false;  // an end token of the vocabulary, which is not part of the text
};

// A KV cache of full depth, to write text with. One thread at a time.
//
// A prompt replaces the one before; their common prefix stays in the cache. The logits after the prompt stay too, so the same
// prompt is not read again and gives the same text.
class Writer {
  public:
    using Progress = std::function<void(size_t done)>;  // tokens of the prompt

    // Throws CONTEXT_FAILED with llama.cpp's own first error line, MODEL_UNSUPPORTED for a model without a KV cache,
    // HEADS_MISMATCH for heads to take out that the model lacks.
    Writer(std::shared_ptr<Model> model, const CacheOptions & options);

    uint32_t n_ctx() const noexcept { return n_ctx_; }
    // Tokens whose K and V the cache holds.
    size_t position() const noexcept { return cells_.size(); }
    size_t n_bytes() const noexcept { return n_bytes_; }

    // Reads a prompt and begins a text after it. Returns how many of its tokens were in the cache already, 0 with `afresh`.
    // After a failure there is no text, and the cache holds what was read before it.
    size_t read(const std::vector<llama_token> & prompt, bool afresh, const Sampling & sampling,
                const Cancellation & cancellation, const Progress & on_progress);

    // Draws the next token of the text. Throws INVALID_ARGUMENT if none was begun or it has ended, CONTEXT_OVERFLOW if
    // the cache is full.
    WrittenToken next(const Cancellation & cancellation);

    // Logits after the prompt that was read last, one per token of the vocabulary. Throws INVALID_ARGUMENT if none was read.
    const std::vector<float> & prompt_logits() const;

  private:
    // How many of its tokens are in the cache and need not be read: all only if the logits after them are known.
    size_t n_known(const std::vector<llama_token> & prompt) const;
    void   check_prompt(const std::vector<llama_token> & prompt) const;
    void   forget_from(size_t cell);
    // Appends tokens; of `wants_logits`, the last one's are computed. On failure the cache is as it was before.
    void          decode(const llama_token * tokens, size_t n_tokens, bool wants_logits, const Cancellation & cancellation);
    const float * logits() const;
    llama_token   draw(llama_sampler & sampler, const float * logits);

    std::shared_ptr<Model>   model_;
    const Cancellation *     cancellation_ = nullptr;  // of the running call, for llama.cpp's abort callback
    ThreadPool               pool_;
    HeadRemoval              removal_;
    ContextHandle            handle_;                  // after what its callback points to, and the pool
    SamplerHandle            sampler_;                 // of the text that has begun; none before and after
    std::vector<llama_token> cells_;                   // what the cache holds
    std::vector<llama_token> prompt_;                  // of the logits that are kept
    std::vector<float>       prompt_logits_;
    llama_token              drawn_    = LLAMA_TOKEN_NULL;  // last, and not in the cache yet
    uint32_t                 n_ctx_    = 0;
    uint32_t                 n_ubatch_ = 0;
    size_t                   n_bytes_  = 0;

    std::vector<llama_token_data> candidates_;
};

}  // namespace qrhead
