"""A small corpus of made-up articles, for the tests."""

import json
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np  # noqa: E402

from qrmini import prepare, tokenizer  # noqa: E402
from qrmini.corpus import Corpus  # noqa: E402

_NOUNS = "harbour engine glacier violin senate comet orchard bridge novel reactor canal temple".split()
_VERBS = "crosses measures protects describes replaces follows carries divides remembers supplies".split()
_PLACES = "Ostrava Lima Bergen Kyoto Malmö Accra Turin Quito Porto Ghent".split()


def sentence(rng: np.random.Generator) -> str:
    pick = lambda words: words[int(rng.integers(len(words)))]  # noqa: E731
    return (
        f"The {pick(_NOUNS)} of {pick(_PLACES)} {pick(_VERBS)} the old {pick(_NOUNS)} near {pick(_PLACES)}, "
        f"and in {int(rng.integers(1500, 2000))} the {pick(_NOUNS)} {pick(_VERBS)} a {pick(_NOUNS)}."
    )


def wikipedia(articles: int = 40) -> str:
    rng = np.random.default_rng(3)
    lines = []
    for number in range(articles):
        lines.append(f"= Article {number} of {_PLACES[number % len(_PLACES)]} =")
        for _ in range(int(rng.integers(1, 5))):
            lines.append(" ".join(sentence(rng) for _ in range(3)))
        lines.append("A short line.")
    return "\n".join(lines) + "\n"


@lru_cache(maxsize=1)
def folder() -> Path:
    """Writes text, vocabulary, question sets and the prepared corpus once; the folder goes with the process."""
    holder = tempfile.TemporaryDirectory(prefix="qrmini-")
    folder.holder = holder  # keeps it alive
    root = Path(holder.name)
    (root / "wikipedia.txt").write_text(wikipedia())
    tokenizer.train(wikipedia(80).splitlines(), root / "small.model", size=400)
    rng = np.random.default_rng(5)
    beir = root / "set"
    beir.mkdir()
    texts = [" ".join(sentence(rng) for _ in range(2)) for _ in range(12)]
    rows = [{"_id": f"d{i}", "title": f"Title {i}" if i % 2 else "", "text": text} for i, text in enumerate(texts)]
    (beir / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    queries = [{"_id": f"q{i}", "text": text.split(",")[0] + "?"} for i, text in enumerate(texts)]
    (beir / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (beir / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(f"q{i}\td{i}\t1\n" for i in range(12)))
    pool = {
        "query": "Which harbour came first?", "gold": ["1", "3"],
        "docs": [{"id": str(i), "title": f"Place {i}", "text": sentence(rng)} for i in range(5)],
    }
    (root / "pool.jsonl").write_text(json.dumps(pool) + "\n")
    (root / "counts.json").write_text(json.dumps(prepare.build(
        tokenizer.Tokenizer(root / "small.model"), root / "data", root / "wikipedia.txt", beir=[beir], pools=[root / "pool.jsonl"],
        validation=[beir], held_out=0.3, tokens=10**9, validation_queries=5, seed=1,
    )))
    return root


@lru_cache(maxsize=1)
def corpus() -> Corpus:
    return Corpus(folder() / "data")
