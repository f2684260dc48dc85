"""The first layers of a llama, whose deepest heads look from questions at documents; many prompts at once.

Weights keep GGUF's layout: neighbouring dimensions are rotary pairs. What is learnt is either every weight, or a
low-rank change of every matrix but the embeddings.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from .packed import Batch
from .weights import Shape, needed


def take(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Rows of `x`; its gradient is added up without sorting, which indexing with brackets does."""
    return x.index_select(0, places.flatten()).unflatten(0, places.shape)


class Ranker(nn.Module):
    """@param weights Names of llama.cpp → matrices and vectors, float32.
    @param rank Of the change W + B·A; without one every weight is learnt.
    """

    def __init__(self, shape: Shape, weights: "dict[str, torch.Tensor]", rank: "int | None" = None, seed: int = 1, dtype=torch.bfloat16):
        super().__init__()
        self.shape, self.rank, self.dtype, self.share = shape, rank, dtype, 1.0
        made = {name: nn.Parameter(weights[name].float().clone(), requires_grad=rank is None) for name in sorted(needed(shape.layers))}
        self.weights = nn.ParameterDict({name.replace(".", "-"): value for name, value in made.items()})
        self.adapter = nn.ParameterDict()
        if rank is not None:
            random = torch.Generator().manual_seed(seed)
            for name in [key for key, value in self.weights.items() if value.dim() > 1 and key != "token_embd"]:
                out, width = self.weights[name].shape
                self.adapter[f"{name}-a"] = nn.Parameter(torch.randn(rank, width, generator=random) / math.sqrt(width))
                self.adapter[f"{name}-b"] = nn.Parameter(torch.zeros(out, rank))

    def learnt(self) -> "list[nn.Parameter]":
        return [value for value in self.parameters() if value.requires_grad]

    def matrix(self, name: str) -> torch.Tensor:
        """A weight as it is used: `share` of the change added, in float32."""
        key = name.replace(".", "-")
        if f"{key}-a" not in self.adapter:
            return self.weights[key]
        return torch.addmm(self.weights[key], self.adapter[f"{key}-b"], self.adapter[f"{key}-a"], alpha=self.share)

    def _linear(self, x: torch.Tensor, layer: int, *parts: str) -> torch.Tensor:
        """Several matrices of a layer at once: what a small model takes on a GPU is the number of its operations."""
        made = [self.matrix(f"blk.{layer}.{part}") for part in parts]
        return F.linear(x, (torch.cat(made) if len(made) > 1 else made[0]).to(self.dtype))

    def _norm(self, x: torch.Tensor, layer: int, part: str) -> torch.Tensor:
        return F.rms_norm(x, (self.shape.width,), self.weights[f"blk-{layer}-{part}"], self.shape.epsilon).to(self.dtype)

    def _turned(self, x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
        """Neighbouring dimensions as complex numbers, turned by the angle of the position. @param x [T, heads, D]."""
        return torch.view_as_real(torch.view_as_complex(x.float().unflatten(-1, (-1, 2))) * turns).flatten(-2).to(self.dtype)

    def look(self, batch: Batch, per_token: bool = False) -> torch.Tensor:
        """Attention mass of all heads of the deepest layer, mean over each branch's rows: [B, heads, Q + 1, N].

        @param per_token [B, heads, Q + 1, C] instead.
        """
        shape = self.shape
        size, group, last = shape.head_dim, shape.heads // shape.kv_heads, shape.layers - 1
        angle = batch.positions[:, None].float() * shape.rope_base ** (-torch.arange(0, size, 2, device=batch.positions.device).float() / size)
        turns = torch.polar(torch.ones_like(angle), angle)[:, None]
        mask = batch.mask()
        looked = torch.cat([batch.columns, batch.rows], 1)
        wide = lambda t: t.repeat_interleave(group, 2).transpose(1, 2)  # noqa: E731
        x = F.embedding(batch.ids, self.weights["token_embd"])
        for layer in range(shape.layers):
            mixed = self._linear(self._norm(x, layer, "attn_norm"), layer, "attn_q", "attn_k", *(() if layer == last else ("attn_v",)))
            mixed = mixed.unflatten(-1, (-1, size))
            if layer == last:
                return self._mass(*self._turned(mixed, turns).split([shape.heads, shape.kv_heads], 1), batch, mask, looked, per_token)
            pair, v = mixed.split([shape.heads + shape.kv_heads, shape.kv_heads], 1)
            q, k = self._turned(pair, turns).split([shape.heads, shape.kv_heads], 1)
            kv = torch.cat([k, v], 1)
            k, v = take(kv, batch.sequences).chunk(2, 2)
            read = F.scaled_dot_product_attention(take(q, batch.sequences).transpose(1, 2), wide(k), wide(v), is_causal=True)
            k, v = take(kv, looked).chunk(2, 2)
            asked = F.scaled_dot_product_attention(take(q, batch.rows).transpose(1, 2), wide(k), wide(v), attn_mask=mask[:, None])
            fetched = [take(t.transpose(1, 2).flatten(2).flatten(0, 1), places) for t, places in ((read, batch.back), (asked, batch.rows_back))]
            x = x + self._linear(torch.cat(fetched), layer, "attn_output")
            gate, up = self._linear(self._norm(x, layer, "ffn_norm"), layer, "ffn_gate", "ffn_up").chunk(2, -1)
            x = x + self._linear(F.silu(gate) * up, layer, "ffn_down")
        raise ValueError("Expected at least one layer")

    def _mass(self, q, k, batch: Batch, mask: torch.Tensor, looked: torch.Tensor, per_token: bool) -> torch.Tensor:
        shape = self.shape
        keys = take(k, looked).repeat_interleave(shape.heads // shape.kv_heads, 2).permute(0, 2, 3, 1)
        score = take(q, batch.rows).transpose(1, 2).float() @ keys.float() / math.sqrt(shape.head_dim)
        attention = score.masked_fill(~mask[:, None], float("-inf")).softmax(-1)[..., : batch.columns.shape[1]]
        mean = batch.average()[:, None] @ attention
        return mean if per_token else mean @ batch.member()[:, None]
