"""`parity`: the exported file in the engine against the model in PyTorch, on texts that try the tokenizer."""

from pathlib import Path

import numpy as np

from . import checkpoint, export
from .engine import rerank, retrieval_heads
from .model import Mini
from .prompt import PromptPieces, document_body, line_start
from .scoring import document_scores, token_attention
from .tokenizer import Tokenizer

DOCUMENTS = [
    {"title": "Eiffel Tower", "text": "The tower stands on the Champ de Mars in Paris. It was built in 1889 and is 330 m high."},
    {"text": "Bananas  are rich in potassium; two spaces and an\nend of line stand in this text."},
    {"title": "Łódź", "text": "Łódź is a city in Poland with about 670,000 people. 東京 is elsewhere, and so is Αθήνα."},
    {"text": "x"},
    {"title": "Rivers of Europe", "text": "The Danube flows through ten countries before it reaches the Black Sea near Izmail."},
    {"text": "[3] a number in brackets, and code: for (int i = 0; i < n; ++i) sum += a[i];"},
]
QUERIES = ["Which river flows into the Black Sea?", "how tall is the tower in paris", "naïve “quotes” & 12.5%"]
#: Scores are of the order of 0.1 to 1.
TOLERANCE = {"f32": 2e-3, "f16": 4e-3, "q8_0": 3e-2}


def run(source: Path, vocabulary: Path, repository: Path, kind: str, work: Path, independent: bool = False) -> dict:
    """@throws SystemExit when a number of tokens or a score differs by more than the tolerance."""
    tokenizer = Tokenizer(vocabulary)
    config, weights = checkpoint.read_weights(source)
    model = Mini(config).eval()
    model.load_state_dict(weights)
    path = work.resolve() / f"parity-{kind}.gguf"
    export.write(path, config, weights, tokenizer.pieces(), kind, "qrhead mini parity")
    pieces = PromptPieces.of(tokenizer)
    bodies = []
    for document in DOCUMENTS:
        text, cut, start = line_start(tokenizer, document["text"])
        title = np.array(tokenizer.encode(" " + document["title"])) if "title" in document else None
        bodies.append(document_body(pieces, np.array(text), title, cut, np.array(start, np.int64)))
    extra = ["--layout", "independent"] if independent else []
    worst, largest = 0.0, 0.0
    for query in QUERIES:
        ours, null, document = token_attention(model, pieces, bodies, np.array(tokenizer.encode(" " + query)), independent)
        scores = document_scores(ours, null, document, len(bodies))
        theirs = rerank(repository, path, query, DOCUMENTS, retrieval_heads(config), *extra)
        counts = [int((document == i).sum()) for i in range(len(bodies))]
        if theirs["usage"]["documentTokens"] != counts:
            raise SystemExit(f"tokens per document: engine {theirs['usage']['documentTokens']}, here {counts}")
        found = {result["index"]: result["score"] for result in theirs["results"]}
        worst = max(worst, *(abs(found[i] - scores[i]) for i in range(len(bodies))))
        largest = max(largest, float(np.abs(scores).max()))
    if worst > TOLERANCE[kind]:
        raise SystemExit(f"scores differ by {worst}, more than {TOLERANCE[kind]}")
    return {"type": kind, "independent": independent, "queries": len(QUERIES), "largestScore": round(largest, 4), "largestDifference": round(worst, 6)}
