"""`validate`: held-out training questions, their candidates in random orders, for several shares of an adapter and sets of heads."""

import json
import random
from pathlib import Path

import numpy as np

from .data import held_out_pools, number_of
from .scoring import Variants, kendall, quality, standardised

WEIGHTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


def pools_of(groups, per_file: int, candidates: int) -> "list[dict]":
    """The first question of every file, then the second of every file, and so on: any beginning is balanced."""
    found = [held_out_pools(group, per_file, candidates) for group in groups]
    return [pools[i] for i in range(per_file) for pools in found if i < len(pools)]


def orders_of(pool: dict, orders: int) -> "list[list[int]]":
    places = list(range(len(pool["docs"])))
    return [random.Random(number_of(f"{pool['id']} {k}")).sample(places, len(places)) for k in range(orders)]


def collect(variants: Variants, pools: "list[dict]", orders: int, output: Path) -> None:
    """Appends one line a pool: {id, gold, bm25, scores: {variant: [order][document]}}. Goes on where it stopped."""
    done = {json.loads(line)["id"] for line in output.read_text().splitlines()} if output.exists() else set()
    with open(output, "a") as out:
        for pool in pools:
            if pool["id"] in done:
                continue
            scores: dict[str, list[list[float]]] = {name: [] for name in variants.sets}
            for order in orders_of(pool, orders):
                found, _ = variants.score([pool["docs"][i] for i in order], pool["query"])
                back = np.argsort(order)
                for name, values in found.items():
                    scores[name].append([float(f"{v:.6g}") for v in values[back]])
            out.write(json.dumps({"id": pool["id"], "gold": pool["gold"], "bm25": pool["bm25"], "scores": scores}) + "\n")
            out.flush()


def summarise(lines: "list[dict]") -> "list[dict]":
    """Of each variant nDCG@10 alone and with BM25's z-scores, its difference to BM25 and the standard error, and order."""
    bm25 = np.array([quality(np.array(line["bm25"]), line["gold"]) for line in lines])
    out = [{"variant": "bm25", "questions": len(lines), "ndcg": round(float(bm25.mean()), 4)}]
    for name in lines[0]["scores"]:
        own = np.array([np.mean([quality(np.array(s), line["gold"]) for s in line["scores"][name]]) for line in lines])
        fused = {
            weight: float(np.mean([
                quality(weight * standardised(np.array(s)) + (1 - weight) * standardised(np.array(line["bm25"])), line["gold"])
                for line in lines for s in line["scores"][name]
            ]))
            for weight in WEIGHTS
        }
        pairs = [kendall(np.array(a), np.array(b)) for line in lines for a, b in zip(line["scores"][name], line["scores"][name][1:])]
        gain = own - bm25
        out.append({
            "variant": name, "ndcg": round(float(own.mean()), 4), "less bm25": round(float(gain.mean()), 4),
            "error": round(float(gain.std() / len(gain) ** 0.5), 4), "fused": {w: round(v, 4) for w, v in fused.items()},
            "tau": round(float(np.mean(pairs)), 3) if pairs else None,
        })
    return out

