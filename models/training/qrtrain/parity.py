"""`parity`: a file in the engine against the same weights in PyTorch, in both layouts, on texts that try the tokenizer."""

from pathlib import Path

import numpy as np

from .checkpoint import open_model
from .engine import rerank
from .errors import InputError
from .rate import rate
from .store import Store
from .data import Group

DOCUMENTS = [
    {"title": "Eiffel Tower", "text": "The tower stands on the Champ de Mars in Paris. It was built in 1889 and is 330 m high."},
    {"text": "Bananas  are rich in potassium; two spaces and an\nend of line stand in this text."},
    {"title": "Łódź", "text": "Łódź is a city in Poland with about 670,000 people. 東京 is elsewhere, and so is Αθήνα."},
    {"text": "x"},
    {"title": "Rivers of Europe", "text": "The Danube flows through ten countries before it reaches the Black Sea near Izmail."},
    {"text": "[3] a number in brackets, and code: for (int i = 0; i < n; ++i) sum += a[i];"},
]
QUERIES = ["Which river flows into the Black Sea?", "how tall is the tower in paris", "naïve “quotes” & 12.5%"]
ORDERS = {"listwise": "first", "independent": "apart"}


def run(path: Path, tolerance: float) -> "list[dict]":
    """@param tolerance Of scores, which are of the order of 0.1 to 10.
    @returns For each layout the largest score and the largest difference.
    @throws InputError where numbers of tokens differ, or a score by more than the tolerance.
    """
    opened = open_model(path, precision="f32")
    shape = opened.model.shape
    heads = ",".join(f"{shape.layers - 1}-{head}" for head in range(shape.heads))
    group = Group("", [d["text"] for d in DOCUMENTS], [d.get("title") for d in DOCUMENTS], [])
    store, out = Store(opened.words, [group]), []
    ours = rate(opened.model, opened.words, [{"id": str(i), "query": query, "docs": DOCUMENTS} for i, query in enumerate(QUERIES)], ORDERS.values())
    for layout, order in ORDERS.items():
        counts = [len(store.document(0, i, 0 if layout == "independent" else i, True)) for i in range(len(DOCUMENTS))]
        worst = largest = 0.0
        for query, own in zip(QUERIES, ours):
            theirs = rerank(path, query, DOCUMENTS, heads, layout)
            if theirs["usage"]["documentTokens"] != counts:
                raise InputError(f"Expected {counts} tokens of documents but the engine has {theirs['usage']['documentTokens']} ({layout})")
            found = {result["index"]: result["score"] for result in theirs["results"]}
            scores = own[order][0]
            worst = max(worst, *(abs(found[i] - scores[i]) for i in range(len(DOCUMENTS))))
            largest = max(largest, float(np.abs(scores).max()))
        if worst > tolerance:
            raise InputError(f"Expected scores within {tolerance} of the engine's but one differs by {worst:.6f} ({layout})")
        out.append({"model": path.name, "layout": layout, "queries": len(QUERIES), "largestScore": round(largest, 4), "largestDifference": round(float(worst), 6)})
    return out
