"""`evaluate`: the quick validation. The numbers to report come from `qrhead eval` on the exported file."""

import time
from pathlib import Path

import numpy as np
import torch

from . import checkpoint
from .corpus import Corpus, ValidationSet
from .model import Mini
from .prompt import PromptPieces
from .queries import MAX_QUERY_TOKENS
from .scoring import document_scores, ndcg, token_attention
from .train import pick_device


def validate(model: Mini, pieces: PromptPieces, data: ValidationSet, queries: int, documents: int, document_tokens: int, independent: bool) -> dict:
    """nDCG@10 of BM25's best documents as BM25 ranks them and reranked, over the first `queries` queries.

    BM25's best stands last, as the published code does it; documents are cut at `document_tokens`.
    """
    found: dict[str, list[float]] = {"bm25": [], "mini": [], "raw": []}
    for row in range(min(queries, len(data.text))):
        candidates = data.candidates[row, :documents]
        count = int((candidates >= 0).sum())
        if count < 2:
            continue
        grades = data.grades[row, :count]
        order = np.arange(count)[::-1]
        bodies = [data.documents.body(pieces, int(candidates[i]))[:document_tokens] for i in order]
        query, null, document = token_attention(model, pieces, bodies, data.text[row][:MAX_QUERY_TOKENS], independent)
        raw = np.array([query[document == i].sum() for i in range(count)])
        ideal = float(data.ideal[row])
        found["bm25"].append(ndcg(grades, -np.arange(count), ideal))
        found["mini"].append(ndcg(grades, document_scores(query, null, document, count)[order], ideal))
        found["raw"].append(ndcg(grades, raw[order], ideal))
    result: dict = {name: round(float(np.mean(values)), 4) for name, values in found.items()}
    difference = np.array(found["mini"]) - np.array(found["bm25"])
    # Standard error of the paired difference: a sample of queries decides little.
    result["difference"] = round(float(difference.mean()), 4)
    result["standardError"] = round(float(difference.std(ddof=1) / len(difference) ** 0.5), 4) if len(difference) > 1 else None
    return result | {"queries": len(difference)}


def run(source: Path, data: Path, *, device: str, queries: int, documents: int, document_tokens: int, independent: bool, threads: int) -> dict:
    torch.set_num_threads(threads)
    began = time.time()
    corpus = Corpus(data)
    config, weights = checkpoint.read_weights(source)
    model = Mini(config).to(pick_device(device)).eval()
    model.load_state_dict(weights)
    sets = {
        s.name: validate(model, corpus.pieces, s, queries, documents, document_tokens, independent) for s in corpus.validation
    }
    return {
        "sets": sets, "documents": documents, "documentTokens": document_tokens, "independent": independent,
        "seconds": round(time.time() - began, 1),
    }
