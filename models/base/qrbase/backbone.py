"""A llama cut after its first layers, whose heads look from queries at documents, with low-rank changes to its matrices.

Weights keep GGUF's layout: neighbouring dimensions are rotary pairs.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .words import Prompt

MATRICES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
#: What exists of the deepest layer.
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


class Backbone(nn.Module):
    """@param weights Names of llama.cpp → float32 matrices and vectors. They stay as they are; what is learned is the adapter.
    @param dtype Of the matrices and of what is multiplied with them; sums and norms are in float32.
    """

    def __init__(self, shape: Shape, weights: "dict[str, torch.Tensor]", dtype: torch.dtype = torch.float32):
        super().__init__()
        self.shape, self.dtype, self.share = shape, dtype, 1.0
        self.weights = {name: value.to(dtype) if value.dim() > 1 and name != "token_embd" else value for name, value in weights.items()}
        self.adapter = nn.ParameterDict()

    @staticmethod
    def load(path: Path, layers: "int | None" = None, dtype: torch.dtype = torch.float32) -> "Backbone":
        import gguf

        reader = gguf.GGUFReader(path)
        value = lambda key: reader.fields[f"llama.{key}"].contents()  # noqa: E731
        shape = Shape(
            layers=layers or value("block_count"), heads=value("attention.head_count"), kv_heads=value("attention.head_count_kv"),
            width=value("embedding_length"), rope_base=value("rope.freq_base"), epsilon=value("attention.layer_norm_rms_epsilon"),
        )
        weights = {}
        for tensor in reader.tensors:
            name = tensor.name.removesuffix(".weight")
            if name != "token_embd" and not (name.startswith("blk.") and int(name.split(".")[1]) < shape.layers):
                continue
            values = np.array(gguf.quants.dequantize(tensor.data, tensor.tensor_type), np.float32)
            weights[name] = torch.from_numpy(values)
        return Backbone(shape, weights, dtype)

    def adapt(self, first: int, rank: int, seed: int) -> None:
        """Adds an adapter of zeros to every matrix from layer `first` on: W + B·A, with A random and B zero."""
        random = torch.Generator().manual_seed(seed)
        for layer in range(first, self.shape.layers):
            for part in DEEPEST if layer == self.shape.layers - 1 else MATRICES:
                out, width = self.weights[f"blk.{layer}.{part}"].shape
                a = torch.randn(rank, width, generator=random) / math.sqrt(width)
                self.adapter[f"blk-{layer}-{part}-a"] = nn.Parameter(a)
                self.adapter[f"blk-{layer}-{part}-b"] = nn.Parameter(torch.zeros(out, rank))

    def set_adapter(self, values: "dict[str, torch.Tensor]") -> None:
        self.adapter = nn.ParameterDict({name: nn.Parameter(value.float()) for name, value in values.items()})

    def merged(self) -> "dict[str, torch.Tensor]":
        """All weights with `share` of the adapter added, float32."""
        out = {name: value.float() for name, value in self.weights.items()}
        for name in [key for key in self.adapter if key.endswith("-a")]:
            _, layer, part, _ = name.split("-")
            change = self.adapter[f"blk-{layer}-{part}-b"].detach() @ self.adapter[name].detach()
            out[f"blk.{layer}.{part}"] = out[f"blk.{layer}.{part}"] + self.share * change
        return out

    def _linear(self, x: torch.Tensor, layer: int, part: str) -> torch.Tensor:
        y = F.linear(x, self.weights[f"blk.{layer}.{part}"])
        key = f"blk-{layer}-{part}"
        if f"{key}-a" not in self.adapter:
            return y
        a, b = self.adapter[f"{key}-a"].to(self.dtype), self.adapter[f"{key}-b"].to(self.dtype)
        return y + self.share * F.linear(F.linear(x, a), b)

    def _norm(self, x: torch.Tensor, layer: int, part: str) -> torch.Tensor:
        return F.rms_norm(x, (self.shape.width,), self.weights[f"blk.{layer}.{part}"], self.shape.epsilon).to(self.dtype)

    def _angles(self, positions: torch.Tensor) -> "tuple[torch.Tensor, torch.Tensor]":
        size = self.shape.head_dim
        angle = positions[:, None].float() * self.shape.rope_base ** (-torch.arange(0, size, 2).float() / size)
        return angle.cos()[:, None], angle.sin()[:, None]

    def _rotated(self, x: torch.Tensor, heads: int, angles) -> torch.Tensor:
        """[S, heads · D] → [heads, S, D]."""
        cos, sin = angles
        pairs = x.float().unflatten(-1, (heads, -1, 2))
        even, odd = pairs[..., 0], pairs[..., 1]
        return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2).to(self.dtype).transpose(0, 1)

    def read(self, prompt: Prompt, layers: int) -> torch.Tensor:
        """The input of layer `layers`, [C + R, width]: what all adapters behind it have in common."""
        with torch.no_grad():
            return self._run(prompt, self._embed(prompt), range(layers), [], False)[0]

    def deepest(self, prompt: Prompt, chosen: "list[tuple[int, int]]", per_token: bool = False) -> "tuple[torch.Tensor, torch.Tensor]":
        """The input of the layer of the last chosen head, and what `look` gives."""
        x, found = self._run(prompt, self._embed(prompt), range(chosen[-1][0] + 1), chosen, per_token)
        return x, torch.cat(found)

    def look(self, prompt: Prompt, chosen: "list[tuple[int, int]]", per_token: bool = False, given: "tuple[int, torch.Tensor] | None" = None) -> torch.Tensor:
        """Attention mass of the chosen heads, mean over each branch's rows: [H, Q + 1, N], or [H, Q + 1, C] with `per_token`.

        @param chosen (layer, head), in rising order of layers; @param given A layer and what `read` gave for it.
        """
        start, x = given or (0, self._embed(prompt))
        return torch.cat(self._run(prompt, x, range(start, chosen[-1][0] + 1), chosen, per_token)[1])

    def _embed(self, prompt: Prompt) -> torch.Tensor:
        return self.weights["token_embd"][torch.cat([prompt.context, prompt.rows])]

    def _run(self, prompt: Prompt, x: torch.Tensor, layers: range, chosen, per_token: bool):
        """The input of the layer behind `layers`, and of each layer with chosen heads what they look at."""
        shape, n = self.shape, len(prompt.context)
        group = shape.heads // shape.kv_heads
        angles = self._angles(prompt.positions)
        bias = torch.zeros(prompt.mask.shape, dtype=self.dtype).masked_fill(~prompt.mask, float("-inf"))
        learned = min((int(name.split("-")[1]) for name in self.adapter), default=shape.layers)
        found = []
        for layer in layers:
            with torch.set_grad_enabled(torch.is_grad_enabled() and layer >= learned):
                h = self._norm(x, layer, "attn_norm")
                q = self._rotated(self._linear(h, layer, "attn_q"), shape.heads, angles)
                k = self._rotated(self._linear(h, layer, "attn_k"), shape.kv_heads, angles)
                heads = torch.tensor([head for at, head in chosen if at == layer], dtype=torch.long)
                if len(heads):
                    score = (q[heads, n:] @ k[heads // group].transpose(1, 2)).float() / math.sqrt(shape.head_dim)
                    mean = prompt.average @ (score + bias.float()).softmax(-1)[:, :, :n]
                    found.append(mean if per_token else mean @ prompt.member)
                if chosen and layer == chosen[-1][0]:
                    break
                v = self._linear(h, layer, "attn_v").unflatten(-1, (shape.kv_heads, -1)).transpose(0, 1)
                k, v = k.repeat_interleave(group, 0)[None], v.repeat_interleave(group, 0)[None]
                read = F.scaled_dot_product_attention(q[None, :, :n], k[:, :, :n], v[:, :, :n], is_causal=True)
                asked = F.scaled_dot_product_attention(q[None, :, n:], k, v, attn_mask=bias)
                fetched = torch.cat([read, asked], 2)[0].transpose(0, 1).flatten(1)
                x = x + self._linear(fetched, layer, "attn_output").float()
                h = self._norm(x, layer, "ffn_norm")
                inner = F.silu(self._linear(h, layer, "ffn_gate")) * self._linear(h, layer, "ffn_up")
                x = x + self._linear(inner, layer, "ffn_down").float()
        return x, found
