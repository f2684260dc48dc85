"""What the deepest layer reads, kept: the layers below it stay as they are, so that every prompt passes through them once.

A file a prompt: the input of the deepest layer, the prompt, its questions, and what all heads from `FIRST` on look at.
"""

import json
from pathlib import Path

import torch

from .backbone import Backbone
from .data import Group
from .evaluate import order_of
from .sampler import Sample, Sampler
from .validate import orders_of, pools_of
from .words import Words, assemble

FIRST = 8


def every_head(model: Backbone) -> "list[tuple[int, int]]":
    return [(layer, head) for layer in range(FIRST, model.shape.layers) for head in range(model.shape.heads)]


def keep(model: Backbone, sample: Sample, path: Path, facts: "dict | None" = None) -> None:
    with torch.no_grad():
        x, mass = model.deepest(sample.prompt, every_head(model))
    prompt = sample.prompt
    torch.save({
        "x": x.bfloat16(), "context": prompt.context, "rows": prompt.rows, "positions": prompt.positions, "average": prompt.average,
        "mask": prompt.mask[:, len(prompt.context):], "owner": prompt.owner, "gold": sample.gold, "ignored": sample.ignored,
        "queries": sample.queries, "mass": mass, **(facts or {}),
    }, path)


def collect(model: Backbone, words: Words, groups: "list[Group]", output: Path, prompts: int, seed: int, tokens, most: int, held: "tuple[int, int]") -> None:
    """Keeps training prompts as `train-SEED-N.pt`, and after every third the next held-out pool as `held-N.pt`.

    @param held K, N: of the held-out pools the K-th of every N.
    """
    output.mkdir(parents=True, exist_ok=True)
    sampler = Sampler(words, groups, seed, tokens, most)
    pools = list(enumerate(pools_of(groups, 4, 10)))[held[0] :: held[1]]
    for number in range(prompts):
        sample = sampler.sample()
        path = output / f"train-{seed}-{number}.pt"
        if not path.exists():
            keep(model, sample, path)
            print(json.dumps({"prompt": number, "tokens": sample.prompt.tokens, "questions": len(sample.queries)}), flush=True)
        if number % 3 == 2 and pools:
            place, pool = pools.pop(0)
            path = output / f"held-{place}.pt"
            if not path.exists():
                order = orders_of(pool, 1)[0]
                docs = [pool["docs"][i] for i in order]
                ids = [words.document(i + 1, d.get("title"), d["text"]) for i, d in enumerate(docs)]
                prompt = assemble(words, ids, [words.query(pool["query"])])
                gold = {order.index(i) for i in pool["gold"]}
                keep(model, Sample(prompt, [gold], [set()], [pool["query"]]), path, {"bm25": [pool["bm25"][i] for i in order], "id": pool["id"]})


#: Heads whose attention on every token is kept of a query that is evaluated: those that may be in a set.
EVALUATED = [(8, 0), (14, 3), (15, 6), (15, 7), (16, 1), *((17, head) for head in range(9))]


def evaluated(model: Backbone, words: Words, lines: "list[dict]", output: Path, orders: "list[str]", limit: int) -> None:
    """Keeps lines of `scripts/base/candidates.ts` as `ORDER-TASK-QUERY.pt`, each query in all orders before the next."""
    output.mkdir(parents=True, exist_ok=True)
    for line in lines:
        for order in orders:
            path = output / f"{order}-{line['task']}-{line['query'].replace('/', '_')}.pt"
            if path.exists():
                continue
            docs = [line["docs"][i] for i in order_of(order, line["query"], len(line["docs"]))]
            ids = [words.document(i + 1, d.get("title"), d["text"].strip(), limit) for i, d in enumerate(docs)]
            prompt = assemble(words, ids, [words.query(line["text"])])
            with torch.no_grad():
                x, columns = model.deepest(prompt, EVALUATED, True)
            torch.save({
                "x": x.bfloat16(), "columns": columns.half(), "context": prompt.context, "rows": prompt.rows, "positions": prompt.positions,
                "average": prompt.average, "mask": prompt.mask[:, len(prompt.context):], "owner": prompt.owner,
                "task": line["task"], "query": line["query"], "order": order, "ids": [d["id"] for d in docs],
            }, path)
            print(json.dumps({"kept": path.name, "tokens": prompt.tokens}), flush=True)
