#include "attention.h"

#include "error.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace qrhead {

namespace {

// mean - 2 * std, with the unbiased deviation of the reference code; a single value has none and nothing exceeds it.
double outlier_threshold(const std::vector<double> & values) {
    const auto n = static_cast<double>(values.size());
    if (values.size() < 2) {
        return std::numeric_limits<double>::infinity();
    }
    double mean = 0.0;
    for (double value : values) {
        mean += value / n;
    }
    double variance = 0.0;
    for (double value : values) {
        variance += (value - mean) * (value - mean) / (n - 1.0);
    }
    return mean - 2.0 * std::sqrt(variance);
}

}  // namespace

void Attention::scale(float factor) noexcept {
    for (float & value : values_) {
        value *= factor;
    }
}

void Attention::check_baseline(const Attention * baseline) const {
    if (baseline != nullptr && baseline->n_rows_ != n_rows_) {
        throw EngineError("INVALID_ARGUMENT", "Expected a baseline of " + std::to_string(n_rows_) + " rows but received " +
                                                  std::to_string(baseline->n_rows_));
    }
}

void Attention::check_weights(const std::vector<float> & weights) const {
    if (!weights.empty() && weights.size() != n_rows_) {
        throw EngineError("INVALID_ARGUMENT", "Expected " + std::to_string(n_rows_) + " weights but received " +
                                                  std::to_string(weights.size()));
    }
    for (const float weight : weights) {
        if (!(weight >= 0.0f && std::isfinite(weight))) {
            throw EngineError("INVALID_ARGUMENT", "Expected weights of at least 0 but received " + std::to_string(weight));
        }
    }
}

std::vector<float> Attention::sum_over_heads(const Attention * baseline, size_t end,
                                             const std::vector<float> & weights) const {
    check_baseline(baseline);
    check_weights(weights);
    const size_t limit = baseline != nullptr ? std::min(n_tokens_, baseline->n_tokens_) : n_tokens_;
    if (end > limit) {
        throw EngineError("INVALID_ARGUMENT", "Expected an end of at most " + std::to_string(limit) + " but received " +
                                                  std::to_string(end));
    }
    std::vector<double> sums(end, 0.0);
    for (size_t r = 0; r < n_rows_; r++) {  // rows outside: memory is read in its order
        const double  weight = weights.empty() ? 1.0 : weights[r];
        const float * values = row(r);
        const float * minus  = baseline != nullptr ? baseline->row(r) : nullptr;
        for (size_t t = 0; t < end; t++) {
            sums[t] += weight * values[t];
            sums[t] -= minus != nullptr ? weight * minus[t] : 0.0;
        }
    }
    return { sums.begin(), sums.end() };
}

std::vector<float> Attention::document_scores(const Attention * baseline, const std::vector<TokenSpan> & spans,
                                              OutlierMask mask, const std::vector<float> & weights) const {
    check_baseline(baseline);
    check_weights(weights);
    uint32_t end   = 0;
    size_t   total = 0;
    for (const auto & span : spans) {
        if (span.begin >= span.end) {
            throw EngineError("INVALID_ARGUMENT", "Expected spans of at least one token but received [" +
                                                      std::to_string(span.begin) + ", " + std::to_string(span.end) + ")");
        }
        end = std::max(end, span.end);
        total += span.end - span.begin;
    }
    const std::vector<float> sums = sum_over_heads(baseline, end, weights);  // also checks `end`

    // What the sum over heads keeps, document after document.
    std::vector<char>   shared;
    std::vector<double> values;
    shared.reserve(mask == OutlierMask::shared ? total : 0);
    for (size_t d = 0; mask == OutlierMask::shared && d < spans.size(); d++) {
        values.assign(sums.begin() + spans[d].begin, sums.begin() + spans[d].end);
        const double threshold = outlier_threshold(values);
        for (const double value : values) {
            shared.push_back(value > threshold);
        }
    }

    std::vector<float> scores(n_rows_ * spans.size(), 0.0f);
    for (size_t r = 0; r < n_rows_; r++) {
        const double  weight = weights.empty() ? 1.0 : weights[r];
        const float * own    = row(r);
        const float * minus  = baseline != nullptr ? baseline->row(r) : nullptr;
        size_t        first  = 0;
        for (size_t d = 0; d < spans.size(); d++) {
            const auto & span = spans[d];
            values.resize(span.end - span.begin);
            for (size_t i = 0; i < values.size(); i++) {
                const size_t t = span.begin + i;
                values[i]      = static_cast<double>(own[t]) - (minus != nullptr ? minus[t] : 0.0f);
            }
            const double threshold = mask == OutlierMask::per_head ? outlier_threshold(values) : 0.0;
            double       score     = 0.0;
            for (size_t i = 0; i < values.size(); i++) {
                const bool kept = mask == OutlierMask::none ||
                                  (mask == OutlierMask::per_head ? values[i] > threshold : shared[first + i] != 0);
                score += kept ? values[i] : 0.0;
            }
            scores[r * spans.size() + d] = static_cast<float>(weight * score);
            first += values.size();
        }
    }
    return scores;
}

}  // namespace qrhead
