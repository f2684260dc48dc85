#include "context.h"

#include "error.h"
#include "kv_cache.h"
#include "layer_placement.h"
#include "log_guard.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

namespace qrhead {

namespace {

// From this many rows on, flash attention on the CPU computes in tiles of as many.
constexpr size_t n_tile_rows = 64;

// Fewer rows go one by one. A tile costs 64 rows of everything, but its attention is 3.6 times cheaper a row and cell: with
// many cells in the cache, a pass of few rows is faster when rows are added that nobody looks at. (Attention is causal: what
// comes later changes nothing.) Both have a cost a row, and one a row and cell, which are in proportion to the
// multiplications of a layer's weights and of its attention. A query and a null query together have 40 to 60 rows, so that a
// tile adds little. Milliseconds of such a pass on one thread, one by one and in a tile, idle machine: SmolLM2-135M (Q4_1, 24
// of 30 layers, 3,072 cells' worth of weights a layer) 303 and 291 behind 433 tokens, 335 (524) against 320 (800); the
// built-in model 54 and 16 behind 358. They meet near 430 tokens on SmolLM2 and below 100 on the built-in model: this part of
// the weights' worth is between the two.
//
// Rows are no part of the rule: the two ways differ in the third digit of small entries, and what a branch gets must not
// depend on those that it shares a pass with.
constexpr double tiled_from = 0.06;

// Looking at a cell costs a row that goes alone so many times what it costs a row of a tile. Measured on SmolLM2-135M (head
// size 64) and on the built-in model (96, which is no multiple of the values that llama.cpp's loop over F16 takes at a time).
constexpr double one_by_one        = 3.6;
constexpr double one_by_one_uneven = 40.0;
constexpr int64_t even_head_size   = 64;

// A row that goes alone adds up values in half precision, one cell after another. Behind so many cells that moves scores more
// than all other rounding does, and a tile is worth so many times what the row costs. Distance to scores without flash attention
// and with an F32 cache, in % of the best document's, mean over ten queries of the built-in model, alone and in a tile: behind 450
// cells 2.7 and 2.7, 900 cells 3.6 and 2.9, 1,900 cells 5.0 and 2.3, 4,700 cells 8.9 and 2.0.
constexpr size_t rough_from         = 1024;
constexpr double worth_of_precision = 3.0;

// What reading the documents may be worth less for the sake of later queries.
constexpr double share_for_later = 0.01;

int64_t number_in(const ModelInfo & info, const char * name, int64_t otherwise) {
    const auto    found  = info.metadata.find(info.architecture + "." + name);
    const int64_t number = found != info.metadata.end() ? std::strtol(found->second.c_str(), nullptr, 10) : 0;
    return number > 0 ? number : otherwise;
}

// `cells`: how many a row must look at to take as many multiplications as it takes with a layer's weights.
RowCosts costs_of(const ModelInfo & info) {
    const int64_t n_head    = std::max(1, info.n_head);
    const int64_t head_dim  = number_in(info, "attention.key_length", info.n_embd / n_head);
    const int64_t n_ff      = number_in(info, "feed_forward_length", 4 * info.n_embd);
    const int64_t n_experts = number_in(info, "expert_used_count", 1);
    const int64_t n_inner   = info.has_experts ? n_experts * number_in(info, "expert_feed_forward_length", n_ff) : n_ff;
    const double  weights   = 2.0 * static_cast<double>(info.n_embd * head_dim * (n_head + info.n_head_kv)) + 3.0 * static_cast<double>(info.n_embd * n_inner);
    return { std::max(1.0, weights / (2.0 * static_cast<double>(n_head * std::max<int64_t>(1, head_dim)))),
             head_dim % even_head_size == 0 ? one_by_one : one_by_one_uneven };
}

// Whether a GPU has the cache: rows that are added cost next to nothing there.
bool has_gpu(const ContextOptions & options) {
    return options.offload_kqv && !list_gpus().empty();
}

}  // namespace

Context::Context(std::shared_ptr<Model> model, const ContextOptions & options)
    : model_(std::move(model)), pool_(std::clamp(options.n_threads, 1, 512)) {
    const auto & llama = api();
    const auto & info  = model_->info();
    if (!options.without_heads.empty() && options.early_stop) {
        throw EngineError("INVALID_ARGUMENT", "Expected no early stop where heads are taken out: all layers must be computed");
    }
    if (options.n_sequences < 1 || options.n_sequences > 64) {
        throw EngineError("INVALID_ARGUMENT", "Expected 1 to 64 sequences");
    }
    auto params = cache_params(options, &cancellation_);
    // After a stop, the scheduler still copies the inputs of later parts of the graph to their devices. For experts it looks
    // up which ones were chosen, in memory that was never computed, and an index out of range aborts the process.
    // Models with an indexer write a second K cache of the same name first.
    const bool has_indexer = info.metadata.count(info.architecture + ".attention.indexer.head_count") > 0;
    const bool can_stop = !options.heads.empty() && !has_indexer && !(info.has_experts && info.is_split_over_devices);
    capture_ = std::make_unique<AttentionCapture>(HeadSelection(options.heads, info.n_layer, info.n_head),
                                                  options.early_stop && can_stop,
                                                  SoftmaxGraph(options.n_threads, pool_, options.read_on_host),
                                                  HeadRemoval(options.without_heads, info.n_layer, info.n_head));

    params.n_seq_max     = options.n_sequences;
    params.n_outputs_max = options.n_sequences;  // the fewest that llama.cpp accepts: no logits are ever asked for
    params.kv_unified    = options.n_sequences > 1;
    if (!options.heads.empty() || !options.without_heads.empty()) {
        params.cb_eval           = AttentionCapture::on_node;
        params.cb_eval_user_data = capture_.get();
    }
    handle_ = open_context(*model_, params);
    pool_.attach(handle_.get());
    n_ctx_       = options.n_ctx;
    n_sequences_ = options.n_sequences;
    has_gpu_     = has_gpu(options);
    costs_       = costs_of(info);
    tiled_from_  = has_gpu_ ? 0 : static_cast<size_t>(tiled_from * costs_.cells);
    pads_        = !options.heads.empty() && options.flash_attention && params.type_k == params.type_v &&
            (params.type_k == GGML_TYPE_F16 || params.type_k == GGML_TYPE_F32);
    n_ubatch_ = llama.llama_n_ubatch(handle_.get());
    n_bytes_  = kv_cache_bytes(info, n_ctx_, params.type_k, params.type_v);
}

void Context::Batch::add(const llama_token * tokens, size_t n_tokens, llama_pos begin, Owners owners_of_all) {
    ids.insert(ids.end(), tokens, tokens + n_tokens);
    owners.insert(owners.end(), n_tokens, owners_of_all);
    for (size_t i = 0; i < n_tokens; i++) {
        positions.push_back(begin + static_cast<llama_pos>(i));
    }
}

Context::Batch Context::Batch::part(size_t begin, size_t n_tokens) const {
    const auto cut = [&](const auto & all) {
        return std::decay_t<decltype(all)>(all.begin() + static_cast<long>(begin), all.begin() + static_cast<long>(begin + n_tokens));
    };
    return { cut(ids), cut(positions), cut(owners) };
}

void Context::prefill(const std::vector<llama_token> & tokens, const Cancellation & cancellation, const Progress & on_progress) {
    check_tokens(tokens);
    drop_forks();
    opening_              = {};
    const size_t begin = position_;
    LogGuard     log(api());
    cancellation_ = &cancellation;
    try {
        for (size_t i = 0; i < tokens.size(); i += n_ubatch_) {
            const size_t n = std::min<size_t>(n_ubatch_, tokens.size() - i);
            Batch        batch;
            batch.add(tokens.data() + i, n, position_of(position_), {});
            const size_t n_padding = pad(batch, position_);
            decode(std::move(batch), {}, cancellation);
            position_ += n;
            if (n_padding > 0) {
                forget(0, position_);
            }
            if (on_progress) {
                on_progress(i + n);
            }
        }
    } catch (...) {
        abandon(begin);
        throw;
    }
    cancellation_ = nullptr;
}

void Context::decode(Batch batch, Pass pass, const Cancellation & cancellation, bool output) {
    cancellation.throw_if_requested();
    // Owners of every token are a stretch of these.
    std::vector<llama_seq_id> sequences(n_sequences_);
    std::iota(sequences.begin(), sequences.end(), 0);
    std::vector<int32_t>        n_seq_ids;
    std::vector<llama_seq_id *> seq_ids;
    std::vector<int8_t>         outputs(batch.size(), 0);
    outputs.back() = output ? 1 : 0;
    for (const auto & owners : batch.owners) {
        n_seq_ids.push_back(owners.end - owners.begin);
        seq_ids.push_back(sequences.data() + owners.begin);
    }
    const llama_batch rows{ static_cast<int32_t>(batch.size()), batch.ids.data(), nullptr, batch.positions.data(), n_seq_ids.data(),
                            seq_ids.data(), outputs.data() };

    pass.n_rows = batch.size();
    capture_->begin_pass(std::move(pass));
    const int32_t status = api().llama_decode(handle_.get(), rows);
    api().llama_synchronize(handle_.get());
    capture_->restore_graph();
    cancellation.throw_if_requested();
    capture_->rethrow_failure();
    if (status != 0) {
        const std::string reason = LogGuard::first_error();
        throw EngineError("ENGINE_FAILED", "llama_decode returned " + std::to_string(status) + " for " + std::to_string(batch.size()) +
                                               " tokens behind " + std::to_string(position_) + (reason.empty() ? "" : ": " + reason));
    }
    capture_->finish_pass();
}

void Context::forget(llama_seq_id sequence, size_t cell) {
    if (!api().llama_memory_seq_rm(api().llama_get_memory(handle_.get()), sequence, position_of(cell), -1)) {
        throw EngineError("MODEL_UNSUPPORTED", "The model (" + model_->info().architecture +
                                                   ") cannot forget its last tokens, as recurrent models cannot");
    }
}

void Context::abandon(size_t begin) noexcept {
    cancellation_ = nullptr;
    drop_forks();
    api().llama_memory_seq_rm(api().llama_get_memory(handle_.get()), 0, position_of(begin), -1);
    if (begin < position_) {
        opening_ = {};
    }
    position_ = begin;
    if (begin < documents_.end) {
        documents_ = {};
    }
}

size_t Context::pad(Batch & batch, size_t cell, RowsGo go) const {
    const size_t n_rows = batch.size();
    if (!pads_ || !are_tiled(go) || n_rows >= n_tile_rows || n_tile_rows > n_ubatch_ || n_tile_rows > n_ctx_ - cell) {
        return 0;
    }
    const std::vector<llama_token> padding(n_tile_rows - n_rows, batch.ids.back());
    batch.add(padding.data(), padding.size(), batch.positions.back() + 1, batch.owners.back());
    return padding.size();
}

size_t Context::n_rows_of_group(RowsGo go) const noexcept {
    const size_t n_most = std::min<size_t>(n_ubatch_, n_ctx_ - position_);
    return pads_ && !are_tiled(go) ? std::min(n_most, n_tile_rows - 1) : n_most;
}

bool Context::tiles_pay(const QueryRows & rows) const noexcept {
    if (has_gpu_ || !pads_) {
        return has_gpu_;
    }
    const double looked    = static_cast<double>(rows.n_cells) / costs_.cells;
    const double in_a_tile = static_cast<double>(n_tile_rows) * (1.0 + looked);
    const double row       = 1.0 + costs_.one_by_one * looked;
    const double reading   = static_cast<double>(rows.n_cells) * (1.0 + looked / 2.0);
    const double further   = static_cast<double>(rows.n_further) * row * (rows.n_cells < rough_from ? 1.0 : worth_of_precision);
    return static_cast<double>(rows.n_all) * row > in_a_tile + share_for_later * reading || further > in_a_tile;
}

void Context::check_tokens(const std::vector<llama_token> & tokens) const {
    if (tokens.size() > n_ctx_ - position_) {
        throw EngineError("CONTEXT_OVERFLOW", std::to_string(position_ + tokens.size()) + " tokens do not fit a context of " +
                                                  std::to_string(n_ctx_));
    }
    const int32_t n_vocab = model_->info().n_vocab;
    for (const llama_token token : tokens) {
        if (token < 0 || token >= n_vocab) {
            throw EngineError("INVALID_ARGUMENT", "Expected token ids from 0 to " + std::to_string(n_vocab - 1) +
                                                      " but received " + std::to_string(token));
        }
    }
}

void Context::rollback(size_t position) {
    if (position > position_) {
        throw EngineError("INVALID_ARGUMENT", "Expected a position of at most " + std::to_string(position_) +
                                                  " but received " + std::to_string(position));
    }
    if (position > documents_.begin && position < documents_.end) {
        throw EngineError("INVALID_ARGUMENT", "Expected a position outside the documents but received " + std::to_string(position));
    }
    if (position == position_) {
        return;
    }
    drop_forks();
    opening_ = {};
    forget(0, position);
    position_ = position;
    if (position < documents_.end) {
        documents_ = {};
    }
}

}  // namespace qrhead
