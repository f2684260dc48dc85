"""`parity`: a file in the engine against the same weights in PyTorch, on texts that try the tokenizer."""

from pathlib import Path

import numpy as np

from qrmini.engine import rerank
from qrmini.parity import DOCUMENTS, QUERIES

from .backbone import Backbone
from .scoring import score
from .words import Words


def run(model: Path, repository: Path, heads: "list[tuple[int, int]]", tolerance: float) -> dict:
    """@throws SystemExit where numbers of tokens differ, or a score by more than the tolerance."""
    words, backbone = Words.of(model), Backbone.load(model)
    worst = largest = 0.0
    for query in QUERIES:
        ours, counts = score(backbone, words, DOCUMENTS, query, heads)
        theirs = rerank(repository, model, query, DOCUMENTS, ",".join(f"{a}-{b}" for a, b in heads))
        if theirs["usage"]["documentTokens"] != counts:
            raise SystemExit(f"tokens per document: engine {theirs['usage']['documentTokens']}, here {counts}")
        found = {result["index"]: result["score"] for result in theirs["results"]}
        worst = max(worst, *(abs(found[i] - ours[i]) for i in range(len(DOCUMENTS))))
        largest = max(largest, float(np.abs(ours).max()))
    if worst > tolerance:
        raise SystemExit(f"scores differ by {worst:.6f}, more than {tolerance}")
    return {"model": model.name, "queries": len(QUERIES), "largestScore": round(largest, 4), "largestDifference": round(float(worst), 6)}
