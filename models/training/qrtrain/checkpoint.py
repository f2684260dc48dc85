"""What a run has learnt, as a file, and models opened from a GGUF with it."""

from dataclasses import dataclass
from pathlib import Path

import torch

from . import weights
from .errors import InputError, existing
from .losses import Objective
from .ranker import Ranker
from .words import Words


@dataclass
class Opened:
    words: Words
    model: Ranker
    objective: Objective
    #: Of the checkpoint's run; empty without one.
    facts: dict


def open_model(
    start: Path, checkpoint: "Path | None" = None, rank: "int | None" = None, device: "torch.device | None" = None,
    precision: str = "bf16", seed: int = 1,
) -> Opened:
    """The model of a GGUF as it is, or as a checkpoint has changed it.

    @param rank Of a low-rank change; the checkpoint's goes before it. @param seed Of what the change begins with.
    @param precision bf16 or f32, of matrices and what is multiplied with them.
    @throws InputError for a file that is missing, or a checkpoint of another model.
    """
    device = device or torch.device("cpu")
    existing(start, "the model to start from")
    saved = read(checkpoint) if checkpoint else None
    rank = saved["facts"]["rank"] if saved else rank
    shape, values = weights.load(start)
    model = Ranker(shape, values, rank, seed, torch.bfloat16 if precision == "bf16" else torch.float32)
    objective = Objective(shape.heads)
    if saved:
        named = dict(model.named_parameters())
        for name, value in saved["learnt"].items():
            if name not in named or named[name].shape != value.shape:
                there = tuple(named[name].shape) if name in named else "none"
                raise InputError(f"Expected {checkpoint} to be of {start} but its {name} is {tuple(value.shape)}, and there {there}")
            named[name].data.copy_(value)
        objective.load_state_dict(saved["objective"])
    return Opened(Words.of(start), model.to(device).eval(), objective.to(device), saved["facts"] if saved else {})


def read(path: Path) -> dict:
    """{learnt: name → half precision, objective, facts}."""
    return torch.load(existing(path, "the checkpoint"), weights_only=True, map_location="cpu")


def save(path: Path, model: Ranker, objective: Objective, facts: dict) -> None:
    """What was learnt, in half precision: the file that ships has eight bits and fewer. Renamed into place."""
    learnt = {name: p.detach().cpu().half() for name, p in model.named_parameters() if p.requires_grad}
    write(path, {"learnt": learnt, "objective": {k: v.detach().cpu() for k, v in objective.state_dict().items()}, "facts": facts})


def write(path: Path, values: dict) -> None:
    partial = path.with_name(path.name + ".partial")
    torch.save(values, partial)
    partial.rename(path)
