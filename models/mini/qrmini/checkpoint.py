"""Checkpoints: small ones that travel (weights in bfloat16, parts of at most 14 MiB), and full ones to resume exactly."""

import json
import re
from pathlib import Path

import torch

from .config import MODELS, ModelConfig

PART_BYTES = 14 << 20


def write_small(folder: Path, config: ModelConfig, weights: "dict[str, torch.Tensor]", facts: dict, dtype=torch.bfloat16) -> list[Path]:
    """Writes `part-K.pt` and `checkpoint.json`. Matrices larger than a part are cut by rows.

    @returns The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("part-*.pt"):
        old.unlink()
    parts: list[dict[str, torch.Tensor]] = [{}]
    size = 0
    for name, value in weights.items():
        value = value.detach().to("cpu", dtype)
        row_bytes = value[0].numel() * value.element_size() if value.dim() > 1 else value.numel() * value.element_size()
        rows = max(1, PART_BYTES // row_bytes)
        for begin in range(0, len(value) if value.dim() > 1 else 1, rows):
            piece = value[begin : begin + rows].clone() if value.dim() > 1 else value.clone()
            bytes_ = piece.numel() * piece.element_size()
            if size + bytes_ > PART_BYTES and parts[-1]:
                parts.append({})
                size = 0
            parts[-1][f"{name}@{begin}"] = piece
            size += bytes_
    files = []
    for number, part in enumerate(parts):
        files.append(folder / f"part-{number}.pt")
        torch.save(part, files[-1])
    files.append(folder / "checkpoint.json")
    files[-1].write_text(json.dumps({"model": config.to_dict(), "parts": len(parts), **facts}))
    return files


def read_facts(folder: Path) -> dict:
    return json.loads((folder / "checkpoint.json").read_text())


def read_weights(path: Path) -> "tuple[ModelConfig, dict[str, torch.Tensor]]":
    """Config and weights in float32, from a folder of `write_small` or `write_full` or a file of the first model."""
    if path.is_file():
        return MODELS["v1"], _from_first_model(torch.load(path, map_location="cpu"))
    if (path / "full.pt").exists():
        state = torch.load(path / "full.pt", map_location="cpu")
        return ModelConfig(**state["config"]), state["model"]
    facts = read_facts(path)
    pieces: dict[str, list[tuple[int, torch.Tensor]]] = {}
    for number in range(facts["parts"]):
        for key, value in torch.load(path / f"part-{number}.pt", map_location="cpu").items():
            name, begin = key.rsplit("@", 1)
            pieces.setdefault(name, []).append((int(begin), value.float()))
    weights = {name: torch.cat([v for _, v in sorted(rows, key=lambda r: r[0])]) for name, rows in pieces.items()}
    return ModelConfig(**facts["model"]), weights


def write_full(folder: Path, config: ModelConfig, state: dict) -> None:
    """Everything that the next step depends on; renamed into place, so that a reader never sees half a file."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "full.pt.partial"
    torch.save({"config": config.to_dict(), **state}, partial)
    partial.rename(folder / "full.pt")


def read_full(folder: Path) -> dict:
    return torch.load(folder / "full.pt", map_location="cpu")


_FIRST_MODEL = {
    "n1.w": "attn_norm.weight", "n2.w": "ffn_norm.weight", "q.weight": "attn_q.weight", "k.weight": "attn_k.weight",
    "v.weight": "attn_v.weight", "o.weight": "attn_output.weight", "g.weight": "ffn_gate.weight",
    "u.weight": "ffn_up.weight", "w.weight": "ffn_down.weight",
}


def _from_first_model(state: "dict[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    """Names of the first training code to ours; what its last layer never used is left out."""
    last = MODELS["v1"].layers - 1
    weights = {"token_embd.weight": state["e.weight"].float(), "output_norm.weight": state["n.w"].float()}
    for name, value in state.items():
        match = re.fullmatch(r"ls\.(\d+)\.(.+)", name)
        if match:
            layer, part = int(match[1]), _FIRST_MODEL[match[2]]
            if layer < last or part.startswith(("attn_norm", "attn_q", "attn_k")):
                weights[f"blk.{layer}.{part}"] = value.float()
    return weights
