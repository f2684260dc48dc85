#pragma once

#include "attention_capture.h"
#include "cancellation.h"
#include "model.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace qrhead {

struct ContextOptions {
    uint32_t          n_ctx    = 4096;
    uint32_t          n_ubatch = 512;
    int32_t           n_threads = 1;
    std::string       type_k = "f16";
    std::string       type_v = "f16";
    bool              flash_attention = true;
    bool              offload_kqv     = true;
    std::vector<Head> heads;
    bool              early_stop = true;
    bool              read_on_host = false;  // for tests: read attention as where the device lacks an operation
};

// A KV cache over one sequence, and the heads that are read from it. One thread at a time.
//
// With early stop, layers above the deepest wanted one are never computed: their part of the cache stays empty, and the
// context must not be used to generate text.
class Context {
  public:
    using Progress = std::function<void(size_t done)>;  // tokens

    // Throws CONTEXT_FAILED with llama.cpp's own first error line, HEADS_MISMATCH for heads that the model lacks.
    Context(std::shared_ptr<Model> model, const ContextOptions & options);

    size_t   position() const noexcept { return position_; }
    uint32_t n_ctx() const noexcept { return n_ctx_; }
    uint32_t n_ubatch() const noexcept { return n_ubatch_; }
    size_t   n_heads() const noexcept { return static_cast<size_t>(capture_->selection().n_heads()); }

    // Appends tokens without looking at attention. On failure and on cancellation the cache is as it was before the call.
    void prefill(const std::vector<llama_token> & tokens, const Cancellation & cancellation, const Progress & on_progress);

    // Appends tokens and returns their attention, averaged over them; one row per head, or a single row with the sum over
    // heads. On failure and on cancellation the cache is as it was before the call.
    std::shared_ptr<Attention> observe(const std::vector<llama_token> & tokens, bool per_head, const Cancellation & cancellation,
                                       const Progress & on_progress = nullptr);

    // Forgets the tokens from `position` on. Throws INVALID_ARGUMENT beyond the current position.
    void rollback(size_t position);

  private:
    void append(const std::vector<llama_token> & tokens, Attention * sink, const Cancellation & cancellation,
                const Progress & on_progress);
    void decode_ubatch(const llama_token * tokens, size_t n_tokens, Attention * sink, const Cancellation & cancellation);
    size_t padding_for(size_t n_tokens) const;
    void check_tokens(const std::vector<llama_token> & tokens) const;

    std::shared_ptr<Model>            model_;
    std::unique_ptr<AttentionCapture> capture_;
    const Cancellation *              cancellation_ = nullptr;  // of the running call, for llama.cpp's abort callback
    ContextHandle                     handle_;                  // after what its callbacks point to
    size_t                            position_ = 0;
    uint32_t                          n_ctx_    = 0;
    uint32_t                          n_ubatch_ = 0;
    bool                              pads_     = false;
};

}  // namespace qrhead
