"""A small model, a small vocabulary and made-up questions, for the tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np  # noqa: E402
import torch  # noqa: E402

from qrtrain.data import build  # noqa: E402
from qrtrain.ranker import Ranker  # noqa: E402
from qrtrain.weights import Shape, needed  # noqa: E402
from qrtrain.words import BEGIN, Words  # noqa: E402

SHAPE = Shape(layers=3, heads=4, kv_heads=2, width=32, rope_base=1e4, epsilon=1e-5)
FEED_FORWARD = 64
_THINGS = "harbour engine glacier violin senate comet orchard bridge".split()
_PLACES = "Lima Bergen Kyoto Accra Turin Quito Porto Ghent".split()
#: Single bytes, a few pairs, and the token that stands before a prompt.
MERGES = [("Ġ", "t"), ("h", "e"), ("Ġt", "he"), ("i", "n"), ("i", "s")]
TOKENS = [*(chr(i) for i in range(33, 127)), "Ġ", "Ċ", *("".join(pair) for pair in MERGES), BEGIN]


def words() -> Words:
    return Words(TOKENS, MERGES)


def weights(seed: int = 0) -> "dict[str, torch.Tensor]":
    random = torch.Generator().manual_seed(seed)
    draw = lambda *size: torch.randn(*size, generator=random) * 0.3  # noqa: E731
    width, kv = SHAPE.width, SHAPE.kv_heads * SHAPE.head_dim
    sizes = {"attn_q": (width, width), "attn_k": (kv, width), "attn_v": (kv, width), "attn_output": (width, width), "ffn_gate": (FEED_FORWARD, width),
             "ffn_up": (FEED_FORWARD, width), "ffn_down": (width, FEED_FORWARD), "token_embd": (len(TOKENS), width)}
    values = {}
    for name in needed(SHAPE.layers):
        part = name.split(".")[-1]
        values[name] = 1 + draw(width) / 3 if part.endswith("norm") else draw(*sizes[part])
    return values


def ranker(rank: "int | None" = None, seed: int = 0, moved: float = 0.0) -> Ranker:
    """In float32. @param moved How far the changes are from nothing."""
    model = Ranker(SHAPE, weights(seed), rank, dtype=torch.float32)
    random = torch.Generator().manual_seed(seed + 9)
    for name, value in model.adapter.items():
        if name.endswith("-b"):
            value.data = torch.randn(value.shape, generator=random) * moved
    return model


def start(path: Path, template: bool = False) -> Path:
    """A GGUF of the small model: matrices in Q8_0, embeddings in Q4_1, as those have that training starts from."""
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_string("general.name", "made up")
    writer.add_uint32("general.file_type", 7)
    for key, value in {"block_count": SHAPE.layers, "attention.head_count": SHAPE.heads, "attention.head_count_kv": SHAPE.kv_heads,
                       "embedding_length": SHAPE.width}.items():
        writer.add_uint32(f"llama.{key}", value)
    writer.add_float32("llama.rope.freq_base", SHAPE.rope_base)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", SHAPE.epsilon)
    writer.add_array("tokenizer.ggml.tokens", TOKENS)
    writer.add_array("tokenizer.ggml.merges", [" ".join(pair) for pair in MERGES])
    if template:
        writer.add_string("tokenizer.chat_template", "{{ messages }}")
    kinds = gguf.GGMLQuantizationType
    # The last tensor is one that training does not know.
    for name, value in {**weights(), "output_norm": torch.ones(SHAPE.width)}.items():
        values = value.numpy()
        if values.ndim == 1:
            writer.add_tensor(f"{name}.weight", values)
            continue
        kind = kinds.Q4_1 if name == "token_embd" else kinds.Q8_0
        writer.add_tensor(f"{name}.weight", gguf.quants.quantize(values.astype(np.float32), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


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


GROUP = build("made_up", lines())
