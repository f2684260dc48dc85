"""Scores of documents as qrhead computes them, and measures of a ranking."""

import numpy as np


def document_scores(query: np.ndarray, null: np.ndarray, document: np.ndarray, count: int) -> np.ndarray:
    """Calibrated and masked: of each document the tokens above mean − 2·std (unbiased), summed.

    @param query, null Attention on every column, summed over heads; @param document Of each column, below 0 for none.
    """
    calibrated = query - null
    scores = np.zeros(count)
    for index in range(count):
        values = calibrated[document == index]
        if len(values) > 1:
            scores[index] = values[values > values.mean() - 2 * values.std(ddof=1)].sum()
    return scores


def ndcg(grades: np.ndarray, scores: np.ndarray, ideal: float, k: int = 10) -> float:
    """nDCG@k with gain 2^grade − 1, ties by index. @param ideal What the best ranking gains."""
    order = np.argsort(-scores, kind="stable")[:k]
    gains = 2.0 ** grades[order].astype(np.float64) - 1
    return float((gains / np.log2(np.arange(len(order)) + 2)).sum() / ideal)


def ideal_gain(grades: "list[float]", k: int = 10) -> float:
    """@param grades Of everything that is relevant, found or not."""
    return sum((2.0**grade - 1) / np.log2(i + 2) for i, grade in enumerate(sorted(grades, reverse=True)[:k]))


def kendall(a: np.ndarray, b: np.ndarray) -> float:
    """Kendall's τ of two lists of scores of the same documents; a tie counts as neither."""
    i, j = np.triu_indices(len(a), 1)
    return float((np.sign(a[i] - a[j]) * np.sign(b[i] - b[j])).mean())


def standardised(x: np.ndarray) -> np.ndarray:
    spread = x.std()
    return (x - x.mean()) / spread if spread > 0 else np.zeros_like(x)


def auc(right: np.ndarray, wrong: np.ndarray) -> float:
    """Share of pairs in which the right one is above; a tie counts half."""
    order = np.sort(wrong)
    below, upto = np.searchsorted(order, right, "left"), np.searchsorted(order, right, "right")
    return float((below + upto).sum() / (2 * len(right) * len(wrong)))


def fit_logistic(x: np.ndarray, right: np.ndarray) -> "tuple[float, ...]":
    """(a, b, …) of the probability 1 / (1 + exp(−a − b·x − …)) with the least cross-entropy, both classes counting the same.

    Newton's method on the columns of x divided by their spread. @param x Numbers, or rows of several.
    """
    columns = x.reshape(len(x), -1)
    scale = np.where(columns.std(0) > 0, columns.std(0), 1)
    weight = np.where(right, 0.5 / max(right.sum(), 1), 0.5 / max((~right).sum(), 1))
    design = np.concatenate([np.ones((len(x), 1)), columns / scale], 1)
    beta = np.zeros(design.shape[1])
    loss = lambda b: float((weight * np.logaddexp(0, np.where(right, -1, 1) * (design @ b))).sum())  # noqa: E731
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -500, 500)))
        gradient = design.T @ (weight * (p - right))
        curvature = (design * (weight * p * (1 - p))[:, None]).T @ design + 1e-12 * np.eye(len(beta))
        step, length = np.linalg.solve(curvature, gradient), 1.0
        while length > 1e-6 and loss(beta - length * step) > loss(beta):
            length /= 2
        beta = beta - length * step
        if np.abs(length * step).max() < 1e-10:
            break
    return float(beta[0]), *(float(value) for value in beta[1:] / scale)
