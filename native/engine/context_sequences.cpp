// What a context does with whole stretches of its cache: copy them out and in, and read documents in sequences of their own.
#include "context.h"
#include "error.h"
#include "log_guard.h"

#include <algorithm>
#include <cmath>

namespace qrhead {

namespace {

// Where restored cells arrive before they join the others.
constexpr llama_seq_id arrivals = 1;

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

void Context::restore_sequence(llama_seq_id sequence, const CellState & state) {
    LogGuard log(api());
    if (api().llama_state_seq_set_data(handle_.get(), state.bytes.data(), state.bytes.size(), sequence) != state.bytes.size()) {
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
    if (position_ == 0 || (documents_.end != 0 && documents_.end != position_)) {
        throw EngineError("INVALID_ARGUMENT", "Expected a context that holds tokens, and nothing behind documents");
    }
    auto state = copy_sequence(0, position_);
    if (documents_.end != 0) {
        state.documents_begin = documents_.begin;
    }
    return state;
}

void Context::load_cells(const CellState & state) {
    require_whole_cells();
    if (state.n_cells > n_ctx_) {
        throw EngineError("CONTEXT_OVERFLOW", std::to_string(state.n_cells) + " tokens do not fit a context of " +
                                                  std::to_string(n_ctx_));
    }
    rollback(0);
    drop_forks();
    opening_ = {};
    const auto places = places_of(state, 0);
    if (!places) {
        throw EngineError("CORPUS_INVALID", "The saved cells are not those of a context");
    }
    restore_sequence(0, state);
    position_ = state.n_cells;
    if (places->longest > 0) {
        documents_ = { places->begin, state.n_cells, places->longest };
    }
}

SavedOpening Context::save_opening() {
    require_whole_cells();
    if (opening_.n_tokens == 0 || n_sequences_ < 2) {
        throw EngineError("INVALID_ARGUMENT", "Expected an opening, in a context of several sequences");
    }
    const auto memory = api().llama_get_memory(handle_.get());
    drop_forks();
    api().llama_memory_seq_cp(memory, 0, arrivals, position_of(position_ - opening_.n_tokens), -1);
    SavedOpening saved;
    try {
        saved.cells = copy_sequence(arrivals, opening_.n_tokens);
    } catch (...) {
        api().llama_memory_seq_rm(memory, arrivals, -1, -1);
        throw;
    }
    api().llama_memory_seq_rm(memory, arrivals, -1, -1);
    const auto & sums = *opening_.sums;
    saved.sums.assign(sums.row(0), sums.row(0) + sums.n_rows() * sums.n_tokens());
    return saved;
}

void Context::load_opening(const SavedOpening & opening, const Rows & rows) {
    require_whole_cells();
    check_rows(rows);
    const size_t n_cells = opening.cells.n_cells;
    if (n_heads() == 0 || opening_.n_tokens > 0 || n_sequences_ < 2) {
        throw EngineError("INVALID_ARGUMENT", "Expected at least one head, several sequences, and no opening before this one");
    }
    if (n_cells > n_ctx_ - position_) {
        throw EngineError("CONTEXT_OVERFLOW", std::to_string(position_ + n_cells) + " tokens do not fit a context of " +
                                                  std::to_string(n_ctx_));
    }
    auto       sums   = std::make_shared<Attention>(rows.per_head ? n_heads() : 1, position_ + n_cells);
    const auto places = places_of(opening.cells, static_cast<size_t>(position_of(position_)));
    const bool valid  = std::all_of(opening.sums.begin(), opening.sums.end(), [](float s) { return std::isfinite(s) && s >= 0.0f; });
    if (!places || places->longest > 0 || !valid || opening.sums.size() != sums->n_rows() * sums->n_tokens()) {
        throw EngineError("CORPUS_INVALID", "What was saved is no opening behind " + std::to_string(position_) + " cells");
    }
    std::copy(opening.sums.begin(), opening.sums.end(), sums->row(0));
    const auto memory = api().llama_get_memory(handle_.get());
    drop_forks();
    try {
        restore_sequence(arrivals, opening.cells);
    } catch (...) {
        api().llama_memory_seq_rm(memory, arrivals, -1, -1);
        throw;
    }
    api().llama_memory_seq_cp(memory, arrivals, 0, -1, -1);
    api().llama_memory_seq_rm(memory, arrivals, -1, -1);
    opening_ = { n_cells, rows, std::move(sums) };
    position_ += n_cells;
}

Context::Documents Context::documents_or_none() const {
    if (documents_.end != 0 && documents_.end != position_) {
        throw EngineError("INVALID_ARGUMENT", "Expected no query behind the documents");
    }
    return documents_.end != 0 ? documents_ : Documents{ position_, position_, 0 };
}

void Context::check_documents(const std::vector<std::vector<llama_token>> & documents, Reading reading) const {
    if (n_sequences_ < 2) {
        throw EngineError("INVALID_ARGUMENT", "Expected a context of several sequences");
    }
    size_t n_tokens = 0;
    for (const auto & document : documents) {
        n_tokens += document.size();
        check_tokens(document);
        const auto n_swa = static_cast<size_t>(reading.copy ? std::max(0, model_->info().n_swa) : 0);
        if (document.empty() || (n_swa > 0 && document.size() >= n_swa)) {
            throw EngineError("INVALID_ARGUMENT", "Expected documents of 1 to " + std::to_string(n_swa > 0 ? n_swa - 1 : n_ctx_ - position_) +
                                                      " tokens but received one of " + std::to_string(document.size()));
        }
    }
    if (reading.keep && n_tokens > n_ctx_ - position_) {
        throw EngineError("CONTEXT_OVERFLOW", std::to_string(position_ + n_tokens) + " tokens do not fit a context of " +
                                                  std::to_string(n_ctx_));
    }
}

std::vector<CellState> Context::read_documents(const std::vector<std::vector<llama_token>> & documents, Reading reading,
                                               const Cancellation & cancellation, const Progress & on_progress) {
    check_documents(documents, reading);
    std::vector<CellState> states;
    const Documents        before = documents_or_none();
    size_t                 n_done = 0;
    LogGuard               log(api());
    drop_forks();
    opening_         = {};
    cancellation_ = &cancellation;
    try {
        for (size_t first = 0; first < documents.size();) {
            // As many documents as make a forward pass; one that is longer takes several.
            const size_t n_most = std::min<size_t>(n_ubatch_, n_ctx_ - position_);
            size_t       end    = first + 1;
            for (size_t n = documents[first].size(); end < documents.size() && end - first < n_sequences_ - 1; end++) {
                n += documents[end].size();
                if (n > n_most) {
                    break;
                }
            }
            decode_documents(documents, first, end, cancellation, [&](size_t n) {
                n_done += n;
                if (on_progress) {
                    on_progress(n_done);
                }
            });
            for (size_t d = first; d < end; d++) {
                settle_document(static_cast<llama_seq_id>(d - first + 1), documents[d].size(), reading, states);
            }
            first = end;
        }
    } catch (...) {
        cancellation_ = nullptr;
        for (size_t s = 1; s < n_sequences_; s++) {
            api().llama_memory_seq_rm(api().llama_get_memory(handle_.get()), static_cast<llama_seq_id>(s), -1, -1);
        }
        if (reading.keep) {
            abandon(before.begin);
        }
        throw;
    }
    cancellation_ = nullptr;
    return states;
}

void Context::decode_documents(const std::vector<std::vector<llama_token>> & documents, size_t first, size_t end,
                               const Cancellation & cancellation, const Progress & on_progress) {
    const auto begin = static_cast<llama_pos>(documents_or_none().begin);
    Batch      batch;
    for (size_t d = first; d < end; d++) {
        const auto sequence = static_cast<llama_seq_id>(d - first + 1);
        api().llama_memory_seq_cp(api().llama_get_memory(handle_.get()), 0, sequence, 0, begin);
        batch.add(documents[d].data(), documents[d].size(), begin, { sequence, sequence + 1 });
    }
    for (size_t i = 0; i < batch.size(); i += n_ubatch_) {
        const size_t n_tokens = std::min<size_t>(n_ubatch_, batch.size() - i);
        Batch        part     = batch.part(i, n_tokens);
        // In a tile, however few they are: rows that go one by one are rounded to half precision on their way, and a document's
        // cells should not depend on how many others were absent.
        const bool is_padded = model_->info().n_swa <= 0 && pad(part, position_ + i, RowsGo::in_tiles) > 0;
        decode(std::move(part), {}, cancellation);
        if (is_padded) {
            const auto after = begin + static_cast<llama_pos>(documents[end - 1].size());
            api().llama_memory_seq_rm(api().llama_get_memory(handle_.get()), static_cast<llama_seq_id>(end - first), after, -1);
        }
        on_progress(n_tokens);
    }
}

// Of a document in a sequence of its own: gives out its cells, moves them to the others, or frees them.
void Context::settle_document(llama_seq_id sequence, size_t n_cells, Reading reading, std::vector<CellState> & states) {
    const auto & llama  = api();
    const auto   memory = llama.llama_get_memory(handle_.get());
    Documents    after  = documents_or_none();
    llama.llama_memory_seq_rm(memory, sequence, 0, static_cast<llama_pos>(after.begin));
    if (reading.copy) {
        states.push_back(copy_sequence(sequence, n_cells));
    }
    if (reading.keep) {
        llama.llama_memory_seq_cp(memory, sequence, 0, -1, -1);
        after.end += n_cells;
        after.longest = std::max(after.longest, n_cells);
        documents_    = after;
        position_     = after.end;
    }
    llama.llama_memory_seq_rm(memory, sequence, -1, -1);
}

void Context::put_documents(const std::vector<std::shared_ptr<const CellState>> & documents) {
    const auto      memory  = api().llama_get_memory(handle_.get());
    Documents       after   = documents_or_none();
    size_t          n_cells = 0;
    for (const auto & document : documents) {
        n_cells += document->n_cells;
    }
    if (n_cells > n_ctx_ - position_) {
        throw EngineError("CONTEXT_OVERFLOW", std::to_string(position_ + n_cells) + " tokens do not fit a context of " +
                                                  std::to_string(n_ctx_));
    }
    drop_forks();
    opening_ = {};
    try {
        for (const auto & document : documents) {
            const auto places = places_of(*document, after.begin);
            if (!places || places->longest > 0) {
                throw EngineError("CORPUS_INVALID", "The saved cells are not those of a document behind " +
                                                        std::to_string(after.begin) + " tokens");
            }
            restore_sequence(arrivals, *document);
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
