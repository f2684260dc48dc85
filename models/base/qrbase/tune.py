"""Training on a GPU: prompts of both layouts, many at once, made by worker processes."""

import json
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from qrmini.loss import agreement_loss, ranking_loss

from .packed import Batch, pack
from .pick import Picker
from .ranker import Ranker
from .store import Store


@dataclass
class Settings:
    seconds: float
    rate: float
    #: Context tokens of a step, over all its prompts.
    step_tokens: int = 49152
    #: Bounds of a prompt's documents, in tokens.
    tokens: "tuple[int, int]" = (350, 5000)
    #: Share of steps whose documents stand apart, and of those that read the same prompts in both layouts.
    independent: float = 0.35
    both: float = 0.2
    warmup: float = 0.05
    floor: float = 0.02
    seed: int = 1
    #: What the teacher counts.
    teacher: float = 0.5
    workers: int = 12


class Steps(torch.utils.data.IterableDataset):
    """Batches without end: for each store, in every layout of the step."""

    def __init__(self, groups, stores: "list[Store]", settings: Settings):
        self.groups, self.stores, self.settings = groups, stores, settings

    def __iter__(self):
        given, info = self.settings, torch.utils.data.get_worker_info()
        seed = 1000 * given.seed + (info.id if info else 0)
        picker, r = Picker(self.groups, seed, given.tokens), random.Random(seed + 500)
        low, high = given.tokens
        while True:
            size = low * (high / low) ** r.random()
            picker.bounds = (size, 1.2 * size)
            prompts, total = [], 0.0
            while total < given.step_tokens:
                prompts.append(picker.pick())
                total += prompts[-1].size
            draw = r.random()
            layouts = [False, True] if draw < given.both else [draw < given.both + given.independent]
            if len(layouts) == 2:
                prompts = prompts[: len(prompts) // 2 + 1]
            yield [[pack(store, prompts, layout).arrays() for layout in layouts] for store in self.stores]


def _same(batch):
    return batch


class Objective(torch.nn.Module):
    """What is learnt beside the model: how sharp calibrated masses are made, and the constants of relevance."""

    def __init__(self, heads: int):
        super().__init__()
        self.temperature = torch.nn.Parameter(torch.tensor(math.log(40 / heads)))
        self.offset = torch.nn.Parameter(torch.tensor(-2.0))
        self.slope = torch.nn.Parameter(torch.tensor(math.log(20.0)))

    def scores(self, mass: torch.Tensor) -> torch.Tensor:
        total = mass.sum(1)
        return (total[:, :-1] - total[:, -1:]) * self.temperature.exp()

    def loss(self, mass: torch.Tensor, batch: Batch):
        """The losses of `qrmini.loss.retrieval_loss`, and cross-entropy of relevance, which also learns from questions
        that no document answers. Documents that answer and those that do not count the same.

        @param mass [B, H, Q + 1, N], the null query last.
        """
        total = mass.sum(1)
        raw, scores = total[:, :-1], self.scores(mass)
        answered = batch.asked & batch.gold.any(-1)
        share = answered / answered.sum().clamp(min=1)
        mean = lambda values: (values * share).sum()  # noqa: E731
        gold, present = batch.gold, batch.present
        calibrated = mean(ranking_loss(scores, gold, present))
        masses = mean(ranking_loss((raw.clamp(min=0) + 1e-6).log(), gold, present))
        alone = mean(ranking_loss((mass[:, :, :-1].clamp(min=0) + 1e-6).log(), gold[:, None], present[:, None]).mean(1))
        rest = (mass.shape[1] - raw.sum(-1, keepdim=True)).clamp(min=1e-3)
        logits = self.offset + self.slope.exp() * (total[:, :-1] - total[:, -1:]) / rest
        counted = present & batch.asked[..., None]
        right, wrong = counted & gold, counted & ~gold
        each = torch.nn.functional.binary_cross_entropy_with_logits(logits, gold.float(), reduction="none")
        relevance = 0.5 * ((each * right).sum() / right.sum().clamp(min=1) + (each * wrong).sum() / wrong.sum().clamp(min=1))
        best = scores.masked_fill(~present, -1e4).argmax(-1, keepdim=True)
        seen = {
            "calibrated": calibrated, "raw": masses, "heads": alone, "relevance": relevance,
            "top1": mean(gold.gather(-1, best).squeeze(-1)), "mass": mean((raw * present).sum(-1)) / mass.shape[1],
        }
        return calibrated + 0.5 * masses + 0.1 * alone + 0.3 * relevance, scores, seen


class Tuner:
    def __init__(self, model: Ranker, settings: Settings, device, teacher: "tuple[Ranker, Objective] | None" = None):
        self.model, self.settings, self.device, self.teacher = model.to(device), settings, device, teacher
        self.objective = Objective(model.shape.heads).to(device)
        matrices = [p for p in model.learnt() if p.dim() > 1]
        rest = [p for p in model.learnt() if p.dim() == 1]
        groups = [{"params": matrices, "weight_decay": 0.01, "share": 1.0}, {"params": list(self.objective.parameters()), "weight_decay": 0.0, "share": 20.0}]
        if rest:
            groups.append({"params": rest, "weight_decay": 0.0, "share": 1.0})
        self.optimizer = torch.optim.AdamW(groups, lr=settings.rate, betas=(0.9, 0.98), eps=1e-8, fused=device.type == "cuda")
        self.tokens = self.prompts = self.questions = self.step = 0

    def rate(self, done: float) -> float:
        """Of the full rate, at the share `done` of the time: a rise, then a straight fall."""
        given = self.settings
        return min(1.0, (done + 0.002) / given.warmup) * max(given.floor, 1 - max(0.0, done - given.warmup) / (1 - given.warmup))

    def one_step(self, parts: "list[Batch]", taught: "list[Batch]", done: float) -> dict:
        factor = self.rate(done)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate * factor * group["share"]
        total, seen, rankings = 0.0, {}, []
        for part, other in zip(parts, taught or parts):
            mass = self.model.look(part)
            loss, scores, numbers = self.objective.loss(mass, part)
            if self.teacher:
                model, objective = self.teacher
                with torch.no_grad():
                    wanted = objective.scores(model.look(other))
                answered = part.asked
                distilled = divergence(wanted, scores, part.present, answered)
                numbers["teacher"] = distilled
                loss = (1 - self.settings.teacher) * loss + self.settings.teacher * distilled
            rankings.append((scores, part))
            total = total + loss / len(parts)
            suffix = "" if len(part.sequences) == len(part.rows) else "Apart"
            seen |= {name + suffix: value.detach() for name, value in numbers.items()}
        if len(rankings) == 2:
            (first, part), (second, _) = rankings
            agreement = agreement_loss(first, second, part.present, part.asked.float())
            seen["agreement"] = agreement.detach()
            total = total + 0.3 * agreement
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.learnt(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.tokens += sum(part.tokens for part in parts)
        self.prompts += len(parts[0].rows)
        self.questions += parts[0].asked.sum()
        return {**seen, "norm": norm.detach()}

    def run(self, batches, log) -> None:
        """@param batches What `Steps` yields, as tensors on the CPU; @param log Takes lines."""
        began, history, marked = time.monotonic(), [], (time.monotonic(), 0)
        for stores in batches:
            done = (time.monotonic() - began) / self.settings.seconds
            if done >= 1:
                break
            ready = [[Batch.of(arrays).to(self.device) for arrays in layouts] for layouts in stores]
            history.append(self.one_step(ready[0], ready[1] if len(ready) > 1 else [], done))
            if len(history) == 25 or (self.step < 4):
                keys = sorted({name for line in history for name in line})
                line = {"step": self.step, "seconds": round(time.monotonic() - began, 1), "tokens": self.tokens}
                for name in keys:
                    line[name] = round(torch.stack([one[name].float() for one in history if name in one]).mean().item(), 4)
                now = time.monotonic()
                line |= {"t": round(self.objective.temperature.item(), 3), "a": round(self.objective.offset.item(), 2), "b": round(self.objective.slope.exp().item(), 1),
                         "rate": round((self.tokens - marked[1]) / (now - marked[0]))}
                if not math.isfinite(line["norm"]):
                    raise SystemExit(f"Expected finite gradients but step {self.step} has {line['norm']}")
                marked, history = (now, self.tokens), []
                log(json.dumps(line))


def divergence(wanted: torch.Tensor, scores: torch.Tensor, present: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
    """Kullback–Leibler divergence of the student's distribution of documents from the teacher's, mean over questions."""
    p = wanted.float().masked_fill(~present, -1e4).log_softmax(-1)
    q = scores.float().masked_fill(~present, -1e4).log_softmax(-1)
    each = (p.exp() * (p - q)).masked_fill(~present, 0).sum(-1)
    return (each * asked).sum() / asked.sum().clamp(min=1)


def loader(groups, stores: "list[Store]", settings: Settings):
    parallel = {"prefetch_factor": 4} if settings.workers else {}
    return torch.utils.data.DataLoader(
        Steps(groups, stores, settings), batch_size=None, num_workers=settings.workers, collate_fn=_same, **parallel
    )


def save(path: Path, model: Ranker, objective: Objective, facts: dict) -> None:
    """What was learnt, in half precision: it is rounded to eight bits in the file that ships."""
    values = {name: p.detach().cpu().half() for name, p in model.named_parameters() if p.requires_grad}
    partial = path.with_suffix(".partial")
    torch.save({"learnt": values, "objective": {k: v.detach().cpu() for k, v in objective.state_dict().items()}, "facts": facts}, partial)
    partial.rename(path)


def restore(model: Ranker, objective: "Objective | None", path: Path) -> dict:
    saved = torch.load(path, weights_only=False, map_location="cpu")
    named = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in saved["learnt"].items():
            named[name].copy_(value.float())
    if objective:
        objective.load_state_dict(saved["objective"])
    return saved["facts"]
