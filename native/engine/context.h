#pragma once

#include "attention_capture.h"
#include "cancellation.h"
#include "cell_state.h"
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
    // Sequences that share the cache: more than one for a context that reads documents apart from each other.
    uint32_t          n_sequences = 1;
};

// What is kept of the heads of a branch.
struct Rows {
    bool               per_head = true;  // a row per head; false: a single row with their sum, made while capturing
    std::vector<float> weights;          // of that sum, one per head, finite and at least 0; none are all 1
};

// What a model wrote, and for each token and head (row-major, heads in the order of the context's) the cell that the head
// attended to most while the token was chosen.
struct Generation {
    std::vector<llama_token> tokens;
    std::vector<int32_t>     attended;
    std::string              text;  // bytes: it may end inside a character
};

// A KV cache, and the heads that are read from it. One thread at a time.
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
    // Of K and V together, in all layers.
    size_t   n_bytes() const noexcept { return n_bytes_; }
    size_t   n_heads() const noexcept { return static_cast<size_t>(capture_->selection().n_heads()); }

    // Appends tokens without looking at attention. On failure and on cancellation the cache is as it was before the call.
    void prefill(const std::vector<llama_token> & tokens, const Cancellation & cancellation, const Progress & on_progress);

    // Decodes each branch as if it alone stood behind the trunk, which is all that is in the cache, and forgets it again.
    // Returns each branch's attention to the trunk and to itself, averaged over its tokens. The cache is as before
    // afterwards, also on failure and on cancellation.
    std::vector<std::shared_ptr<Attention>> observe(const std::vector<std::vector<llama_token>> & branches, const Rows & rows,
                                                    const Cancellation & cancellation, const Progress & on_progress = nullptr);

    // Forgets the tokens from `position` on. Throws INVALID_ARGUMENT beyond the current position, and between documents that
    // were put in, which go all together.
    void rollback(size_t position);

    // A copy of all cells, and a copy back into an empty cache. The attention behind restored cells is the same to the last
    // bit. Throws MODEL_UNSUPPORTED for a sliding window, CORPUS_INVALID for bytes that are no such copy.
    CellState save_cells();
    void      load_cells(const CellState & state);

    // Reads documents behind the tokens in the cache, each as if it stood there alone, several in one forward pass, and
    // returns their cells. The cache is as before afterwards. Needs a context of two sequences or more: one less than that
    // is how many documents are read at a time.
    std::vector<CellState> read_documents(const std::vector<std::vector<llama_token>> & documents,
                                          const Cancellation & cancellation, const Progress & on_progress);

    // Appends the cells of documents that were read behind the same tokens. They lie in the cache one behind the other, but
    // all begin at the same position; tokens that follow stand behind the longest of them and attend to them all.
    void put_documents(const std::vector<std::shared_ptr<const CellState>> & documents);

    // Decodes greedily from `last` on, until a token that holds a line break, an end of generation or `n_max` tokens, and
    // forgets it all again. Needs a context without early stop.
    Generation generate(llama_token last, size_t n_max, const Cancellation & cancellation, const Progress & on_progress);

  private:
    // Cells [begin, end) hold documents, all of which begin at position `begin`.
    struct Documents {
        size_t begin   = 0;
        size_t end     = 0;  // 0 where there are none
        size_t longest = 0;
    };

    // Position of a token in a cell outside the documents.
    llama_pos position_of(size_t cell) const noexcept {
        return static_cast<llama_pos>(cell < documents_.end || documents_.end == 0
                                          ? cell
                                          : cell - documents_.end + documents_.begin + documents_.longest);
    }

    CellState copy_sequence(llama_seq_id sequence, size_t n_cells);
    void      restore_sequence(llama_seq_id sequence, const CellState & state, size_t begin);
    void      require_whole_cells() const;
    void      decode_rows(llama_token * ids, llama_pos * positions, llama_seq_id * sequences, size_t n_tokens,
                          const Cancellation & cancellation, Attention * sink = nullptr, const int8_t * outputs = nullptr);
    llama_token decode_row(llama_token token, Attention & attention, int32_t n_vocab, const Cancellation & cancellation);

    void append(const std::vector<llama_token> & tokens, Attention * sink, const Cancellation & cancellation,
                const Progress & on_progress);
    void decode_ubatch(const llama_token * tokens, size_t n_tokens, Attention * sink, const Cancellation & cancellation);
    // Forgets what a call that failed has appended from cell `begin` on. Never throws: the failure is what counts.
    void abandon(size_t begin) noexcept;
    size_t padding_for(size_t n_tokens) const;
    void check_tokens(const std::vector<llama_token> & tokens) const;
    void check_rows(const Rows & rows) const;

    std::shared_ptr<Model>            model_;
    std::unique_ptr<AttentionCapture> capture_;
    const Cancellation *              cancellation_ = nullptr;  // of the running call, for llama.cpp's abort callback
    ContextHandle                     handle_;                  // after what its callbacks point to
    size_t                            position_ = 0;            // cells in use
    Documents                         documents_;
    uint32_t                          n_sequences_ = 1;
    uint32_t                          n_ctx_    = 0;
    uint32_t                          n_ubatch_ = 0;
    size_t                            n_bytes_  = 0;
    bool                              pads_     = false;
};

}  // namespace qrhead
