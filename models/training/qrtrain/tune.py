"""One run of training: every weight of a model, or a low-rank change of its matrices. Logs lines of JSON."""

import json
import math
import time
from dataclasses import asdict
from pathlib import Path

import torch

from . import checkpoint
from .data import Group
from .errors import existing
from .losses import Objective, agreement_loss, divergence
from .packed import Batch
from .ranker import Ranker
from .steps import Settings, Steps, ahead, loader
from .store import Store
from .words import Words

#: A line of the log is the mean of so many steps.
LOGGED = 25
#: What is kept to go on from is written every so many seconds.
KEPT_EVERY = 60


class Tuner:
    """@param objective What it goes on with; a new one otherwise; @param teacher A model and its objective, on the device."""

    def __init__(
        self, model: Ranker, settings: Settings, device: torch.device, objective: "Objective | None" = None,
        teacher: "tuple[Ranker, Objective] | None" = None,
    ):
        self.model, self.settings, self.device, self.teacher = model.to(device), settings, device, teacher
        self.objective = (objective or Objective(model.shape.heads)).to(device)
        learnt = model.learnt()
        groups = [
            {"params": [p for p in learnt if p.dim() > 1], "weight_decay": 0.01, "share": 1.0},
            {"params": list(self.objective.parameters()), "weight_decay": 0.0, "share": 20.0},
            {"params": [p for p in learnt if p.dim() == 1], "weight_decay": 0.0, "share": 1.0},
        ]
        groups = [group for group in groups if group["params"]]
        self.optimizer = torch.optim.AdamW(groups, lr=settings.rate, betas=(0.9, 0.98), eps=1e-8, fused=device.type == "cuda")
        self.step = self.tokens = self.prompts = 0
        self.questions = torch.zeros((), dtype=torch.long, device=device)
        #: Seconds of the run so far, before the process that goes on.
        self.before = 0.0

    def state(self, seconds: float) -> dict:
        """Everything that the next step depends on."""
        learnt = {name: p.detach().clone() for name, p in self.model.named_parameters() if p.requires_grad}
        counts = {"step": self.step, "tokens": self.tokens, "prompts": self.prompts, "questions": int(self.questions), "seconds": seconds}
        return {"learnt": learnt, "objective": self.objective.state_dict(), "optimizer": self.optimizer.state_dict(), "counts": counts}

    def resume(self, state: dict) -> None:
        named = dict(self.model.named_parameters())
        for name, value in state["learnt"].items():
            named[name].data.copy_(value)
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        counts = state["counts"]
        self.step, self.tokens, self.prompts, self.before = counts["step"], counts["tokens"], counts["prompts"], counts["seconds"]
        self.questions.fill_(counts["questions"])

    def rate(self, done: float) -> float:
        """Of the full rate, at the share `done` of the time: a rise, then a straight fall."""
        given = self.settings
        return min(1.0, (done + 0.002) / given.warmup) * max(given.floor, 1 - max(0.0, done - given.warmup) / (1 - given.warmup))

    def one_step(self, parts: "list[Batch]", taught: "list[Batch]", done: float) -> dict:
        """@param parts The prompts in one or both layouts; @param taught The same in the teacher's tokens, where there is one."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate * self.rate(done) * group["share"]
        total, seen, rankings = 0.0, {}, []
        for part, other in zip(parts, taught or parts):
            loss, scores, numbers = self.objective.loss(self.model.look(part), part)
            if self.teacher:
                model, objective = self.teacher
                with torch.no_grad():
                    wanted = objective.scores(model.look(other))
                numbers["teacher"] = divergence(wanted, scores, part.present, part.asked)
                loss = (1 - self.settings.teacher) * loss + self.settings.teacher * numbers["teacher"]
            rankings.append(scores)
            total = total + loss / len(parts)
            suffix = "" if len(part.sequences) == len(part.rows) else "Apart"
            seen |= {name + suffix: value.detach() for name, value in numbers.items()}
        if len(rankings) == 2:
            agreement = agreement_loss(*rankings, parts[0].present, parts[0].asked)
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

    def run(self, parcels, log, keep=lambda state: None) -> None:
        """@param parcels What `Steps` yields; @param log Takes lines; @param keep Takes states, now and then and at the end."""
        began = marked = kept = time.monotonic()
        history, counted, waited = [], self.tokens, 0.0

        def write(seconds: float) -> None:
            nonlocal marked, history, counted, waited
            line = self._line(history) | {"seconds": round(seconds, 1)}
            now = time.monotonic()
            log(json.dumps(line | {"rate": round((self.tokens - counted) / (now - marked)), "waited": round(waited / len(history), 4)}))
            marked, history, counted, waited = now, [], self.tokens, 0.0

        batches = ahead(parcels, self.device)
        while True:
            asked = time.monotonic()
            seconds = self.before + asked - began
            if seconds >= self.settings.seconds:
                break
            ready = next(batches)
            waited += time.monotonic() - asked
            history.append(self.one_step(ready[0], ready[1] if len(ready) > 1 else [], seconds / self.settings.seconds))
            if len(history) == LOGGED or self.step < 4:
                write(seconds)
                if time.monotonic() - kept > KEPT_EVERY:
                    keep(self.state(self.before + time.monotonic() - began))
                    kept = time.monotonic()
        if history:
            write(seconds)
        keep(self.state(seconds))

    def _line(self, history: "list[dict]") -> dict:
        line = {"step": self.step, "tokens": self.tokens}
        for name in sorted({name for one in history for name in one}):
            line[name] = round(torch.stack([one[name].float() for one in history if name in one]).mean().item(), 4)
        if not math.isfinite(line["norm"]):
            raise SystemExit(f"Expected finite gradients but step {self.step} has {line['norm']}")
        constants = self.objective
        return line | {"t": round(constants.temperature.item(), 3), "a": round(constants.offset.item(), 2), "b": round(constants.slope.exp().item(), 1)}


def tune(
    start: Path, groups: Path, output: Path, settings: Settings, rank: "int | None" = None,
    teacher: "tuple[Path, Path] | None" = None, wait: bool = False, source: "Path | None" = None,
    state: "Path | None" = None, only: "list[str] | None" = None,
) -> dict:
    """Writes the checkpoint `output` and its log beside it, `.jsonl`.

    @param teacher A GGUF and its checkpoint; @param wait Whether that may still have to be written.
    @param source A checkpoint to begin with, its objective included, in a run of its own.
    @param state A file to keep the run in; where it is there, the run goes on from it.
    @param only Names of groups.
    @returns Facts of the run.
    """
    began = time.monotonic()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(settings.seed)
    torch.set_float32_matmul_precision("high")
    if teacher:
        existing(teacher[0], "the teacher's model")
    if teacher and not wait:
        existing(teacher[1], "the teacher's checkpoint")
    opened = checkpoint.open_model(start, source, rank, device, seed=settings.seed)
    read = Group.load_all(groups, only)
    stores, taught = [Store(opened.words, read)], None
    if teacher:
        stores.append(Store(Words.of(teacher[0]), read))
        while not teacher[1].exists():
            time.sleep(0.1)
        theirs = checkpoint.open_model(*teacher, device=device)
        taught = (theirs.model.requires_grad_(False), theirs.objective)
    tuner = Tuner(opened.model.train(), settings, device, opened.objective, taught)
    if state and state.exists():
        tuner.resume(torch.load(state, weights_only=True, map_location=device))
    output.parent.mkdir(parents=True, exist_ok=True)
    with open(output.with_suffix(".jsonl"), "a") as file:

        def log(line: str) -> None:
            print(line, flush=True)
            file.write(line + "\n")

        log(json.dumps({"groups": len(read), "questions": sum(len(g.questions) for g in read), "ready": round(time.monotonic() - began, 1)}))
        keep = (lambda values: checkpoint.write(state, values)) if state else (lambda values: None)
        tuner.run(loader(Steps(read, stores, settings, tuner.step), device.type == "cuda"), log, keep)
    gpu = {"gpu": torch.cuda.get_device_name(0), "memory": round(torch.cuda.max_memory_allocated() / 2**30, 1)} if device.type == "cuda" else {}
    facts = {
        "start": start.name, "rank": opened.model.rank, "steps": tuner.step, "tokens": tuner.tokens, "prompts": tuner.prompts,
        "questions": int(tuner.questions), "settings": asdict(settings), **gpu, **({"source": opened.facts} if source else {}),
    }
    checkpoint.save(output, opened.model, tuner.objective, facts)
    return facts
