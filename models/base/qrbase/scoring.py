"""Scores of documents as qrhead computes them, and measures of a ranking."""

import numpy as np
import torch

from qrmini.scoring import document_scores, ndcg

from .backbone import Backbone
from .words import Words, assemble


class Variants:
    """One model read once, and scored with several shares of its adapter and several sets of heads.

    @param sets Name → (share of the adapter, heads). A share of 0 is the model as it was.
    """

    def __init__(self, model: Backbone, words: Words, sets: "dict[str, tuple[float, list[tuple[int, int]]]]"):
        self.model, self.words, self.sets = model, words, sets
        learnt = [int(name.split("-")[1]) for name in model.adapter]
        self.first = min([*learnt, *(layer for _, heads in sets.values() for layer, _ in heads)])

    def score(self, documents: "list[dict]", query: str, limit: "int | None" = None) -> "tuple[dict[str, np.ndarray], list[int]]":
        """Calibrated and masked scores of documents with `text` and perhaps `title`, summed over heads; their numbers of tokens.

        @param limit Tokens of a text that are read.
        """
        ids = [self.words.document(i + 1, d.get("title"), d["text"].strip(), limit) for i, d in enumerate(documents)]
        prompt = assemble(self.words, ids, [self.words.query(query)])
        owner = prompt.owner.numpy()
        with torch.no_grad():
            given = (self.first, self.model.read(prompt, self.first))
            scores = {}
            for share in sorted({share for share, _ in self.sets.values()}):
                self.model.share = share
                wanted = {name: heads for name, (own, heads) in self.sets.items() if own == share}
                chosen = sorted({head for heads in wanted.values() for head in heads})
                columns = self.model.look(prompt, chosen, True, given).double().numpy()
                for name, heads in wanted.items():
                    both = columns[[chosen.index(head) for head in heads]].sum(0)
                    scores[name] = document_scores(both[0], both[1], owner, len(documents))
        return scores, [len(one) for one in ids]


def score(model: Backbone, words: Words, documents: "list[dict]", query: str, heads) -> "tuple[np.ndarray, list[int]]":
    scores, counts = Variants(model, words, {"": (model.share, heads)}).score(documents, query)
    return scores[""], counts


def quality(scores: np.ndarray, gold: "list[int]") -> float:
    """nDCG@10 with documents that answer and documents that do not."""
    grades = np.zeros(len(scores))
    grades[gold] = 1
    ideal = float((1 / np.log2(np.arange(min(10, len(gold))) + 2)).sum())
    return ndcg(grades, scores, ideal)


def kendall(a: np.ndarray, b: np.ndarray) -> float:
    """Kendall's τ of two lists of scores of the same documents; a tie counts as neither."""
    i, j = np.triu_indices(len(a), 1)
    return float((np.sign(a[i] - a[j]) * np.sign(b[i] - b[j])).mean())


def standardised(x: np.ndarray) -> np.ndarray:
    spread = x.std()
    return (x - x.mean()) / spread if spread > 0 else np.zeros_like(x)
