#include "attention.h"
#include "check.h"
#include "head_selection.h"

#include <cmath>
#include <random>

using namespace qrhead;
using namespace qrhead::test;

namespace {

constexpr size_t n_rows   = 5;
constexpr size_t n_tokens = 40;

Attention random_attention(unsigned seed, size_t rows = n_rows, size_t tokens = n_tokens) {
    std::mt19937                          random(seed);
    std::uniform_real_distribution<float> uniform(0.0f, 1.0f);
    Attention                             attention(rows, tokens);
    for (size_t r = 0; r < rows; r++) {
        for (size_t t = 0; t < tokens; t++) {
            const float value   = uniform(random);
            attention.row(r)[t] = value * value * value * value;  // mostly small, a few large, as attention is
        }
        attention.row(r)[r] = -3.0f;  // an outlier for every row
    }
    return attention;
}

double at(const Attention & attention, const Attention * baseline, size_t row, size_t token) {
    return double(attention.row(row)[token]) - (baseline != nullptr ? double(baseline->row(row)[token]) : 0.0);
}

double summed(const Attention & attention, const Attention * baseline, size_t token) {
    double sum = 0.0;
    for (size_t r = 0; r < attention.n_rows(); r++) {
        sum += at(attention, baseline, r, token);
    }
    return sum;
}

// True when `value` is above mean - 2 * deviation of `values`, the deviation over n - 1.
bool is_kept(double value, const std::vector<double> & values) {
    double mean = 0.0;
    for (double v : values) {
        mean += v;
    }
    mean /= double(values.size());
    double squares = 0.0;
    for (double v : values) {
        squares += (v - mean) * (v - mean);
    }
    return value > mean - 2.0 * std::sqrt(squares / (double(values.size()) - 1.0));  // one value: 0/0, nothing is kept
}

double naive_score(const Attention & attention, const Attention * baseline, size_t row, TokenSpan span, OutlierMask mask) {
    std::vector<double> own;
    std::vector<double> sums;
    for (uint32_t t = span.begin; t < span.end; t++) {
        own.push_back(at(attention, baseline, row, t));
        sums.push_back(summed(attention, baseline, t));
    }
    double score = 0.0;
    for (size_t i = 0; i < own.size(); i++) {
        const bool kept = mask == OutlierMask::none || (mask == OutlierMask::per_head ? is_kept(own[i], own) : is_kept(sums[i], sums));
        score += kept ? own[i] : 0.0;
    }
    return score;
}

const std::vector<TokenSpan> spans = { { 0, 12 }, { 12, 13 }, { 12, 40 }, { 3, 5 } };

bool near(double a, double b) {
    return std::fabs(a - b) < 1e-5;
}

}  // namespace

TEST("document scores are those of a plain computation, for every mask, with and without a baseline") {
    const Attention attention = random_attention(1);
    const Attention baseline  = random_attention(2);
    for (const Attention * minus : { static_cast<const Attention *>(nullptr), &baseline }) {
        for (const auto mask : { OutlierMask::none, OutlierMask::per_head, OutlierMask::shared }) {
            const auto scores = attention.document_scores(minus, spans, mask);
            CHECK(scores.size() == n_rows * spans.size());
            for (size_t r = 0; r < n_rows; r++) {
                for (size_t d = 0; d < spans.size(); d++) {
                    CHECK(near(scores[r * spans.size() + d], naive_score(attention, minus, r, spans[d], mask)));
                }
            }
        }
    }
}

TEST("the masks drop something: the outliers that the test data has") {
    const Attention attention = random_attention(1);
    const auto      all       = attention.document_scores(nullptr, spans, OutlierMask::none);
    const auto      per_head  = attention.document_scores(nullptr, spans, OutlierMask::per_head);
    const auto      shared    = attention.document_scores(nullptr, spans, OutlierMask::shared);
    CHECK(all[0] < per_head[0] - 1.0f);
    CHECK(all != shared && per_head != shared);
}

TEST("nothing of a one-token document is kept by a mask, as the reference's deviation of one value is undefined") {
    const auto kept    = random_attention(1).document_scores(nullptr, { { 20, 21 } }, OutlierMask::none);
    const auto dropped = random_attention(1).document_scores(nullptr, { { 20, 21 } }, OutlierMask::per_head);
    CHECK(kept[0] > 0.0f && dropped[0] == 0.0f);
}

TEST("the sum over heads is the plain sum, and adds up to the shared scores") {
    const Attention attention = random_attention(3);
    const Attention baseline  = random_attention(4, n_rows, n_tokens + 7);
    const auto      sums      = attention.sum_over_heads(&baseline, n_tokens);
    for (size_t t = 0; t < n_tokens; t++) {
        CHECK(near(sums[t], summed(attention, &baseline, t)));
    }
    CHECK(attention.sum_over_heads(nullptr, 0).empty());
    const auto scores = attention.document_scores(nullptr, { { 0, 40 } }, OutlierMask::none);
    double     column = 0.0;
    double     tokens = 0.0;
    for (const float score : scores) {
        column += score;
    }
    for (const float sum : attention.sum_over_heads(nullptr, n_tokens)) {
        tokens += sum;
    }
    CHECK(near(column, tokens));
}

