#pragma once

#include "attention_capture.h"
#include "cancellation.h"
#include "cell_state.h"
#include "kv_cache.h"
#include "model.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace qrhead {

struct ContextOptions : CacheOptions {
    std::vector<Head> heads;
    bool              early_stop = true;
    bool              read_on_host = false;  // for tests: read attention as where the device lacks an operation
    // Sequences that share the cache: one forward pass takes as many branches, or one document fewer.
    uint32_t          n_sequences = 1;
};

// What happens to documents after they are read.
struct Reading {
    bool keep = false;  // they stay in the cache, behind those that it has
    bool copy = true;   // their cells are copied out of it
};

// How a branch's attention is kept.
struct Rows {
    bool               per_head = true;  // a row per head; false: a single row with their sum, made while capturing
    std::vector<float> weights;          // of that sum, one per head, finite and at least 0; empty: all 1

    bool operator==(const Rows & other) const { return per_head == other.per_head && weights == other.weights; }
};

// How the rows of branches go through flash attention on the CPU: one by one, or padded to a tile. `automatic` decides by the
// number of cells before them.
enum class RowsGo { automatic, one_by_one, in_tiles };

// Rows of queries behind `n_cells` cells: `n_all` of the query, the null query and their common beginning; `n_further` of the
// query alone, if the rest was read before.
struct QueryRows {
    size_t n_cells   = 0;
    size_t n_all     = 0;
    size_t n_further = 0;
};

// What a model wrote, and for each token and head (row-major, heads in the order of the context's) the cell that the head
// attended to most while the token was chosen.
struct Generation {
    std::vector<llama_token> tokens;
    std::vector<int32_t>     attended;
    std::string              text;  // bytes: it may end inside a character
};

// An opening, copied out of a context: its cells, and what its tokens attend to, summed over them.
struct SavedOpening {
    CellState          cells;
    std::vector<float> sums;  // row-major, with a column for each cell of the trunk and of the opening
};

// What rows cost on the CPU, in units of one row through a layer's weights.
struct RowCosts {
    double cells      = 1.0;  // cells that a row of a tile attends to for the cost of one unit
    double one_by_one = 1.0;  // cost per cell of a row alone, relative to a row of a tile
};

// A KV cache, and the heads that are read from it. One thread at a time.
//
// With early stop, layers above the deepest wanted one are never computed: their part of the cache stays empty, and the
// context must not be used to generate text.
class Context {
  public:
    using Progress = std::function<void(size_t done)>;  // tokens

    // Throws CONTEXT_FAILED with llama.cpp's own first error line, HEADS_MISMATCH for heads that the model lacks,
    // INVALID_ARGUMENT for an early stop with heads taken out.
    Context(std::shared_ptr<Model> model, const ContextOptions & options);

    size_t   position() const noexcept { return position_; }
    uint32_t n_ctx() const noexcept { return n_ctx_; }
    uint32_t n_ubatch() const noexcept { return n_ubatch_; }
    // Of K and V together, in all layers.
    size_t   n_bytes() const noexcept { return n_bytes_; }
    size_t   n_heads() const noexcept { return static_cast<size_t>(capture_->selection().n_heads()); }

    // Appends tokens without reading attention. On failure and on cancellation the cache is as it was before the call.
    void prefill(const std::vector<llama_token> & tokens, const Cancellation & cancellation, const Progress & on_progress);

    // Decodes each branch as if it were alone behind the trunk, which is everything in the cache, and removes it again.
    // Returns each branch's attention to the trunk and to itself, averaged over its tokens and those of the opening. The cache is
    // as before afterwards, also on failure and on cancellation.
    std::vector<std::shared_ptr<Attention>> observe(const std::vector<std::vector<llama_token>> & branches, const Rows & rows,
                                                    const Cancellation & cancellation, const Progress & on_progress = nullptr,
                                                    RowsGo go = RowsGo::automatic);

    // Appends an opening: tokens that all branches begin with. Their rows go one by one, and their attention counts for every
    // later branch that is observed with the same `rows`. Any other change of the cache makes them ordinary tokens. On failure
    // and on cancellation the cache is as it was before the call.
    void read_opening(const std::vector<llama_token> & tokens, const Rows & rows, const Cancellation & cancellation);

    // A copy of the opening, and back into a context that holds the same trunk and no opening, in place of `read_opening`: what is
    // observed behind it is the same to the last bit. Both need a context of two sequences or more. Throw INVALID_ARGUMENT
    // where there is no opening, or one already; MODEL_UNSUPPORTED and CORPUS_INVALID as `save_cells` and `load_cells`.
    SavedOpening save_opening();
    void         load_opening(const SavedOpening & opening, const Rows & rows);

    // Whether one pass padded to a tile is better for a query, its null query and their common beginning than row by row with
    // as much as possible read before: cheaper, or more precise for not much more.
    bool tiles_pay(const QueryRows & rows) const noexcept;

    // Removes the tokens from `position` on. Throws INVALID_ARGUMENT beyond the current position, and between documents that
    // were put in: these are removed together.
    void rollback(size_t position);

    // Copies all cells, including documents, and replaces all cells by such a copy, also in a larger context. Attention on
    // restored cells is the same to the last bit. Throws MODEL_UNSUPPORTED for a sliding window, CORPUS_INVALID for bytes that
    // are not such a copy.
    CellState save_cells();
    void      load_cells(const CellState & state);

    // Reads documents behind the tokens in the cache, each as if it were alone, several in one forward pass. With `keep` they
    // stay, as after put_documents; with `copy` their cells are returned. Needs a context of at least two sequences; one document
    // fewer is read at a time. If reading with `keep` fails or is cancelled, all documents are removed.
    std::vector<CellState> read_documents(const std::vector<std::vector<llama_token>> & documents, Reading reading,
                                          const Cancellation & cancellation, const Progress & on_progress);

