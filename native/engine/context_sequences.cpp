// What a context does with whole stretches of its cache: copy them out and in, and read documents in sequences of their own.
#include "context.h"
#include "error.h"
#include "log_guard.h"

#include <algorithm>

namespace qrhead {

namespace {

// Where restored cells arrive before they join the others.
constexpr llama_seq_id arrivals = 1;

struct Batch {
    std::vector<llama_token>  ids;
    std::vector<llama_pos>    positions;
    std::vector<llama_seq_id> sequences;
};

}  // namespace

CellState Context::copy_sequence(llama_seq_id sequence, size_t n_cells) {
    const auto & llama = api();
    CellState    state;
    state.n_cells = n_cells;
    state.bytes.resize(llama.llama_state_seq_get_size(handle_.get(), sequence));
    const size_t n_bytes = llama.llama_state_seq_get_data(handle_.get(), state.bytes.data(), state.bytes.size(), sequence);
    if (n_bytes == 0 || n_bytes != state.bytes.size()) {
        throw EngineError("ENGINE_FAILED", "llama.cpp could not copy " + std::to_string(n_cells) + " cells of its cache");
    }
    return state;
}

void Context::restore_sequence(llama_seq_id sequence, const CellState & state, size_t begin) {
    LogGuard log(api());
    if (!describes_cells(state, begin) ||
        api().llama_state_seq_set_data(handle_.get(), state.bytes.data(), state.bytes.size(), sequence) != state.bytes.size()) {
        const std::string reason = LogGuard::first_error();
        throw EngineError("CORPUS_INVALID", "The saved cells do not fit this context" + (reason.empty() ? "" : ": " + reason));
    }
}

void Context::require_whole_cells() const {
    if (model_->info().n_swa > 0) {
        throw EngineError("MODEL_UNSUPPORTED", "The model (" + model_->info().architecture + ") has a sliding window, and llama.cpp "
                                               "copies no cells that lie behind it");
    }
}

CellState Context::save_cells() {
    require_whole_cells();
    if (position_ == 0 || documents_.end != 0) {
        throw EngineError("INVALID_ARGUMENT", "Expected a context that holds one sequence of tokens");
    }
    return copy_sequence(0, position_);
}

void Context::load_cells(const CellState & state) {
    require_whole_cells();
    if (state.n_cells > n_ctx_) {
        throw EngineError("CONTEXT_OVERFLOW", std::to_string(state.n_cells) + " tokens do not fit a context of " +
                                                  std::to_string(n_ctx_));
    }
    rollback(0);
    restore_sequence(0, state, 0);
    position_ = state.n_cells;
}

std::vector<CellState> Context::read_documents(const std::vector<std::vector<llama_token>> & documents,
                                               const Cancellation & cancellation, const Progress & on_progress) {
    const size_t prefix    = position_;
    const size_t n_free    = n_ctx_ - prefix;
    const size_t n_parallel = n_sequences_ - 1;
    if (documents_.end != 0 || n_parallel == 0) {
        throw EngineError("INVALID_ARGUMENT", "Expected a context of several sequences that holds a prefix");
    }
    for (const auto & document : documents) {
        check_tokens(document);
        const auto n_swa = static_cast<size_t>(std::max(0, model_->info().n_swa));
        if (document.empty() || (n_swa > 0 && document.size() >= n_swa)) {
            throw EngineError("INVALID_ARGUMENT", "Expected documents of 1 to " + std::to_string(n_swa > 0 ? n_swa - 1 : n_free) +
                                                      " tokens but received one of " + std::to_string(document.size()));
        }
    }
    const auto             memory = api().llama_get_memory(handle_.get());
    std::vector<CellState> states;
    size_t                 n_done = 0;
    LogGuard               log(api());
    cancellation_ = &cancellation;
    const auto clean = [&] {
        cancellation_ = nullptr;
        for (size_t s = 1; s < n_sequences_; s++) {
            api().llama_memory_seq_rm(memory, static_cast<llama_seq_id>(s), -1, -1);
        }
    };
    try {
        while (states.size() < documents.size()) {
            // As many documents as make a forward pass; one that is longer takes several.
            Batch  batch;
            size_t n = 0;
            while (states.size() + n < documents.size() && n < n_parallel) {
                const auto & document = documents[states.size() + n];
                if (n > 0 && batch.ids.size() + document.size() > std::min<size_t>(n_ubatch_, n_free)) {
                    break;
                }
                n++;
                const auto sequence = static_cast<llama_seq_id>(n);
                api().llama_memory_seq_cp(memory, 0, sequence, 0, static_cast<llama_pos>(prefix));
                for (size_t i = 0; i < document.size(); i++) {
                    batch.ids.push_back(document[i]);
                    batch.positions.push_back(static_cast<llama_pos>(prefix + i));
                    batch.sequences.push_back(sequence);
                }
            }
            for (size_t i = 0; i < batch.ids.size(); i += n_ubatch_) {
                const size_t n_tokens = std::min<size_t>(n_ubatch_, batch.ids.size() - i);
                decode_rows(batch.ids.data() + i, batch.positions.data() + i, batch.sequences.data() + i, n_tokens, cancellation);
                n_done += n_tokens;
                if (on_progress) {
                    on_progress(n_done);
                }
            }
            for (size_t s = 1; s <= n; s++) {
                const auto sequence = static_cast<llama_seq_id>(s);
                api().llama_memory_seq_rm(memory, sequence, 0, static_cast<llama_pos>(prefix));
                states.push_back(copy_sequence(sequence, documents[states.size()].size()));
                api().llama_memory_seq_rm(memory, sequence, -1, -1);
            }
        }
    } catch (...) {
        clean();
        throw;
    }
    clean();
    return states;
}

void Context::decode_rows(llama_token * ids, llama_pos * positions, llama_seq_id * sequences, size_t n_tokens,
                          const Cancellation & cancellation, Attention * sink, const int8_t * outputs) {
    cancellation.throw_if_requested();
    std::vector<int32_t>        n_seq_ids(n_tokens, 1);
    std::vector<llama_seq_id *> seq_ids(n_tokens);
    std::vector<int8_t>         wanted(n_tokens, 0);
    if (outputs != nullptr) {
        std::copy(outputs, outputs + n_tokens, wanted.begin());
    }
    for (size_t i = 0; i < n_tokens; i++) {
        seq_ids[i] = sequences + i;
    }
    const llama_batch batch{ static_cast<int32_t>(n_tokens), ids, nullptr, positions, n_seq_ids.data(), seq_ids.data(), wanted.data() };
    capture_->begin_ubatch(sink, position_, n_tokens, 0);
    const int32_t status = api().llama_decode(handle_.get(), batch);
    api().llama_synchronize(handle_.get());
    cancellation.throw_if_requested();
    capture_->rethrow_failure();
    if (status != 0) {
        const std::string reason = LogGuard::first_error();
        throw EngineError("ENGINE_FAILED", "llama_decode returned " + std::to_string(status) + " for " + std::to_string(n_tokens) +
                                               " tokens" + (reason.empty() ? "" : ": " + reason));
    }
    capture_->finish_ubatch();
}

void Context::put_documents(const std::vector<std::shared_ptr<const CellState>> & documents) {
    if (documents_.end != 0 && documents_.end != position_) {
        throw EngineError("INVALID_ARGUMENT", "Expected no query behind the documents");
    }
    const auto      memory  = api().llama_get_memory(handle_.get());
    const Documents before  = documents_;
    Documents       after   = before.end != 0 ? before : Documents{ position_, position_, 0 };
    size_t          n_cells = 0;
    for (const auto & document : documents) {
        n_cells += document->n_cells;
    }
    if (n_cells > n_ctx_ - position_) {
        throw EngineError("CONTEXT_OVERFLOW", std::to_string(position_ + n_cells) + " tokens do not fit a context of " +
                                                  std::to_string(n_ctx_));
    }
    try {
        for (const auto & document : documents) {
            restore_sequence(arrivals, *document, after.begin);
            api().llama_memory_seq_cp(memory, arrivals, 0, -1, -1);
            api().llama_memory_seq_rm(memory, arrivals, -1, -1);
            after.end += document->n_cells;
            after.longest = std::max(after.longest, document->n_cells);
        }
    } catch (...) {
        // Which of the cells belong to which document is no longer known: all of them go.
        api().llama_memory_seq_rm(memory, arrivals, -1, -1);
        abandon(after.begin);
        documents_ = {};
        throw;
    }
    if (!documents.empty()) {
        documents_ = after;
        position_  = after.end;
    }
}

}  // namespace qrhead
