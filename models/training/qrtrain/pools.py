"""Questions of held-out passages as lists of candidates, with an answer among them and without."""

import json
import random
from pathlib import Path

import numpy as np

from .bm25 import BM25
from .data import Group, may_answer, number_of

#: Made-up questions of the encyclopedia measure little.
LEFT_OUT = "encyclopedia"


def held_out_pools(group: Group, count: int, candidates: int, seed: int = 1) -> list[dict]:
    """Questions of held-out passages with BM25's best candidates, best first, where a gold one is among them.

    @returns {id, query, docs: [{title?, text}], gold: [place], bm25: [score]}; half have titles where the file has them.
    """
    positives = max((p for q in group.questions for p in q.gold), default=-1) + 1
    index = BM25([f"{title or ''} {text}" for title, text in zip(group.titles[:positives], group.texts[:positives])])
    titled = sum(title is not None for title in group.titles[:positives]) > positives / 2
    questions = [question for question in group.questions if question.held_out]
    random.Random(seed + number_of(group.name)).shuffle(questions)
    pools = []
    for question in questions:
        if len(pools) == count:
            break
        scores = index.scores(question.text)
        best = [int(p) for p in np.argsort(-scores, kind="stable")[: 4 * candidates] if scores[p] > 0]
        best = [p for p in best if p in question.gold or not may_answer(group, question, p)][:candidates]
        if len(best) < candidates or not any(p in question.gold for p in best):
            continue
        show = titled and number_of(question.text) % 2 == 0
        pools.append({
            "id": f"{group.name}/{len(pools)}", "query": question.text, "gold": [i for i, p in enumerate(best) if p in question.gold],
            "docs": [{**({"title": group.titles[p]} if show and group.titles[p] else {}), "text": group.texts[p]} for p in best],
            "bm25": [round(float(scores[p]), 4) for p in best],
        })
    return pools


def write_pools(groups: "list[Group]", output: Path, count: int = 12, size: int = 10) -> "dict[str, int]":
    """Writes for each pool one line with a gold document, and one of which the gold ones were taken out, where enough are left.

    @param count Pools of a group at most; @param size Documents of a line.
    @returns How many lines have an answer, and how many have none.
    """
    done = {"answered": 0, "none": 0}
    with open(output, "w") as file:
        for group in groups:
            if group.name.startswith(LEFT_OUT):
                continue
            for pool in held_out_pools(group, count, size + 1):
                gold = pool["gold"]
                rest = [i for i in range(size + 1) if i not in gold]
                file.write(json.dumps(_part(pool, group.name, sorted((gold + rest)[:size]), "")) + "\n")
                done["answered"] += 1
                # Two golds leave one document less.
                if len(rest) >= size - 1:
                    file.write(json.dumps(_part(pool, group.name, rest[:size], "/none")) + "\n")
                    done["none"] += 1
    return done


def _part(pool: dict, task: str, places: "list[int]", suffix: str) -> dict:
    return {
        "id": pool["id"] + suffix, "query": pool["query"], "task": task, "docs": [pool["docs"][i] for i in places],
        "gold": [k for k, i in enumerate(places) if i in pool["gold"]], "bm25": [pool["bm25"][i] for i in places],
    }
