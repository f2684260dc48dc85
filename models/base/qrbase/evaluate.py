"""`evaluate`: the lines of `scripts/base/candidates.ts`, ranked by variants of the model in several orders.

Writes journals as `qrhead eval` does, one folder an order and set, which `scripts/base/table.ts` reads. On a processor with
bfloat16 PyTorch reads a prompt in half the time of the engine.
"""

import json
import random
from pathlib import Path

from .data import number_of, read_lines
from .scoring import Variants

#: Tokens of a text that are read.
LIMIT = 400


def order_of(order: str, query: str, count: int) -> "list[int]":
    """Places of the first stage's documents as they stand in the prompt: `last` has the best one last."""
    places = list(range(count))
    if order == "last":
        return places[::-1]
    return places if order == "first" else random.Random(number_of(f"{order} {query}")).sample(places, count)


def balanced(lines: "list[dict]", each: int) -> "list[dict]":
    """The first query of every set, then the second of every set, and so on: any beginning is balanced."""
    by_task: dict[str, list[dict]] = {}
    for line in lines:
        by_task.setdefault(line["task"], []).append(line)
    return [own[i] for i in range(each) for own in by_task.values() if i < len(own)]


def rank(variants: Variants, lines: "list[dict]", output: Path, orders: "list[str]", each: int) -> None:
    """Ranks the first `each` queries of every set. Goes on where it stopped; what is ranked twice is ranked once."""
    done = {(line["task"], line["query"], path.parts[-3]) for path in output.glob("*/*/results.jsonl") for line in read_lines(path)[1:]}
    for order in orders:
        for line in balanced(lines, each):
            task, query, docs = line["task"], line["query"], line["docs"]
            if (task, query, order) in done:
                continue
            path = output / order / task / "results.jsonl"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps({"format": "qrhead-eval-journal", "version": 1}) + "\n")
                (path.parent / "report.json").write_text('{"judgements": {}}')
            placed = [docs[i] for i in order_of(order, query, len(docs))]
            found, _ = variants.score(placed, line["text"], LIMIT)
            with open(path, "a") as out:
                for name, scores in found.items():
                    best = sorted(range(len(placed)), key=lambda i: -scores[i])
                    out.write(json.dumps({
                        "task": task, "query": query, "method": name, "permutation": 0, "status": "ok",
                        "ids": [placed[i]["id"] for i in best], "scores": [float(f"{scores[i]:.6g}") for i in best],
                    }) + "\n")
