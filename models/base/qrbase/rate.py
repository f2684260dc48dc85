"""Lists of candidates scored in several orders and in both layouts, many lists at once."""

import numpy as np
import torch

from qrmini.scoring import document_scores

from .data import Group, number_of
from .packed import pack
from .pick import Picked
from .ranker import Ranker
from .store import Store

ORDERS = ("first", "last", "random", "apart")


def order_of(order: str, key: str, count: int) -> "list[int]":
    """Places of the first stage's documents as they stand in the prompt: `last` has the best one last."""
    import random

    places = list(range(count))
    if order == "last":
        return places[::-1]
    return random.Random(number_of(f"{order} {key}")).sample(places, count) if order == "random" else places


def rate(model: Ranker, words, lines: "list[dict]", orders=ORDERS, limit: int = 400, tokens: int = 60000):
    """Scores of each line's documents in its own order, as the retriever computes them, and their odds.

    @param lines {id, query, docs: [{title?, text}]}; @returns For each line {order: (scores, odds)}.
    """
    device = next(model.parameters()).device
    groups = [Group("", [d["text"].strip() for d in line["docs"]], [d.get("title") for d in line["docs"]], []) for line in lines]
    store = Store(words, groups, limit)
    out = [{} for _ in lines]
    sizes = [sum(len(t) for t in group.texts) / 4 for group in groups]
    for order in orders:
        todo = sorted(range(len(lines)), key=lambda i: -sizes[i])
        while todo:
            count = max(1, int(tokens / max(sizes[todo[0]], 1)))
            chosen, todo = todo[:count], todo[count:]
            placed = [order_of(order, str(lines[i]["id"]), len(lines[i]["docs"])) for i in chosen]
            prompts = [Picked(i, places, {}, True, [lines[i]["query"]], [set()], [set()], 0) for i, places in zip(chosen, placed)]
            batch = pack(store, prompts, order == "apart")
            with torch.no_grad():
                columns = model.look(batch.to(device), True).sum(1).double().cpu().numpy()
            for b, (i, places) in enumerate(zip(chosen, placed)):
                owner, both = batch.owner[b].numpy(), columns[b]
                scores = document_scores(both[0], both[1], owner, len(places))
                rest = model.shape.heads - both[0][owner >= 0].sum()
                back = np.argsort(places)
                out[i][order] = (scores[back], scores[back] / rest)
    return out
