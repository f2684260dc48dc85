"""The weights of a llama in a GGUF, as float32."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

#: Matrices of a layer, and those of the deepest one: nothing reads what its heads fetch.
MATRICES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
DEEPEST = ("attn_q", "attn_k")


@dataclass(frozen=True)
class Shape:
    layers: int
    heads: int
    kv_heads: int
    width: int
    rope_base: float
    epsilon: float

    @property
    def head_dim(self) -> int:
        return self.width // self.heads


def needed(layers: int) -> "list[str]":
    """Names of the tensors that attention of the deepest layer depends on, without `.weight`."""
    names = ["token_embd"]
    for layer in range(layers):
        last = layer == layers - 1
        names += [f"blk.{layer}.{part}" for part in (*(DEEPEST if last else MATRICES), "attn_norm", *(() if last else ("ffn_norm",)))]
    return names


def load(path: Path) -> "tuple[Shape, dict[str, torch.Tensor]]":
    """Shape and weights of a file; matrices are [outputs, inputs]."""
    import gguf

    reader = gguf.GGUFReader(path)
    value = lambda key: reader.fields[f"llama.{key}"].contents()  # noqa: E731
    shape = Shape(
        layers=value("block_count"), heads=value("attention.head_count"), kv_heads=value("attention.head_count_kv"),
        width=value("embedding_length"), rope_base=value("rope.freq_base"), epsilon=value("attention.layer_norm_rms_epsilon"),
    )
    tensors = {tensor.name.removesuffix(".weight"): tensor for tensor in reader.tensors}
    dequantized = lambda t: np.array(gguf.quants.dequantize(t.data, t.tensor_type), np.float32)  # noqa: E731
    return shape, {name: torch.from_numpy(dequantized(tensors[name])) for name in needed(shape.layers)}