    // Appends the cells of documents that were read behind the same tokens. Their cells follow each other in the cache, but all
    // begin at the same position; later tokens follow the longest of them and attend to all.
    void put_documents(const std::vector<std::shared_ptr<const CellState>> & documents);

    // Decodes greedily from `last` on, until a token with a line break, an end of generation or `n_max` tokens, and removes all
    // of it from the cache. Needs a context without early stop.
    Generation generate(llama_token last, size_t n_max, const Cancellation & cancellation, const Progress & on_progress);

  private:
    // Cells [begin, end) hold documents, all of which begin at position `begin`.
    struct Documents {
        size_t begin   = 0;
        size_t end     = 0;  // 0 where there are none
        size_t longest = 0;
    };

    // Sequences [begin, end) that a token belongs to.
    struct Owners {
        llama_seq_id begin = 0;
        llama_seq_id end   = 1;
    };

    // Tokens of one forward pass, in the order of their cells.
    struct Batch {
        std::vector<llama_token> ids;
        std::vector<llama_pos>   positions;
        std::vector<Owners>      owners;

        size_t size() const noexcept { return ids.size(); }
        void   add(const llama_token * tokens, size_t n_tokens, llama_pos begin, Owners owners_of_all);
        Batch  part(size_t begin, size_t n_tokens) const;
    };

    // Branches [first, end) of a call that go through one forward pass, or the first alone where it takes several, and how
    // many tokens they all begin with.
    struct Group {
        size_t first    = 0;
        size_t end      = 0;
        size_t n_shared = 0;
    };

    // What a call of `observe` works on.
    struct Observation {
        const std::vector<std::vector<llama_token>> & branches;
        const std::vector<float> &                    weights;
        const Cancellation &                          cancellation;
        const Progress &                              on_progress;
        RowsGo                                        go;
        std::vector<std::shared_ptr<Attention>>       sinks;
    };

    // The last `n_tokens` cells, where all branches begin with them, and what they attend to, summed over them.
    struct Opening {
        size_t                     n_tokens = 0;
        Rows                       rows;
        std::shared_ptr<Attention> sums;
    };

    // Position of a token in a cell outside the documents.
    llama_pos position_of(size_t cell) const noexcept {
        return static_cast<llama_pos>(cell < documents_.end || documents_.end == 0
                                          ? cell
                                          : cell - documents_.end + documents_.begin + documents_.longest);
    }

    CellState copy_sequence(llama_seq_id sequence, size_t n_cells);
    void      restore_sequence(llama_seq_id sequence, const CellState & state);
    void      require_whole_cells() const;
    void      check_documents(const std::vector<std::vector<llama_token>> & documents, Reading reading) const;
    void      decode_documents(const std::vector<std::vector<llama_token>> & documents, size_t first, size_t end,
                               const Cancellation & cancellation, const Progress & on_progress);
    void      settle_document(llama_seq_id sequence, size_t n_cells, Reading reading, std::vector<CellState> & states);
    // Documents that begin where those that are there do, or behind the tokens.
    Documents documents_or_none() const;

    // One forward pass; of `output`, the logits of the last token are computed. `pass` needs no number of rows.
    void        decode(Batch batch, Pass pass, const Cancellation & cancellation, bool output = false);
    llama_token decode_row(llama_token token, Attention & attention, int32_t n_vocab, const Cancellation & cancellation);

    // Adds padding rows if that makes the pass faster, and returns how many. `cell`: of its first row.
    size_t pad(Batch & batch, size_t cell, RowsGo go = RowsGo::automatic) const;
    // The most rows that branches may share a pass with: where each alone would have few, they must stay few.
    size_t n_rows_of_group(RowsGo go) const noexcept;
    bool   are_tiled(RowsGo go) const noexcept { return go == RowsGo::automatic ? position_ >= tiled_from_ : go == RowsGo::in_tiles; }
    // Frees the cells of a sequence from the position of `cell` on. Throws MODEL_UNSUPPORTED where the model cannot.
    void   forget(llama_seq_id sequence, size_t cell);
    // Forgets what a call that failed has appended from cell `begin` on. Never throws: the failure is what counts.
    void   abandon(size_t begin) noexcept;

    Group  group_from(const Observation & observation, size_t first) const;
    size_t n_parallel() const noexcept;
    void   observe_group(const Observation & observation, const Group & group);
    void   observe_alone(const Observation & observation, size_t branch);
    // Sequences 1 to n - 1 become copies of the trunk; they stay until the trunk changes.
    void   fork_trunk(size_t n);
    void   drop_forks() noexcept;

    void check_tokens(const std::vector<llama_token> & tokens) const;
    void check_rows(const Rows & rows) const;

    std::shared_ptr<Model>            model_;
    ThreadPool                        pool_;                    // before all that computes with it
    std::unique_ptr<AttentionCapture> capture_;
    const Cancellation *              cancellation_ = nullptr;  // of the running call, for llama.cpp's abort callback
    ContextHandle                     handle_;                  // after what its callbacks point to
    size_t                            position_ = 0;            // cells in use
    Documents                         documents_;
    Opening                              opening_;
    size_t                            n_forks_     = 1;         // sequences that hold the trunk, its own among them
    uint32_t                          n_sequences_ = 1;
    uint32_t                          n_ctx_    = 0;
    uint32_t                          n_ubatch_ = 0;
    size_t                            n_bytes_  = 0;
    size_t                            tiled_from_ = 0;      // cells
    RowCosts                          costs_;
    bool                              pads_    = false;  // where rows may be added
    bool                              has_gpu_ = false;
};

}  // namespace qrhead
