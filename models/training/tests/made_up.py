"""A small backbone, a small vocabulary and made-up questions, for the tests."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT.parent / "mini")]

import torch  # noqa: E402

from qrbase.backbone import DEEPEST, MATRICES, Backbone, Shape  # noqa: E402
from qrbase.words import Words  # noqa: E402

SHAPE = Shape(layers=3, heads=4, kv_heads=2, width=32, rope_base=1e4, epsilon=1e-5)
_THINGS = "harbour engine glacier violin senate comet orchard bridge".split()
_PLACES = "Lima Bergen Kyoto Accra Turin Quito Porto Ghent".split()


def words() -> Words:
    """Single bytes, a few pairs, and the two marks of the template."""
    letters = [chr(i) for i in range(33, 127)] + ["Ġ", "Ċ"]
    merges = [("Ġ", "t"), ("h", "e"), ("Ġt", "he"), ("i", "n"), ("i", "s")]
    return Words([*letters, *("".join(pair) for pair in merges), "<|im_start|>", "<|im_end|>"], merges)


def backbone(seed: int = 0, dtype: torch.dtype = torch.float32) -> Backbone:
    random = torch.Generator().manual_seed(seed)
    draw = lambda *size: torch.randn(*size, generator=random) * 0.3  # noqa: E731
    width, kv = SHAPE.width, SHAPE.kv_heads * SHAPE.head_dim
    sizes = {"attn_q": (width, width), "attn_k": (kv, width), "attn_v": (kv, width), "attn_output": (width, width),
             "ffn_gate": (48, width), "ffn_up": (48, width), "ffn_down": (width, 48)}
    weights = {"token_embd": draw(len(words().ids), width)}
    for layer in range(SHAPE.layers):
        last = layer == SHAPE.layers - 1
        for part in DEEPEST if last else MATRICES:
            weights[f"blk.{layer}.{part}"] = draw(*sizes[part])
        for part in ("attn_norm",) if last else ("attn_norm", "ffn_norm"):
            weights[f"blk.{layer}.{part}"] = 1 + draw(width) / 3
    return Backbone(SHAPE, weights, dtype)


def lines(count: int = 64) -> "list[dict]":
    """Questions of which every passage has two; some have an answer that stands in other passages as well."""
    out = []
    for i in range(count):
        thing, place = _THINGS[i % 8], _PLACES[i // 8 % 8]
        text = f"The {thing} of {place} was finished in {1500 + i}, and its keeper is number {i}."
        for ask in (f"When was the {thing} of {place} finished?", f"Who keeps the {thing} of {place}?"):
            out.append({"query": ask, "positive": text, "title": f"{place}", "negatives": [f"Another text about the {thing}, and not of {place}."],
                        "answer": thing if i % 4 == 0 else str(1500 + i)})
    return out
