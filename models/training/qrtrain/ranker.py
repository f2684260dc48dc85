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
        weight = self.weights[key]
        if f"{key}-a" not in self.adapter:
            return weight
        return weight + self.share * (self.adapter[f"{key}-b"] @ self.adapter[f"{key}-a"])

    def _linear(self, x: torch.Tensor, layer: int, part: str) -> torch.Tensor:
        return F.linear(x, self.matrix(f"blk.{layer}.{part}").to(self.dtype))

    def _norm(self, x: torch.Tensor, layer: int, part: str) -> torch.Tensor:
        return F.rms_norm(x, (self.shape.width,), self.weights[f"blk-{layer}-{part}"], self.shape.epsilon).to(self.dtype)

    def _rotated(self, x: torch.Tensor, heads: int, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        """[T, heads · D] → [T, heads, D]."""
        pairs = x.unflatten(-1, (heads, -1, 2))
        even, odd = pairs[..., 0], pairs[..., 1]
        return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2)

    def look(self, batch: Batch, per_token: bool = False) -> torch.Tensor:
        """Attention mass of all heads of the deepest layer, mean over each branch's rows: [B, heads, Q + 1, N].

        @param per_token [B, heads, Q + 1, C] instead.
        """
        shape = self.shape
        size, group = shape.head_dim, shape.heads // shape.kv_heads
        angle = batch.positions[:, None].float() * shape.rope_base ** (-torch.arange(0, size, 2, device=batch.positions.device).float() / size)
        cos, sin = angle.cos()[:, None], angle.sin()[:, None]
        mask = batch.mask()
        looked = torch.cat([batch.columns, batch.rows], 1)
        x = F.embedding(batch.ids, self.weights["token_embd"])
        for layer in range(shape.layers):
            h = self._norm(x, layer, "attn_norm")
            q = self._rotated(self._linear(h, layer, "attn_q"), shape.heads, cos, sin).to(self.dtype)
            k = self._rotated(self._linear(h, layer, "attn_k"), shape.kv_heads, cos, sin).to(self.dtype)
            if layer == shape.layers - 1:
                return self._mass(q, k, batch, mask, looked, per_token)
            v = self._linear(h, layer, "attn_v").unflatten(-1, (shape.kv_heads, -1))
            wide = lambda t: t.repeat_interleave(group, 2).transpose(1, 2)  # noqa: E731
            read = F.scaled_dot_product_attention(
                take(q, batch.sequences).transpose(1, 2), wide(take(k, batch.sequences)), wide(take(v, batch.sequences)), is_causal=True,
            )
            asked = F.scaled_dot_product_attention(
                take(q, batch.rows).transpose(1, 2), wide(take(k, looked)), wide(take(v, looked)), attn_mask=mask[:, None],
            )
            fetched = [take(t.transpose(1, 2).flatten(2).flatten(0, 1), places) for t, places in ((read, batch.back), (asked, batch.rows_back))]
            x = x + self._linear(torch.cat(fetched), layer, "attn_output")
            h = self._norm(x, layer, "ffn_norm")
            x = x + self._linear(F.silu(self._linear(h, layer, "ffn_gate")) * self._linear(h, layer, "ffn_up"), layer, "ffn_down")
        raise ValueError("Expected at least one layer")

    def _mass(self, q, k, batch: Batch, mask: torch.Tensor, looked: torch.Tensor, per_token: bool) -> torch.Tensor:
        shape = self.shape
        keys = take(k, looked).repeat_interleave(shape.heads // shape.kv_heads, 2).permute(0, 2, 3, 1)
        score = take(q, batch.rows).transpose(1, 2).float() @ keys.float() / math.sqrt(shape.head_dim)
        attention = score.masked_fill(~mask[:, None], float("-inf")).softmax(-1)[..., : batch.columns.shape[1]]
        mean = batch.average()[:, None] @ attention
        return mean if per_token else mean @ batch.member()[:, None]
