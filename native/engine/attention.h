#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace qrhead {

struct TokenSpan {
    uint32_t begin = 0;
    uint32_t end   = 0;
};

enum class OutlierMask { none, per_head, shared };

// Attention of a query's tokens, averaged over them: a_h(t) of the paper's equation 2, for every captured head h and every
// token t of the cache. Row-major [n_rows x n_tokens]; one row when the heads were summed while they were captured.
class Attention {
  public:
    Attention(size_t n_rows, size_t n_tokens) : n_rows_(n_rows), n_tokens_(n_tokens), values_(n_rows * n_tokens, 0.0f) {}

    size_t n_rows() const noexcept { return n_rows_; }
    size_t n_tokens() const noexcept { return n_tokens_; }

    float *       row(size_t index) noexcept { return values_.data() + index * n_tokens_; }
    const float * row(size_t index) const noexcept { return values_.data() + index * n_tokens_; }

    void scale(float factor) noexcept;

    // c(t) = sum over heads of w_h * (a_h(t) - a0_h(t)) for tokens [0, end). `baseline` may be null: no calibration.
    // `weights` are one per row, finite and not negative; empty ones are all 1.
    std::vector<float> sum_over_heads(const Attention * baseline, size_t end, const std::vector<float> & weights = {}) const;

    // Per row and document: w_h times the sum over the document's tokens of a_h(t) - a0_h(t), [n_rows x n_documents]
    // row-major. `per_head` drops tokens at or below mean - 2 * std of each head's own values, as QRHead detection does;
    // `shared` drops those at or below it in the weighted sum over heads, so that a column adds up to the document's score.
    // Throws INVALID_ARGUMENT for a span outside both, a baseline of other heads, or weights that do not fit.
    std::vector<float> document_scores(const Attention * baseline, const std::vector<TokenSpan> & spans, OutlierMask mask,
                                       const std::vector<float> & weights = {}) const;

  private:
    void check_baseline(const Attention * baseline) const;
    void check_weights(const std::vector<float> & weights) const;

    size_t             n_rows_;
    size_t             n_tokens_;
    std::vector<float> values_;
};

}  // namespace qrhead
