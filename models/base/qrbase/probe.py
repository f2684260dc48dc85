"""Which heads rank: what every head gives to the documents of shuffled prompts, and the choice among them."""

import json
from pathlib import Path

import numpy as np
import torch

from .backbone import Backbone
from .data import Group
from .sampler import Sampler
from .scoring import quality
from .words import Words


def collect(model: Backbone, words: Words, groups: "list[Group]", output: Path, prompts: int, first: int, seed: int) -> None:
    """Appends one line a question: {gold, ignored, heads: {"layer-head": [score of each document]}}, calibrated."""
    chosen = [(layer, head) for layer in range(first, model.shape.layers) for head in range(model.shape.heads)]
    sampler = Sampler(words, groups, seed, (600, 1400))
    with open(output, "a") as out:
        for _ in range(prompts):
            sample = sampler.sample()
            with torch.no_grad():
                mass = model.look(sample.prompt, chosen)
            calibrated = mass[:, :-1] - mass[:, -1:]
            for i in range(len(sample.queries)):
                heads = {f"{a}-{b}": [round(float(v), 6) for v in calibrated[j, i]] for j, (a, b) in enumerate(chosen)}
                out.write(json.dumps({"gold": sorted(sample.gold[i]), "ignored": sorted(sample.ignored[i]), "heads": heads}) + "\n")
            out.flush()


def read(files: "list[Path]") -> "list[dict]":
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def measure(line: dict, heads: "list[str]") -> float:
    """nDCG@10 of the sum of heads, documents that may answer left out."""
    kept = [i for i in range(len(line["heads"][heads[0]])) if i not in line["ignored"]]
    scores = np.sum([[line["heads"][head][i] for i in kept] for head in heads], 0)
    return quality(scores, [kept.index(g) for g in line["gold"]])


def place_bias(lines: "list[dict]", head: str) -> float:
    """Mean correlation of a head's scores with the place, among documents that do not answer."""
    found = []
    for line in lines:
        others = [i for i in range(len(line["heads"][head])) if i not in line["gold"]]
        scores = np.array([line["heads"][head][i] for i in others])
        if len(others) > 2 and scores.std() > 0:
            found.append(float(np.corrcoef(others, scores)[0, 1]))
    return float(np.mean(found)) if found else 0.0


def select(lines: "list[dict]", most: int) -> "list[dict]":
    """The single heads, best first, then the set that grows by the head that helps the sum most."""
    names = list(lines[0]["heads"])
    single = {head: float(np.mean([measure(line, [head]) for line in lines])) for head in names}
    order = sorted(names, key=lambda head: -single[head])
    out = [{"head": head, "ndcg": round(single[head], 4), "place": round(place_bias(lines, head), 3)} for head in order[: 3 * most]]
    chosen: list[str] = []
    pool = order[: 4 * most]
    while len(chosen) < most:
        gains = {head: float(np.mean([measure(line, [*chosen, head]) for line in lines])) for head in pool if head not in chosen}
        best = max(gains, key=gains.get)
        chosen.append(best)
        out.append({"heads": list(chosen), "ndcg": round(gains[best], 4)})
    return out
