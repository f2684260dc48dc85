"""BM25 for hard negatives and for the candidates of the evaluation (k1 0.9, b 0.4, light stemming)."""

import re
from collections import Counter

import numpy as np

_WORD = re.compile(r"[^\W_]+")
_STOP = frozenset(
    "a an and are as at be by for from had has have he her his if in into is it its no not of on or she such that the "
    "their then there these they this to was were will with".split()
)


def words(text: str) -> list[str]:
    """Lower-case words without stop words, plurals and common endings cut."""
    return [_stem(word) for word in _WORD.findall(text.lower()) if word not in _STOP]


def _stem(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if len(word) > len(ending) + 3 and word.endswith(ending):
            return word[: -len(ending)]
    return word


class BM25:
    """An inverted index over texts (Robertson and Zaragoza, 2009)."""

    def __init__(self, texts: list[str], k1: float = 0.9, b: float = 0.4):
        postings: dict[str, tuple[list[int], list[int]]] = {}
        lengths = np.zeros(len(texts), np.float32)
        for row, text in enumerate(texts):
            counts = Counter(words(text))
            lengths[row] = sum(counts.values())
            for word, count in counts.items():
                documents, times = postings.setdefault(word, ([], []))
                documents.append(row)
                times.append(count)
        norm = k1 * (1 - b + b * lengths / max(float(lengths.mean()), 1e-9)) if len(texts) else lengths
        self.count = len(texts)
        self._postings: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for word, (documents, times) in postings.items():
            rows = np.array(documents, np.int32)
            tf = np.array(times, np.float32)
            idf = np.log(1 + (self.count - len(rows) + 0.5) / (len(rows) + 0.5))
            self._postings[word] = (rows, (idf * tf / (tf + norm[rows])).astype(np.float32))

    def scores(self, query: str) -> np.ndarray:
        total = np.zeros(self.count, np.float32)
        for word in words(query):
            if word in self._postings:
                rows, weights = self._postings[word]
                total[rows] += weights
        return total

    def top(self, query: str, k: int) -> list[int]:
        """The k best documents with a score above zero, best first, ties by index."""
        scores = self.scores(query)
        order = np.argsort(-scores, kind="stable")[:k]
        return [int(i) for i in order if scores[i] > 0]
