"""Rankings of kept evaluation queries by any set of heads, and any share of what the deepest layer learnt."""

import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from qrmini.scoring import document_scores

from .deepest import Deepest, rotated
from .features import EVALUATED


def columns_of(deepest: "Deepest | None", raw: dict, share: float) -> "dict[tuple[int, int], torch.Tensor]":
    """Attention of the query and the null query on every token, [2, C] a head; those of the deepest layer as they were learnt."""
    found = dict(zip(EVALUATED, raw["columns"].float()))
    if deepest is None or share == 0:
        return found
    model, n = deepest.model, len(raw["context"])
    name, shape = f"blk.{deepest.layer}", model.shape
    h = F.rms_norm(raw["x"].float(), (shape.width,), model.weights[f"{name}.attn_norm"], shape.epsilon)

    def project(x, part):
        change = deepest.b[part].detach() @ deepest.a[part].detach()
        return F.linear(x, model.weights[f"{name}.{part}"].float() + share * change)

    cos, sin = model._angles(raw["positions"])
    q = rotated(project(h[n:], "attn_q"), shape.heads, (cos[n:], sin[n:]))
    k = rotated(project(h, "attn_k"), shape.kv_heads, (cos, sin))
    mask = torch.cat([torch.ones(len(raw["rows"]), n, dtype=torch.bool), raw["mask"]], 1)
    k = k.repeat_interleave(shape.heads // shape.kv_heads, 0)
    score = (q @ k.transpose(1, 2)) / math.sqrt(shape.head_dim)
    mean = raw["average"] @ score.masked_fill(~mask, float("-inf")).softmax(-1)[:, :, :n]
    return found | {(deepest.layer, head): mean[head] for head in range(shape.heads)}


def rank(deepest: "Deepest | None", folder: Path, output: Path, sets: "dict[str, tuple[float, list[tuple[int, int]]]]") -> int:
    """Journals as `evaluate` writes them, one folder an order and set. @returns Queries and orders ranked."""
    made: dict[Path, list[str]] = {}
    files = sorted(folder.glob("*.pt"))
    for path in files:
        raw = torch.load(path, weights_only=False)
        owner, ids = raw["owner"].numpy(), raw["ids"]
        by_share = {share: columns_of(deepest, raw, share) for share, _ in sets.values()}
        for name, (share, heads) in sets.items():
            both = torch.stack([by_share[share][head] for head in heads]).sum(0).double().numpy()
            scores = document_scores(both[0], both[1], owner, len(ids))
            best = np.argsort(-scores, kind="stable")
            line = {"task": raw["task"], "query": raw["query"], "method": name, "permutation": 0, "status": "ok",
                    "ids": [ids[i] for i in best], "scores": [float(f"{scores[i]:.6g}") for i in best]}
            made.setdefault(output / raw["order"] / raw["task"], []).append(json.dumps(line))
    for place, lines in made.items():
        place.mkdir(parents=True, exist_ok=True)
        header = json.dumps({"format": "qrhead-eval-journal", "version": 1})
        (place / "results.jsonl").write_text("\n".join([header, *lines]) + "\n")
        (place / "report.json").write_text('{"judgements": {}}')
    return len(files)
