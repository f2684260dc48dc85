"""`train`: one stage, from scratch or from a checkpoint, with a log in JSON lines."""

import contextlib
import itertools
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import torch

from . import checkpoint
from .batches import Batch, Steps
from .config import MODELS, STAGES, ModelConfig, Stage
from .corpus import Corpus
from .loss import agreement_loss, average_rows, language_loss, retrieval_loss
from .model import Mini
from .peers import Peers
from .sampler import Sampler

#: How sharp calibrated masses are made to begin with, as an exponent; learned. From the first model's training.
TEMPERATURE = 3.0
#: What two modes' disagreement counts.
AGREEMENT = 0.5
EMA_DECAY = 0.999
#: Seconds between checkpoints within a stage: what is written comes back even when the time limit ends the command.
SAVE_SECONDS = 150


@dataclass
class Options:
    """The command's options, as its `--help` explains them."""

    data: Path
    output: Path
    stage: str
    model: str = "v2"
    checkpoint: Optional[Path] = None
    resume: bool = False
    minutes: Optional[float] = None
    steps: Optional[int] = None
    stop_at: Optional[int] = None
    seed: int = 1
    device: str = "auto"
    threads: int = 1
    workers: int = 0
    compile: str = "off"
    precision: str = "auto"
    optimizer: str = "adamw"
    log_every: int = 20
    full: Optional[Path] = None
    peers: int = 1
    peer: int = 0
    meeting: str = "127.0.0.1:29500"
    meet_every: int = 16
    smoke: float = 0


def pick_device(name: str) -> torch.device:
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def autocast(device: torch.device, precision: str = "auto"):
    """By itself bfloat16 on a GPU and float32 on the CPU, where few processors have matrix units for less."""
    half = precision == "bf16" or (precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, torch.bfloat16) if half else contextlib.nullcontext()


