"""The model: a llama whose documents are read once, and whose queries look at them through the last layers' heads.

Shapes: B prompts, S sequences a prompt (1 in the published prompt, one a document when they stand apart), L tokens a
sequence, C = S·L columns that a query may look at, R rows of queries, H heads, D head dimension, N documents.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from .config import ModelConfig

Cache = "list[tuple[torch.Tensor, torch.Tensor | None]]"


def attend(q, k, v, mask=None, causal=False):
    """softmax(q·kᵀ/√D)·v. `mask` is True where a row may look. Falls back to plain arithmetic on PyTorch 1."""
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
    score = (q @ k.transpose(-1, -2)) / math.sqrt(q.shape[-1])
    if causal:
        mask = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril()
    if mask is not None:
        score = score.masked_fill(~mask, float("-inf"))
    return score.softmax(-1) @ v


class RMSNorm(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        y = x.float()
        return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight).to(x.dtype)


class Layer(nn.Module):
    """One block; the last of a model has queries and keys only."""

    def __init__(self, config: ModelConfig, last: bool):
        super().__init__()
        width, inner = config.width, config.heads * config.head_dim
        self.heads, self.head_dim, self.last = config.heads, config.head_dim, last
        self.attn_norm = RMSNorm(width)
        self.attn_q = nn.Linear(width, inner, bias=False)
        self.attn_k = nn.Linear(width, inner, bias=False)
        if not last:
            self.attn_v = nn.Linear(width, inner, bias=False)
            self.attn_output = nn.Linear(inner, width, bias=False)
            self.ffn_norm = RMSNorm(width)
            self.ffn_gate = nn.Linear(width, config.feed_forward, bias=False)
            self.ffn_up = nn.Linear(width, config.feed_forward, bias=False)
            self.ffn_down = nn.Linear(config.feed_forward, width, bias=False)

    def _split(self, x):
        return x.unflatten(-1, (self.heads, self.head_dim)).transpose(-2, -3)

    def project(self, x, angles):
        """Rotated queries and keys, and values: [..., H, T, D] from [..., T, width]."""
        h = self.attn_norm(x)
        q, k = rotate(self._split(self.attn_q(h)), angles), rotate(self._split(self.attn_k(h)), angles)
        return q, k, None if self.last else self._split(self.attn_v(h))

    def finish(self, x, fetched):
        """The block's output from its input and what its heads fetched, [..., H, T, D]."""
        x = x + self.attn_output(fetched.transpose(-2, -3).flatten(-2))
        h = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(h)) * self.ffn_up(h))


def rotate(x, angles):
    """RoPE on neighbouring pairs, as llama.cpp does for the llama architecture. `angles` [..., T, D/2]."""
    cos, sin = angles
    even, odd = x[..., 0::2].float(), x[..., 1::2].float()
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2).to(x.dtype)


class Mini(nn.Module):
    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.token_embd = nn.Embedding(config.vocabulary, config.width)
        self.blk = nn.ModuleList(Layer(config, i == config.layers - 1) for i in range(config.layers))
        self.output_norm = RMSNorm(config.width)
        self._initialize()

    def _initialize(self) -> None:
        config = self.config
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, 0, 0.02)
        nn.init.normal_(self.token_embd.weight, 0, 0.05)
        # Queries and keys begin as nearly the same projection, scaled so that a token attends to its own kind with a
        # logit of about 5: heads match words from the first step on.
        scale = math.sqrt(5 / math.sqrt(config.head_dim) / config.width)
        for layer in self.blk:
            nn.init.normal_(layer.attn_q.weight, 0, scale)
            layer.attn_k.weight.data.copy_(layer.attn_q.weight.data + scale / 6 * torch.randn_like(layer.attn_q.weight))
            if not layer.last:
                for out in (layer.attn_output, layer.ffn_down):
                    nn.init.normal_(out.weight, 0, 0.02 / math.sqrt(2 * config.layers))

    def angles(self, positions):
        """cos and sin for positions [..., T]; one axis is added for the heads."""
        half = torch.arange(0, self.config.head_dim, 2, device=positions.device, dtype=torch.float32)
        frequency = self.config.rope_base ** (-half / self.config.head_dim)
        angle = (positions.float()[..., None] * frequency).unsqueeze(-3)
        return angle.cos(), angle.sin()

    def read(self, tokens):
        """Documents [B, S, L], each sequence from position 0: keys and values of every layer as columns
        [B, H, S·L, D], and the last layer's input [B, S, L, width]."""
        b, s, length = tokens.shape
        x = self.token_embd(tokens.reshape(b * s, length))
        angles = self.angles(torch.arange(length, device=tokens.device))
        cache = []

        def columns(y):
            return None if y is None else y.unflatten(0, (b, s)).transpose(1, 2).flatten(2, 3)

        for layer in self.blk:
            q, k, v = layer.project(x, angles)
            cache.append((columns(k), columns(v)))
            if not layer.last:
                x = layer.finish(x, attend(q, k, v, causal=True))
        return cache, x.unflatten(0, (b, s))

    def look(self, cache, tokens, positions, mask, document_of_column):
        """Rows of queries [B, R] look at the columns and at each other.

        @param mask [B, R, C + R], True where a row may look at a column or another row.
        @param document_of_column [B, C, N] 1 where a column belongs to a document.
        @returns Attention mass on each document, [retrieval layers, B, H, R, N], in float32.
        """
        return self._look(cache, tokens, positions, mask, document_of_column)

    def look_per_token(self, cache, tokens, positions, mask):
        """As `look`, with the attention on each column: [retrieval layers, B, H, R, C]. Large: for evaluation."""
        columns = mask.shape[-1] - mask.shape[-2]
        return self._look(cache, tokens, positions, mask, columns)

    def _look(self, cache, tokens, positions, mask, target):
        x = self.token_embd(tokens)
        angles = self.angles(positions)
        mask = mask[:, None]
        found = []
        for index, (layer, (k_columns, v_columns)) in enumerate(zip(self.blk, cache)):
            q, k, v = layer.project(x, angles)
            k = torch.cat((k_columns, k), 2)
            if index in self.config.retrieval:
                if isinstance(target, int):
                    score = (q.float() @ k.float().transpose(-1, -2)) / math.sqrt(self.config.head_dim)
                    found.append(score.masked_fill(~mask, float("-inf")).softmax(-1)[..., :target])
                else:
                    # Values that say which document a column belongs to: what a row fetches is its mass on each
                    # document, and no kernel ever writes the attention itself.
                    # A GPU's fast kernels want a multiple of 8 documents, the CPU's want values as wide as keys.
                    documents = target.shape[2]
                    spare = self.config.head_dim - documents if q.device.type == "cpu" else -1
                    spare = spare if spare >= 0 else -documents % 8
                    membership = F.pad(target, (0, spare, 0, k.shape[2] - target.shape[1])).to(q.dtype)
                    membership = membership[:, None].expand(-1, self.config.heads, -1, -1)
                    found.append(attend(q, k, membership, mask)[..., :documents].float())
            if not layer.last:
                x = layer.finish(x, attend(q, k, torch.cat((v_columns, v), 2), mask))
        return torch.stack(found)

    def predict(self, x):
        """Logits of the next token from the last layer's input [..., width]."""
        return self.output_norm(x) @ self.token_embd.weight.t()
