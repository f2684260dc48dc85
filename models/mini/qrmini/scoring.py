"""Scores as the retriever computes them, from a model in PyTorch."""

import numpy as np
import torch

from .batches import collate
from .model import Mini
from .prompt import PromptPieces
from .sampler import Prompt


def token_attention(model: Mini, pieces: PromptPieces, documents: "list[np.ndarray]", query: np.ndarray, independent: bool = False):
    """Attention on every column, summed over the retrieval heads: of the query and of the null query.

    @returns Two float64 arrays of as many entries as columns, and the document of each column (−1 for none).
    """
    batch = collate([Prompt(documents, [(query, [])])], pieces, independent, queries=1, pad=1)
    device = next(model.parameters()).device
    batch = batch.to(device)
    with torch.no_grad():
        cache, _ = model.read(batch.tokens)
        attention = model.look_per_token(cache, batch.rows, batch.positions, batch.mask())
    mean = torch.einsum("lbhrc,bqr->lbhqc", attention.float(), batch.average).sum((0, 2))[0].double().cpu().numpy()
    return mean[0], mean[1], batch.column_document[0].cpu().numpy()


def document_scores(query: np.ndarray, null: np.ndarray, document: np.ndarray, count: int) -> np.ndarray:
    """Calibrated and masked: of each document the tokens above mean − 2·std (unbiased), summed."""
    calibrated = query - null
    scores = np.zeros(count)
    for index in range(count):
        values = calibrated[document == index]
        if len(values) > 1:
            scores[index] = values[values > values.mean() - 2 * values.std(ddof=1)].sum()
    return scores


def ndcg(grades: np.ndarray, scores: np.ndarray, ideal: float, k: int = 10) -> float:
    """nDCG@k with gain 2^grade − 1, ties by index."""
    order = np.argsort(-scores, kind="stable")[:k]
    gains = 2.0 ** grades[order].astype(np.float64) - 1
    return float((gains / np.log2(np.arange(len(order)) + 2)).sum() / ideal)