TEST("weights of 1 change nothing, not even the last digit") {
    const Attention          attention = random_attention(5);
    const Attention          baseline  = random_attention(6);
    const std::vector<float> ones(n_rows, 1.0f);
    CHECK(attention.sum_over_heads(&baseline, n_tokens, ones) == attention.sum_over_heads(&baseline, n_tokens));
    for (const auto mask : { OutlierMask::none, OutlierMask::per_head, OutlierMask::shared }) {
        CHECK(attention.document_scores(&baseline, spans, mask, ones) == attention.document_scores(&baseline, spans, mask));
    }
}

TEST("weights scale what each head adds, and the shared mask follows the weighted sum") {
    const Attention          attention = random_attention(7);
    const Attention          baseline  = random_attention(8);
    const std::vector<float> weights   = { 0.0f, 2.0f, 0.5f, 0.0f, 1.25f };
    // The same scaling done to the rows themselves, which the weights must equal.
    Attention scaled       = random_attention(7);
    Attention scaled_minus = random_attention(8);
    for (size_t r = 0; r < n_rows; r++) {
        for (size_t t = 0; t < n_tokens; t++) {
            scaled.row(r)[t] *= weights[r];
            scaled_minus.row(r)[t] *= weights[r];
        }
    }
    const auto sums = attention.sum_over_heads(&baseline, n_tokens, weights);
    for (size_t t = 0; t < n_tokens; t++) {
        CHECK(near(sums[t], summed(scaled, &scaled_minus, t)));
    }
    bool differs = false;
    for (const auto mask : { OutlierMask::none, OutlierMask::per_head, OutlierMask::shared }) {
        const auto scores = attention.document_scores(&baseline, spans, mask, weights);
        const auto plain  = attention.document_scores(&baseline, spans, mask);
        for (size_t r = 0; r < n_rows; r++) {
            for (size_t d = 0; d < spans.size(); d++) {
                CHECK(near(scores[r * spans.size() + d], naive_score(scaled, &scaled_minus, r, spans[d], mask)));
                differs = differs || (mask == OutlierMask::shared &&
                                      !near(scores[r * spans.size() + d], weights[r] * plain[r * spans.size() + d]));
            }
        }
    }
    CHECK(differs);
}

TEST("spans, baselines and weights that do not fit are refused") {
    const Attention attention = random_attention(1);
    const Attention short_one = random_attention(1, n_rows, 10);
    const Attention narrow    = random_attention(1, 1);
    CHECK_ERROR("INVALID_ARGUMENT", attention.sum_over_heads(nullptr, n_tokens + 1));
    CHECK_ERROR("INVALID_ARGUMENT", attention.sum_over_heads(&short_one, 11));
    CHECK_ERROR("INVALID_ARGUMENT", attention.sum_over_heads(&narrow, 5));
    CHECK_ERROR("INVALID_ARGUMENT", attention.document_scores(&narrow, { { 0, 5 } }, OutlierMask::none));
    CHECK_ERROR("INVALID_ARGUMENT", attention.document_scores(&short_one, { { 0, 11 } }, OutlierMask::none));
    CHECK_ERROR("INVALID_ARGUMENT", attention.document_scores(nullptr, { { 5, 5 } }, OutlierMask::none));
    CHECK_ERROR("INVALID_ARGUMENT", attention.document_scores(nullptr, { { 6, 5 } }, OutlierMask::none));
    CHECK_ERROR("INVALID_ARGUMENT", attention.document_scores(nullptr, { { 0, 41 } }, OutlierMask::shared));
    CHECK(attention.document_scores(nullptr, {}, OutlierMask::shared).empty());
    for (const std::vector<float> & wrong : { std::vector<float>(n_rows - 1, 1.0f), std::vector<float>(n_rows, -1.0f),
                                              std::vector<float>(n_rows, std::nanf("")) }) {
        CHECK_ERROR("INVALID_ARGUMENT", attention.sum_over_heads(nullptr, 5, wrong));
        CHECK_ERROR("INVALID_ARGUMENT", attention.document_scores(nullptr, spans, OutlierMask::none, wrong));
    }
}

TEST("a selection arranges heads by layer and remembers the order they were given in") {
    const HeadSelection selection({ { 2, 1 }, { 0, 3 }, { 2, 0 } }, 4, 4);
    CHECK(selection.n_heads() == 3 && selection.n_wanted_layers() == 2 && selection.deepest_layer() == 2);
    CHECK(selection.wants(0) && !selection.wants(1) && selection.wants(2) && !selection.wants(3) && !selection.wants(-1));
    CHECK(selection.layer(2).size() == 2 && selection.layer(2)[0].head == 0 && selection.layer(2)[0].row == 2);
    CHECK(HeadSelection().empty() && HeadSelection({}, 4, 4).n_heads() == 0);
}

TEST("heads that the model lacks, and heads named twice, are refused") {
    CHECK_ERROR("HEADS_MISMATCH", HeadSelection({ { 4, 0 } }, 4, 4));
    CHECK_ERROR("HEADS_MISMATCH", HeadSelection({ { 0, 4 } }, 4, 4));
    CHECK_ERROR("HEADS_MISMATCH", HeadSelection({ { -1, 0 } }, 4, 4));
    CHECK_ERROR("HEADS_MISMATCH", HeadSelection({ { 0, -1 } }, 4, 4));
    CHECK_ERROR("HEADS_MISMATCH", HeadSelection({ { 1, 1 }, { 0, 1 }, { 1, 1 } }, 4, 4));
}
