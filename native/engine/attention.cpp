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

void Attention::check_baseline(const Attention * baseline) const {
    if (baseline != nullptr && baseline->n_rows_ != n_rows_) {
        throw EngineError("INVALID_ARGUMENT", "Expected a baseline of " + std::to_string(n_rows_) + " rows but received " +
                                                  std::to_string(baseline->n_rows_));
    }
}

std::vector<float> Attention::sum_over_heads(const Attention * baseline, size_t end) const {
    check_baseline(baseline);
    const size_t limit = baseline != nullptr ? std::min(n_tokens_, baseline->n_tokens_) : n_tokens_;
    if (end > limit) {
        throw EngineError("INVALID_ARGUMENT", "Expected an end of at most " + std::to_string(limit) + " but received " +
                                                  std::to_string(end));
    }
    std::vector<float> sums(end);
    for (size_t t = 0; t < end; t++) {
        double sum = 0.0;
        for (size_t r = 0; r < n_rows_; r++) {
            sum += row(r)[t];
            sum -= baseline != nullptr ? baseline->row(r)[t] : 0.0f;
        }
        sums[t] = static_cast<float>(sum);
    }
    return sums;
}

std::vector<float> Attention::document_scores(const Attention * baseline, const std::vector<TokenSpan> & spans,
                                              OutlierMask mask) const {
    check_baseline(baseline);
    uint32_t end = 0;
    for (const auto & span : spans) {
        if (span.begin >= span.end) {
            throw EngineError("INVALID_ARGUMENT", "Expected spans of at least one token but received [" +
                                                      std::to_string(span.begin) + ", " + std::to_string(span.end) + ")");
        }
        end = std::max(end, span.end);
    }
    const std::vector<float> sums = sum_over_heads(baseline, end);  // also checks `end`

    std::vector<float>  scores(n_rows_ * spans.size(), 0.0f);
    std::vector<double> values;
    for (size_t d = 0; d < spans.size(); d++) {
        const auto & span = spans[d];
        values.assign(sums.begin() + span.begin, sums.begin() + span.end);
        const double shared_threshold = outlier_threshold(values);
        for (size_t r = 0; r < n_rows_; r++) {
            for (uint32_t t = span.begin; t < span.end; t++) {
                values[t - span.begin] = static_cast<double>(row(r)[t]) - (baseline != nullptr ? baseline->row(r)[t] : 0.0f);
            }
            const double threshold = mask == OutlierMask::per_head ? outlier_threshold(values) : 0.0;
            double       score     = 0.0;
            for (uint32_t t = span.begin; t < span.end; t++) {
                const double value = values[t - span.begin];
                const bool   kept  = mask == OutlierMask::none || (mask == OutlierMask::per_head ? value > threshold
                                                                                               : sums[t] > shared_threshold);
                score += kept ? value : 0.0;
            }
            scores[r * spans.size() + d] = static_cast<float>(score);
        }
    }
    return scores;
}

}  // namespace qrhead
