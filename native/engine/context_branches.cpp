// Branches: token sequences that are tried behind the trunk, looked at, and forgotten.
#include "context.h"
#include "error.h"
#include "log_guard.h"

#include <algorithm>
#include <cmath>

namespace qrhead {

std::vector<std::shared_ptr<Attention>> Context::observe(const std::vector<std::vector<llama_token>> & branches, const Rows & rows,
                                                         const Cancellation & cancellation, const Progress & on_progress,
                                                         RowsGo go) {
    if (n_heads() == 0 || std::any_of(branches.begin(), branches.end(), [](const auto & branch) { return branch.empty(); })) {
        throw EngineError("INVALID_ARGUMENT", "Expected at least one head and one token in every branch");
    }
    check_rows(rows);
    if (opening_.n_tokens > 0 && !(rows == opening_.rows)) {
        throw EngineError("INVALID_ARGUMENT", "Expected the rows that the opening was read with");
    }
    size_t         n_done = 0;
    const Progress report = [&](size_t n_tokens) {
        n_done += n_tokens;
        if (on_progress) {
            on_progress(n_done);
        }
    };
    Observation observation{ branches, rows.weights, cancellation, report, go, {} };
    for (const auto & branch : branches) {
        check_tokens(branch);
        auto sink = std::make_shared<Attention>(rows.per_head ? n_heads() : 1, position_ + branch.size());
        for (size_t r = 0; opening_.n_tokens > 0 && r < sink->n_rows(); r++) {
            std::copy_n(opening_.sums->row(r), position_, sink->row(r));
        }
        observation.sinks.push_back(std::move(sink));
    }
    LogGuard log(api());
    cancellation_ = &cancellation;
    try {
        for (size_t first = 0; first < branches.size();) {
            const Group group = group_from(observation, first);
            if (group.end - first > 1) {
                observe_group(observation, group);
            } else {
                observe_alone(observation, first);
            }
            first = group.end;
        }
    } catch (...) {
        abandon(position_);
        throw;
    }
    cancellation_ = nullptr;
    for (size_t b = 0; b < branches.size(); b++) {
        observation.sinks[b]->scale(1.0f / static_cast<float>(opening_.n_tokens + branches[b].size()));
    }
    return std::move(observation.sinks);
}

void Context::read_opening(const std::vector<llama_token> & tokens, const Rows & rows, const Cancellation & cancellation) {
    if (n_heads() == 0 || tokens.empty() || opening_.n_tokens > 0) {
        throw EngineError("INVALID_ARGUMENT", "Expected at least one head and one token, and no opening before it");
    }
    check_rows(rows);
    check_tokens(tokens);
    drop_forks();
    const size_t begin = position_;
    Opening         opening{ tokens.size(), rows, std::make_shared<Attention>(rows.per_head ? n_heads() : 1, begin + tokens.size()) };
    LogGuard     log(api());
    cancellation_ = &cancellation;
    try {
        while (position_ < begin + tokens.size()) {
            const size_t n_done = position_ - begin;
            const size_t n      = std::min<size_t>(n_ubatch_, tokens.size() - n_done);
            Batch        batch;
            Pass         pass;
            batch.add(tokens.data() + n_done, n, position_of(position_), {});
            pass.weights = rows.weights;
            pass.branches.push_back({ { opening.sums.get() }, { 0, static_cast<int64_t>(n) }, begin, begin, n_done + n });
            decode(std::move(batch), std::move(pass), cancellation);
            position_ += n;
        }
    } catch (...) {
        abandon(begin);
        throw;
    }
    cancellation_ = nullptr;
    opening_         = std::move(opening);
}

void Context::check_rows(const Rows & rows) const {
    const bool valid = std::all_of(rows.weights.begin(), rows.weights.end(), [](float w) { return std::isfinite(w) && w >= 0.0f; });
    if (rows.weights.empty() || (valid && !rows.per_head && rows.weights.size() == n_heads())) {
        return;
    }
    throw EngineError("INVALID_ARGUMENT", "Expected " + std::to_string(n_heads()) +
                                              " weights of at least 0 for the sum over heads, and none for a row per head");
}

// A recurrent layer has one state for each sequence, and its rows cannot be taken back.
size_t Context::n_parallel() const noexcept {
    return model_->info().is_recurrent || model_->info().is_hybrid ? 1 : n_sequences_;
}

Context::Group Context::group_from(const Observation & observation, size_t first) const {
    const auto & branches = observation.branches;
    const size_t n_most  = n_rows_of_group(observation.go);
    const auto & leading = branches[first];
    Group        group{ first, first + 1, leading.size() - 1 };  // every branch keeps a row of its own
    size_t       n_tokens = leading.size();
    while (group.end < branches.size() && group.end - first < n_parallel()) {
        const auto & next     = branches[group.end];
        const size_t n_common = std::min(group.n_shared, next.size() - 1);
        const auto   differs  = std::mismatch(leading.begin(), leading.begin() + static_cast<long>(n_common), next.begin()).first;
        const auto   n_shared = static_cast<size_t>(differs - leading.begin());
        n_tokens += next.size();
        if (n_tokens - (group.end - first) * n_shared > n_most) {
            break;
        }
        group.n_shared = n_shared;
        group.end++;
    }
    return group;
}

// The first branch goes through the trunk's own sequence, which it may do as all others are copies of what was there before.
void Context::observe_group(const Observation & observation, const Group & group) {
    const auto &    branches = observation.branches;
    const auto      n        = static_cast<llama_seq_id>(group.end - group.first);
    const llama_pos begin    = position_of(position_);
    const size_t    n_before = position_ + group.n_shared;
    fork_trunk(group.end - group.first);
    Batch batch;
    Pass  pass;
    pass.weights = observation.weights;
    if (group.n_shared > 0) {
        batch.add(branches[group.first].data(), group.n_shared, begin, { 0, n });
        pass.branches.push_back({ {}, { 0, static_cast<int64_t>(group.n_shared) }, position_, position_, group.n_shared });
        for (size_t b = group.first; b < group.end; b++) {
            pass.branches[0].sinks.push_back(observation.sinks[b].get());
        }
    }
    size_t n_tokens = 0;
    for (size_t b = group.first; b < group.end; b++) {
        n_tokens += branches[b].size();
        const auto   sequence = static_cast<llama_seq_id>(b - group.first);
        const auto   row      = static_cast<int64_t>(batch.size());
        const size_t n_own    = branches[b].size() - group.n_shared;
        batch.add(branches[b].data() + group.n_shared, n_own, begin + static_cast<llama_pos>(group.n_shared), { sequence, sequence + 1 });
        pass.branches.push_back({ { observation.sinks[b].get() }, { row, row + static_cast<int64_t>(n_own) }, n_before,
                                  position_ + static_cast<size_t>(row), n_own });
    }
    pad(batch, position_, observation.go);
    decode(std::move(batch), std::move(pass), observation.cancellation);
    for (llama_seq_id sequence = 0; sequence < n; sequence++) {
        forget(sequence, position_);
    }
    observation.on_progress(n_tokens);
}

void Context::observe_alone(const Observation & observation, size_t branch) {
    const auto & tokens = observation.branches[branch];
    for (size_t n_done = 0; n_done < tokens.size();) {
        const size_t n = std::min<size_t>(n_ubatch_, tokens.size() - n_done);
        Batch        batch;
        Pass         pass;
        batch.add(tokens.data() + n_done, n, position_of(position_ + n_done), {});
        pass.weights = observation.weights;
        pass.branches.push_back({ { observation.sinks[branch].get() }, { 0, static_cast<int64_t>(n) }, position_, position_, n_done + n });
        const size_t n_padding = pad(batch, position_ + n_done, observation.go);
        decode(std::move(batch), std::move(pass), observation.cancellation);
        n_done += n;
        if (n_padding > 0 || n_done == tokens.size()) {
            forget(0, position_ + (n_done == tokens.size() ? 0 : n_done));
        }
        observation.on_progress(n);
    }
}

void Context::fork_trunk(size_t n) {
    for (; n_forks_ < n; n_forks_++) {
        api().llama_memory_seq_cp(api().llama_get_memory(handle_.get()), 0, static_cast<llama_seq_id>(n_forks_), -1, -1);
    }
}

void Context::drop_forks() noexcept {
    for (; n_forks_ > 1; n_forks_--) {
        api().llama_memory_seq_rm(api().llama_get_memory(handle_.get()), static_cast<llama_seq_id>(n_forks_ - 1), -1, -1);
    }
}

}  // namespace qrhead
