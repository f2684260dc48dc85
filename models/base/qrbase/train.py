"""One run of tuning: adapters learn, everything else stays. Logs JSON lines; every prompt is drawn anew."""

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from qrmini.loss import retrieval_loss

from .backbone import Backbone
from .sampler import Sample, Sampler


@dataclass
class Settings:
    heads: "list[tuple[int, int]]"
    first: int
    rank: int
    minutes: float
    rate: float = 1e-3
    warmup: float = 0.06
    prompts: int = 3
    seed: int = 1
    save_minutes: float = 5.0
    #: Falls linearly to zero; the floor keeps the last steps from being for nothing.
    floor: float = 0.05


def losses(mass: torch.Tensor, sample: Sample, temperature: torch.Tensor):
    """The loss of one prompt, summed over its questions, and the numbers that the log shows.

    @param mass [heads, questions + 1, documents], the null query last.
    """
    count, documents = len(sample.queries), mass.shape[2]
    gold = torch.zeros(1, count, documents, dtype=torch.bool)
    present = torch.ones(1, count, documents, dtype=torch.bool)
    for i in range(count):
        gold[0, i, list(sample.gold[i])] = True
        present[0, i, list(sample.ignored[i])] = False
    loss, _, seen = retrieval_loss(mass[None, None], gold, present, torch.ones(1, count), temperature)
    return loss * count, {name: float(value) * count for name, value in seen.items()}


class Trainer:
    """What peers average: `model` (whose parameters are the adapters), `average`, `temperature`."""

    def __init__(self, model: Backbone, sampler: Sampler, settings: Settings, output: Path, peers=None):
        self.model, self.sampler, self.settings, self.output, self.peers = model, sampler, settings, output, peers
        model.adapt(settings.first, settings.rank, settings.seed)
        self.temperature = torch.nn.Parameter(torch.tensor(math.log(40 / len(settings.heads))))
        self.average: dict[str, torch.Tensor] = {}
        self.optimizer = torch.optim.AdamW(
            [{"params": list(model.parameters()), "weight_decay": 0.01, "share": 1.0},
             {"params": [self.temperature], "weight_decay": 0.0, "share": 20.0}],
            lr=settings.rate, betas=(0.9, 0.98), eps=1e-8,
        )
        self.tokens = self.questions = self.step = 0
        self.before = 0.0

    def state(self, minutes: float) -> dict:
        return {
            "adapter": {name: value.detach() for name, value in self.model.adapter.items()}, "temperature": self.temperature.detach(),
            "optimizer": self.optimizer.state_dict(), "settings": self.settings.__dict__, "step": self.step,
            "tokens": self.tokens, "questions": self.questions, "minutes": minutes, "random": self.sampler.random.getstate(),
        }

    def save(self, name: str, minutes: float) -> None:
        self.output.mkdir(parents=True, exist_ok=True)
        partial = self.output / f"{name}.partial"
        torch.save(self.state(minutes), partial)
        partial.rename(self.output / name)

    def resume(self, path: Path) -> None:
        saved = torch.load(path, weights_only=False)
        for name, value in saved["adapter"].items():
            self.model.adapter[name].data.copy_(value)
        self.temperature.data.copy_(saved["temperature"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.sampler.random.setstate(saved["random"])
        self.step, self.tokens, self.questions, self.before = saved["step"], saved["tokens"], saved["questions"], saved["minutes"]

    def rate(self, done: float) -> float:
        """Of the full rate, at the share `done` of the time: a rise, then a straight fall."""
        warmup, floor = self.settings.warmup, self.settings.floor
        return min(1.0, (done + 0.01) / warmup) * max(floor, 1 - max(0.0, done - warmup) / (1 - warmup))

    def one_step(self, done: float) -> dict:
        factor, sums = self.rate(done), {}
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate * factor * group["share"]
        count = tokens = 0
        for _ in range(self.settings.prompts):
            sample = self.sampler.sample()
            mass = self.model.look(sample.prompt, self.settings.heads)
            loss, seen = losses(mass, sample, self.temperature)
            loss.backward()
            count += len(sample.queries)
            tokens += sample.prompt.tokens
            for name, value in seen.items():
                sums[name] = sums.get(name, 0.0) + value
        learned = [*self.model.parameters(), self.temperature]
        for parameter in learned:
            parameter.grad /= count
        norm = float(torch.nn.utils.clip_grad_norm_(list(self.model.parameters()), 1.0))
        if math.isfinite(norm):
            self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        self.tokens += tokens
        self.questions += count
        return {"step": self.step, "tokens": self.tokens, "questions": self.questions, "norm": round(norm, 3),
                "t": round(float(self.temperature.detach().exp()), 2), **{name: round(value / count, 4) for name, value in sums.items()}}

    def run(self, peer: int = 0) -> None:
        self.output.mkdir(parents=True, exist_ok=True)
        began = saved = time.monotonic()
        cpu = time.process_time()
        with open(self.output / f"log-{peer}.jsonl", "a") as log:
            while True:
                minutes = self.before + (time.monotonic() - began) / 60
                over = minutes >= self.settings.minutes
                if self.peers and self.peers.meets(self.step):
                    over = self.peers.any(over)
                    if over:
                        break
                    self.peers.average(self)
                elif not self.peers and over:
                    break
                line = self.one_step(min(1.0, minutes / self.settings.minutes))
                line |= {"minutes": round(minutes, 2), "cpu": round(time.process_time() - cpu)}
                log.write(json.dumps(line) + "\n")
                log.flush()
                if time.monotonic() - saved > 60 * self.settings.save_minutes:
                    saved = time.monotonic()
                    self.save(f"step-{peer}.pt", minutes)
                    if peer == 0:
                        self.save(f"at-{round(minutes)}.pt", minutes)
        if self.peers:
            self.peers.average(self)
        if peer == 0:
            self.save("final.pt", minutes)
