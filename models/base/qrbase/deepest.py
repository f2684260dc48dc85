"""Tuning of the deepest layer's queries and keys alone, on what `features` kept. Nothing else of the model changes."""

import contextlib
import json
import math
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from qrmini.loss import retrieval_loss

from .backbone import Backbone
from .features import FIRST
from .scoring import quality, standardised


@dataclass
class Kept:
    """A prompt as it was kept, with queries and keys of the layer as they were."""

    h: torch.Tensor
    q: torch.Tensor
    k: torch.Tensor
    #: Masses of all heads, by (layer, head).
    mass: "dict[tuple[int, int], torch.Tensor]"
    bias: torch.Tensor
    average: torch.Tensor
    member: torch.Tensor
    angles: "tuple[torch.Tensor, torch.Tensor]"
    gold: torch.Tensor
    present: torch.Tensor
    bm25: "list[float] | None"
    positions: torch.Tensor
    owner: torch.Tensor


class Deepest(torch.nn.Module):
    def __init__(self, model: Backbone, rank: int, seed: int):
        super().__init__()
        self.model, self.layer, self.opened = model, model.shape.layers - 1, {}
        random_ = torch.Generator().manual_seed(seed)
        shape = model.shape
        sizes = {"attn_q": shape.width, "attn_k": shape.kv_heads * shape.head_dim}
        self.a = torch.nn.ParameterDict({p: torch.nn.Parameter(torch.randn(rank, shape.width, generator=random_) / math.sqrt(shape.width)) for p in sizes})
        self.b = torch.nn.ParameterDict({p: torch.nn.Parameter(torch.zeros(size, rank)) for p, size in sizes.items()})

    def adapter(self) -> "dict[str, torch.Tensor]":
        """Under the names that `Backbone.adapter` has."""
        sides = (("a", self.a), ("b", self.b))
        return {f"blk-{self.layer}-{part}-{side}": values[part].detach() for side, values in sides for part in values}

    def set(self, adapter: "dict[str, torch.Tensor]") -> None:
        for name, value in adapter.items():
            part, side = name.split("-")[2:]
            (self.a if side == "a" else self.b)[part].data.copy_(value)

    def open(self, path: Path) -> Kept:
        """What stands in a file; it stays in memory (some 6 MB a prompt)."""
        if path not in self.opened:
            self.opened[path] = self._open(path)
        return self.opened[path]

    def _open(self, path: Path) -> Kept:
        raw, model, name = torch.load(path, weights_only=False), self.model, f"blk.{self.layer}"
        n, shape = len(raw["context"]), self.model.shape
        h = F.rms_norm(raw["x"].float(), (shape.width,), model.weights[f"{name}.attn_norm"], shape.epsilon)
        mask = torch.cat([torch.ones(len(raw["rows"]), n, dtype=torch.bool), raw["mask"]], 1)
        count = raw["mass"].shape[2]
        gold = torch.zeros(1, len(raw["gold"]), count, dtype=torch.bool)
        present = torch.ones_like(gold)
        for i, (own, ignored) in enumerate(zip(raw["gold"], raw["ignored"])):
            gold[0, i, list(own)], present[0, i, list(ignored)] = True, False
        heads = [(FIRST + i // shape.heads, i % shape.heads) for i in range(len(raw["mass"]))]
        dtype = torch.bfloat16
        return Kept(
            h=h.to(dtype), q=F.linear(h[n:], model.weights[f"{name}.attn_q"].float()).to(dtype),
            k=F.linear(h, model.weights[f"{name}.attn_k"].float()).to(dtype), mass=dict(zip(heads, raw["mass"])),
            bias=torch.zeros(mask.shape).masked_fill(~mask, float("-inf")), average=raw["average"],
            member=(raw["owner"][:, None] == torch.arange(count)).float(), angles=model._angles(raw["positions"]),
            gold=gold, present=present, bm25=raw.get("bm25"), positions=raw["positions"], owner=raw["owner"],
        )

    def forward(self, kept: Kept, heads: "list[int]", positions: "torch.Tensor | None" = None) -> torch.Tensor:
        """Mass of heads of the layer on documents, mean over rows: [H, Q + 1, N].

        @param positions Of the columns and rows, where they are to seem to stand elsewhere.
        """
        shape, n = self.model.shape, len(kept.member)
        group = shape.heads // shape.kv_heads
        change = lambda x, part: F.linear(F.linear(x, self.a[part].to(x.dtype)), self.b[part].to(x.dtype))  # noqa: E731
        angles = kept.angles if positions is None else self.model._angles(positions)
        cos, sin = angles
        q = rotated(kept.q + change(kept.h[n:], "attn_q"), shape.heads, (cos[n:], sin[n:]))
        k = rotated(kept.k + change(kept.h, "attn_k"), shape.kv_heads, angles)
        score = (q[heads] @ k[[head // group for head in heads]].transpose(1, 2)).float() / math.sqrt(shape.head_dim)
        return kept.average @ (score + kept.bias).softmax(-1)[:, :, :n] @ kept.member

    def masses(self, kept: Kept, heads: "list[tuple[int, int]]", positions: "torch.Tensor | None" = None) -> torch.Tensor:
        """Of all heads of the sum: those of this layer as they are now, the others as they were kept."""
        own = [head for layer, head in heads if layer == self.layer]
        others = [kept.mass[one] for one in heads if one[0] != self.layer]
        return torch.cat([torch.stack(others), self(kept, own, positions)]) if others else self(kept, own, positions)


def moved(kept: Kept, r: random.Random) -> torch.Tensor:
    """Positions as if the documents stood in another order, each with the two line breaks before it.

    What the layer reads of a document stays what it was; so heads learn not to look at distance.
    """
    owner, positions = kept.owner, kept.positions.clone()
    starts = [int((owner == i).nonzero()[0]) - 2 for i in range(kept.member.shape[1])]
    ends = [*starts[1:], int((owner >= 0).nonzero()[-1]) + 1]
    at = starts[0]
    for i in r.sample(range(len(starts)), len(starts)):
        length = ends[i] - starts[i]
        positions[starts[i] : ends[i]] = torch.arange(at, at + length)
        at += length
    return positions


def rotated(x: torch.Tensor, heads: int, angles) -> torch.Tensor:
    cos, sin = angles
    pairs = x.float().unflatten(-1, (heads, -1, 2))
    even, odd = pairs[..., 0], pairs[..., 1]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2).to(x.dtype).transpose(0, 1)


def tune(deepest: Deepest, files: "list[Path]", heads, epochs: int, rate: float, batch: int, seed: int, log, at_end=None) -> torch.nn.Parameter:
    """Passes over the kept prompts, the rate falling to zero in a line.

    @param at_end Called after every pass with its number.
    """
    temperature = torch.nn.Parameter(torch.tensor(math.log(40 / len(heads))))
    optimizer = torch.optim.AdamW([
        {"params": list(deepest.parameters()), "weight_decay": 0.01, "share": 1.0},
        {"params": [temperature], "weight_decay": 0.0, "share": 10.0},
    ], lr=rate, betas=(0.9, 0.98))
    steps, step, r = epochs * math.ceil(len(files) / batch), 0, random.Random(seed)
    for epoch in range(epochs):
        order, sums, questions = r.sample(files, len(files)), {}, 0
        for begin in range(0, len(order), batch):
            count = 0
            for path in order[begin : begin + batch]:
                kept = deepest.open(path)
                own = kept.gold.shape[1]
                mass = deepest.masses(kept, heads, moved(kept, r))
                loss, _, seen = retrieval_loss(mass[None, None], kept.gold, kept.present, torch.ones(1, own), temperature)
                (loss * own).backward()
                count += own
                for name, value in seen.items():
                    sums[name] = sums.get(name, 0.0) + float(value) * own
            factor = min(1.0, (step + 1) / (0.05 * steps)) * (1 - step / steps)
            for group in optimizer.param_groups:
                group["lr"] = rate * factor * group["share"]
                for parameter in group["params"]:
                    parameter.grad /= count
            torch.nn.utils.clip_grad_norm_(list(deepest.parameters()), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            step, questions = step + 1, questions + count
        line = {"epoch": epoch + 1, "questions": questions, "t": round(float(temperature.detach().exp()), 2)}
        log(json.dumps(line | {name: round(value / questions, 4) for name, value in sums.items()}))
        if at_end:
            at_end(epoch + 1)
    return temperature


@contextlib.contextmanager
def shared(deepest: Deepest, share: float):
    """The change counts for `share` inside, and nothing learns."""
    before = {part: value.data.clone() for part, value in deepest.b.items()}
    for part, value in deepest.b.items():
        value.data.mul_(share)
    try:
        with torch.no_grad():
            yield
    finally:
        for part, value in deepest.b.items():
            value.data.copy_(before[part])


def of_prompts(deepest: Deepest, files: "list[Path]", heads, share: float = 1.0) -> "dict[str, float]":
    """nDCG@10 of the questions of training prompts set apart, and the correlation of scores with the place."""
    found, places = [], []
    with shared(deepest, share):
        for kept in map(deepest.open, files):
            mass = deepest.masses(kept, heads)
            for i, scores in enumerate((mass[:, :-1] - mass[:, -1:]).sum(0)):
                present = kept.present[0, i]
                values, gold = scores[present].numpy(), kept.gold[0, i][present].nonzero()[:, 0].tolist()
                found.append(quality(values, gold))
                others = np.delete(np.arange(len(values)), gold)
                if len(others) > 2 and values[others].std() > 0:
                    places.append(float(np.corrcoef(others, values[others])[0, 1]))
    mean = lambda values: round(float(np.mean(values)), 4) if values else 0.0  # noqa: E731
    return {"apart": mean(found), "questions": len(found), "place": mean(places)}


def held_out(deepest: Deepest, files: "list[Path]", heads, share: float = 1.0) -> "dict[str, np.ndarray]":
    """nDCG@10 of every held-out pool: of BM25, of the heads, and of both (z-scores, the heads' weight in the name)."""
    out: dict[str, list[float]] = {}
    with shared(deepest, share):
        for kept in map(deepest.open, files):
            mass = deepest.masses(kept, heads)
            scores = (mass[:, 0] - mass[:, 1]).sum(0).numpy()
            gold, bm25 = kept.gold[0, 0].nonzero()[:, 0].tolist(), np.array(kept.bm25)
            both = {f"z{w}": w * standardised(scores) + (1 - w) * standardised(bm25) for w in (0.3, 0.4, 0.5, 0.6, 0.7)}
            for name, values in {"bm25": bm25, "heads": scores, **both}.items():
                out.setdefault(name, []).append(quality(values, gold))
    return {name: np.array(values) for name, values in out.items()}
