"""`tune` and `rate`, for a machine with a GPU."""

import json
import time
from pathlib import Path

import torch

from .backbone import Backbone
from .data import Group, read_lines
from .ranker import Ranker
from .rate import ORDERS, rate
from .store import Store
from .tune import Objective, Settings, Tuner, loader, restore, save
from .words import Words


def open_ranker(start: Path, checkpoint: "Path | None", rank: "int | None", device: torch.device, precision: str = "bf16"):
    """A model as a file has it, or as a checkpoint has changed it."""
    words, backbone = Words.of(start), Backbone.load(start)
    if checkpoint:
        rank = torch.load(checkpoint, weights_only=False, map_location="cpu")["facts"]["rank"]
    model = Ranker(backbone.shape, backbone.weights, rank, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    objective = Objective(backbone.shape.heads)
    facts = restore(model, objective, checkpoint) if checkpoint else {}
    return words, model.to(device).eval(), objective.to(device), facts


def tune(
    start: Path, groups: Path, output: Path, settings: Settings, rank: "int | None", teacher: "tuple[Path, Path] | None" = None,
    source: "Path | None" = None, prompts_of: "list[str] | None" = None,
) -> None:
    """@param teacher A file and its checkpoint; @param source A checkpoint to go on from; @param prompts_of Names of groups."""
    began = time.monotonic()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(settings.seed)
    torch.set_float32_matmul_precision("high")
    words, model, _, _ = open_ranker(start, source, rank, device)
    model.train()
    read = [Group.load(path) for path in sorted(groups.glob("*.json")) if not prompts_of or path.stem in prompts_of]
    stores, taught = [Store(words, read)], None
    if teacher:
        file, checkpoint = teacher
        stores.append(Store(Words.of(file), read))
        # Made ready beside the run that writes it.
        while not checkpoint.exists():
            time.sleep(0.1)
        _, their_model, objective, _ = open_ranker(file, checkpoint, None, device)
        taught = (their_model.requires_grad_(False), objective)
    print(json.dumps({"groups": len(read), "questions": sum(len(g.questions) for g in read), "ready": round(time.monotonic() - began, 1)}), flush=True)
    tuner = Tuner(model, settings, device, taught)
    output.parent.mkdir(parents=True, exist_ok=True)
    with open(output.with_suffix(".jsonl"), "a") as file:

        def log(line: str) -> None:
            print(line, flush=True)
            file.write(line + "\n")

        tuner.run(loader(read, stores, settings), log)
    facts = {"rank": model.rank, "start": start.name, "steps": tuner.step, "read": tuner.tokens, "prompts": tuner.prompts, "asked": int(tuner.questions)}
    facts |= settings.__dict__
    facts["gpu"] = torch.cuda.get_device_name(0) if device.type == "cuda" else "none"
    facts["memory"] = round(torch.cuda.max_memory_allocated() / 2**30, 1) if device.type == "cuda" else 0
    save(output, model, tuner.objective, facts)
    print(json.dumps(facts), flush=True)


def rate_lines(start: Path, checkpoint: "Path | None", lines: Path, output: Path, orders=ORDERS, share: float = 1.0, precision: str = "bf16") -> None:
    """Appends one line each: {id, task, share, order: {scores, odds}}."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    words, model, _, _ = open_ranker(start, checkpoint, None, device, precision)
    model.share = share
    read = read_lines(lines)
    for line in read:
        line.setdefault("id", f"{line.get('task')}/{line['query']}")
        line["query"] = line.get("text", line["query"])
    began = time.monotonic()
    found = rate(model, words, read, orders)
    with open(output, "a") as out:
        for line, own in zip(read, found):
            numbers = {order: {"scores": [float(f"{v:.6g}") for v in scores], "odds": [float(f"{v:.6g}") for v in odds]} for order, (scores, odds) in own.items()}
            out.write(json.dumps({"id": line["id"], "task": line.get("task", ""), "share": share, **numbers}) + "\n")
    print(json.dumps({"rated": len(read), "orders": list(orders), "seconds": round(time.monotonic() - began, 1)}), flush=True)