def make_optimizers(model: Mini, temperature: torch.nn.Parameter, rate: float, kind: str) -> list[torch.optim.Optimizer]:
    """AdamW for everything; with "muon", Muon (Jordan et al., 2024) for the matrices within the blocks, its steps scaled
    to the size of AdamW's so that one rate serves both."""
    inner = [p for p in model.blk.parameters() if p.dim() > 1] if kind == "muon" else []
    known = {id(p) for p in inner}
    rest = [p for p in model.parameters() if id(p) not in known]
    groups = [
        {"params": [p for p in rest if p.dim() > 1], "weight_decay": 0.02},
        {"params": [*(p for p in rest if p.dim() == 1), temperature], "weight_decay": 0.0},
    ]
    fused = {"fused": True} if temperature.device.type == "cuda" else {}
    made: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), **fused)]
    if inner:
        made.append(torch.optim.Muon(inner, lr=rate, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"))
    return made


class Trainer:
    """Model, learned temperature, optimizer and the running average of the weights."""

    def __init__(self, config: ModelConfig, device: torch.device, stage: Stage, precision: str = "auto", optimizer: str = "adamw"):
        self.config, self.device, self.stage, self.precision = config, device, stage, precision
        self.model = Mini(config).to(device)
        self.temperature = torch.nn.Parameter(torch.tensor(TEMPERATURE, device=device))
        self.optimizers = make_optimizers(self.model, self.temperature, stage.rate, optimizer)
        self.average = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        self.step = 0

    def load_weights(self, weights: dict) -> None:
        self.model.load_state_dict(weights)
        self.average = {name: p.detach().clone() for name, p in self.model.named_parameters()}

    def state(self) -> dict:
        return {
            "model": self.model.state_dict(), "temperature": self.temperature.detach(), "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "average": self.average, "step": self.step,
        }

    def load_state(self, state: dict, same_stage: bool) -> None:
        """Takes up a full checkpoint; of another stage the weights, the optimizer and the averages."""
        self.model.load_state_dict(state["model"])
        self.temperature.data.copy_(state["temperature"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.average = {name: value.to(self.device) for name, value in state["average"].items()}
        self.step = state["step"] if same_stage else 0

    def rate(self, progress: float) -> float:
        """Learning rate at a share of the stage; the warm-up counts steps."""
        stage = self.stage
        rate = stage.rate + (stage.rate_end - stage.rate) * min(1.0, progress)
        return rate * min(1.0, (self.step + 1) / max(1, stage.warmup))

    def loss(self, batch: list[tuple[bool, Batch]]):
        """The loss of one step's prompts in their modes, and numbers for the log."""
        model, total, seen, rankings = self.model, 0.0, {}, []
        for independent, part in batch:
            part = part.to(self.device)
            with autocast(self.device, self.precision):
                cache, hidden = model.read(part.tokens)
                masses = model.look(cache, part.rows, part.positions, part.mask(), part.membership())
            mean = average_rows(masses.float(), part.average)
            value, calibrated, numbers = retrieval_loss(mean, part.gold, part.present, part.weight, self.temperature)
            rankings.append((calibrated, part))
            if self.stage.lm:
                with autocast(self.device, self.precision):
                    language = language_loss(model, hidden, part.tokens, part.valid, max(256, self.stage.step_tokens // 4))
                value = value + self.stage.lm * language
                numbers["lm"] = language.detach()
            total = total + value / len(batch)
            suffix = "Apart" if independent else ""
            seen |= {name + suffix: number for name, number in numbers.items()}
        if len(rankings) == 2:
            (first, part), (second, _) = rankings
            agreement = agreement_loss(first, second, part.present, part.weight)
            total = total + AGREEMENT * agreement
            seen["agreement"] = agreement.detach()
        return total, seen

    def forget_gradients(self) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)

    def update(self, batch: list[tuple[bool, Batch]], progress: float):
        rate = self.rate(progress)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        loss, seen = self.loss(batch)
        self.forget_gradients()
        loss.backward()
        seen["norm"] = torch.nn.utils.clip_grad_norm_([*self.model.parameters(), self.temperature], 1.0).detach()
        for optimizer in self.optimizers:
            optimizer.step()
        # Beyond e^5 the calibrated loss rewards what a ranking cannot see.
        self.temperature.data.clamp_(1.0, 5.0)
        decay = min(EMA_DECAY, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                self.average[name].lerp_(parameter, 1 - decay)
        self.step += 1
        return {"loss": loss.detach(), **seen}


def prepare(options: Options, device: torch.device, stage: Stage) -> Trainer:
    """A trainer with the weights that the options name."""
    torch.manual_seed(options.seed)
    source = options.checkpoint
    if source is None:
        return Trainer(MODELS[options.model], device, stage, options.precision, options.optimizer)
    if source.is_dir() and (source / "full.pt").exists():
        state = checkpoint.read_full(source)
        trainer = Trainer(ModelConfig(**state["config"]), device, stage, options.precision, options.optimizer)
        trainer.load_state(state, options.resume)
        return trainer
    if options.resume:
        raise SystemExit(f"--resume needs {source}/full.pt, which --full writes")
    config, weights = checkpoint.read_weights(source)
    trainer = Trainer(config, device, stage, options.precision, options.optimizer)
    trainer.load_weights(weights)
    if source.is_dir():
        trainer.temperature.data.fill_(checkpoint.read_facts(source)["temperature"])
    return trainer


def _same(batch):
    return batch


def loader(options: Options, corpus: Corpus, stage: Stage, first: int, count: int, device: torch.device):
    """The stage's batches from step `first` on. Every stage and every peer has its own sequence."""
    seed = options.seed * 1000 + sorted(STAGES).index(options.stage) + 100 * options.peer
    steps = Steps(Sampler(corpus), stage, seed, first, count, 64 if device.type == "cuda" else 8)
    parallel = {"prefetch_factor": 4} if options.workers else {}
    made = torch.utils.data.DataLoader(
        steps, batch_size=None, shuffle=False, num_workers=options.workers, collate_fn=_same, **parallel
    )
    return ([(mode, Batch.of(arrays)) for mode, arrays in batch] for batch in made)


def compile_blocks(trainer: Trainer) -> None:
    """Fuses what stands around the attention kernels. What cannot be compiled runs as it is."""
    torch._dynamo.config.suppress_errors = True
    torch._dynamo.config.cache_size_limit = 64
    for layer in trainer.model.blk:
        layer.project = torch.compile(layer.project, dynamic=True)
        if not layer.last:
            layer.finish = torch.compile(layer.finish, dynamic=True)


def run(options: Options) -> dict:
    """Trains a stage. Returns what the command prints."""
    began = time.time()
    if (options.minutes is None) == (options.steps is None) and not options.smoke:
        raise SystemExit("give --minutes or --steps")
    torch.set_num_threads(options.threads)
    if hasattr(torch, "set_float32_matmul_precision"):
        torch.set_float32_matmul_precision("high")
    device, stage = pick_device(options.device), STAGES[options.stage]
    trainer = prepare(options, device, stage)
    corpus = Corpus(options.data)
    vocabulary = len(corpus.vocabulary.pieces)
    if vocabulary != trainer.config.vocabulary:
        raise SystemExit(f"the data has {vocabulary} pieces, the model {trainer.config.vocabulary}")
    if options.compile == "on":
        compile_blocks(trainer)
    peers = Peers(options.meeting, options.peer, options.peers, options.meet_every) if options.peers > 1 else None
    writes = not options.smoke and (peers is None or options.peer == 0)
    last = options.steps or 1 << 40
    batches = loader(options, corpus, stage, trainer.step, last, device)
    limit = options.smoke or (options.minutes * 60 if options.minutes else math.inf)
    options.output.mkdir(parents=True, exist_ok=True)
    history: list[dict] = []
    record: dict = {}
    tokens, skipped, saved, mark = 0, 0, time.time(), time.time()
    for batch in itertools.chain(batches, [None]):
        progress = trainer.step / last if options.steps else (time.time() - began) / limit
        ended = batch is None or time.time() - began >= limit or trainer.step >= (options.stop_at or last)
        if peers:
            # They stop only where they meet, and all at once. As many steps have been made by each.
            meeting = batch is None or peers.meets(trainer.step)
            if meeting:
                peers.average(trainer)
            ended = meeting and peers.any(ended)
        if ended and not history:
            break
        if not ended:
            try:
                history.append(trainer.update(batch, progress))
            except torch.cuda.OutOfMemoryError if hasattr(torch.cuda, "OutOfMemoryError") else MemoryError:
                # One batch of an unlucky shape must not end the run.
                skipped += 1
                trainer.forget_gradients()
                torch.cuda.empty_cache()
                if skipped > 20:
                    raise
                continue
            tokens += sum(part.tokens.numel() for _, part in batch)
        if ended or len(history) >= options.log_every:
            record = {"stage": options.stage, "step": trainer.step, "rate": trainer.rate(progress)}
            for name in dict.fromkeys(key for entry in history for key in entry):
                values = torch.stack([entry[name].float() for entry in history if name in entry])
                record[name] = round(values.mean().item(), 5)
            now = time.time()
            record |= {
                "temperature": round(trainer.temperature.item(), 4), "tokensPerSecond": round(tokens / (now - mark)),
                "seconds": round(now - began, 1), "skipped": skipped,
            }
            if device.type == "cuda":
                record["gpuGiB"] = round(torch.cuda.max_memory_allocated() / 2**30, 1)
            line = json.dumps(record)
            with open(options.output / (f"log-{options.peer}.jsonl" if options.peer else "log.jsonl"), "a") as log:
                log.write(line + "\n")
            print(line, flush=True)
            if not math.isfinite(record["loss"]):
                raise SystemExit(f"the loss is {record['loss']} at step {trainer.step}: the last checkpoint stands")
            history, tokens, mark = [], 0, now
        if ended:
            break
        if writes and time.time() - saved > SAVE_SECONDS:
            save(trainer, options, record)
            saved = time.time()
    if writes:
        save(trainer, options, record)
        if options.full:
            checkpoint.write_full(options.full, trainer.config, trainer.state())
    return record


def save(trainer: Trainer, options: Options, record: dict) -> None:
    """The small checkpoint: the average of the weights where the rate has come down to zero, else the weights."""
    final = trainer.stage.rate_end == 0
    weights = trainer.average if final else dict(trainer.model.named_parameters())
    facts = {"temperature": trainer.temperature.item(), "stage": options.stage, "step": trainer.step, "averaged": final, "log": record}
    checkpoint.write_small(options.output, trainer.config, weights, facts)
