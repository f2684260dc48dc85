"""`rate`: lists of candidates scored in several orders and in both layouts, many lists at once."""

import json
import random
from pathlib import Path

import numpy as np
import torch

from .checkpoint import Opened
from .data import Group, number_of, read_lines
from .measures import document_scores
from .packed import pack
from .pick import Picked
from .ranker import Ranker
from .store import Store
from .words import Words

#: Documents of the prompt with the first stage's best first, best last, in random order; or each read by itself.
ORDERS = ("first", "last", "random", "apart")
#: Tokens of a document's text that are read.
LIMIT = 400


def order_of(order: str, key: str, count: int) -> "list[int]":
    """Places of the first stage's documents as they stand in the prompt: `last` has the best one last."""
    places = list(range(count))
    if order == "last":
        return places[::-1]
    return random.Random(number_of(f"{order} {key}")).sample(places, count) if order == "random" else places


def rate(model: Ranker, words: Words, lines: "list[dict]", orders=ORDERS, limit: int = LIMIT, tokens: int = 60000) -> "list[dict]":
    """Scores of each line's documents in the line's order, as the retriever computes them, and their odds: score by what
    the heads leave to everything that is no document.

    @param lines {id, query, docs: [{title?, text}]}; @param tokens Of the lines that are read at once, guessed from characters.
    @returns For each line {order: (scores, odds)}.
    """
    device = next(model.parameters()).device
    groups = [Group("", [d["text"].strip() for d in line["docs"]], [d.get("title") for d in line["docs"]], []) for line in lines]
    store = Store(words, groups, limit)
    out: list[dict] = [{} for _ in lines]
    sizes = [sum(len(text) for text in group.texts) / 4 for group in groups]
    for order in orders:
        todo = sorted(range(len(lines)), key=lambda i: -sizes[i])
        while todo:
            count = max(1, int(tokens / max(sizes[todo[0]], 1)))
            chosen, todo = todo[:count], todo[count:]
            placed = [order_of(order, str(lines[i]["id"]), len(lines[i]["docs"])) for i in chosen]
            prompts = [Picked(i, places, {}, True, [lines[i]["query"]], [set()], [set()], 0) for i, places in zip(chosen, placed)]
            batch = pack(store, prompts, order == "apart")
            with torch.no_grad():
                columns = model.look(batch.parcel().open(device), True).sum(1).double().cpu().numpy()
            for b, (i, places) in enumerate(zip(chosen, placed)):
                owner, (query, null) = batch.owner[b].numpy(), columns[b]
                scores = document_scores(query, null, owner, len(places))
                rest = model.shape.heads - query[owner >= 0].sum()
                back = np.argsort(places)
                out[i][order] = (scores[back], scores[back] / rest)
    return out


def rate_lines(opened: Opened, lines: Path, output: Path, orders=ORDERS, share: float = 1.0) -> int:
    """Appends one line each: {id, task, share, order: {scores, odds}}.

    @param lines Of `pools`, or of scripts/base/candidates.ts; @param share Of the way from the released weights to the tuned ones.
    @returns How many.
    """
    opened.model.share = share
    read = [{**line, "id": id_of(line), "query": line.get("text", line["query"])} for line in read_lines(lines)]
    short = lambda values: [float(f"{value:.6g}") for value in values]  # noqa: E731
    with open(output, "a") as out:
        for line, own in zip(read, rate(opened.model, opened.words, read, orders)):
            numbers = {order: {"scores": short(scores), "odds": short(odds)} for order, (scores, odds) in own.items()}
            out.write(json.dumps({"id": line["id"], "task": line.get("task", ""), "share": share, **numbers}) + "\n")
    return len(read)


def id_of(line: dict) -> str:
    """Of a line of candidates, which has a set and the set's own id of the query."""
    return line.get("id") or f"{line['task']}/{line['query']}"
