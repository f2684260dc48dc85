"""Prompts of one step packed without padding, in both layouts, and what attention has to know of them."""

import math
from dataclasses import dataclass, fields

import numpy as np
import torch

from .pick import Picked
from .store import Store


#: Sizes of what attention reads are multiples of this, which its kernels want.
PAD = 16


@dataclass
class Batch:
    """B prompts of at most N documents and Q questions. T tokens stand one after another: contexts, then rows.

    A sequence is what is read causally: the whole context of a prompt, or one document behind the introduction.
    Columns (at most C) are what the rows of a prompt look at; rows (at most R) are instruction, questions and null query.
    """

    #: [T]
    ids: torch.Tensor
    positions: torch.Tensor
    #: [S, L] places of each sequence's tokens, padded; and for each token of a sequence, in order, its place in S · L.
    sequences: torch.Tensor
    back: torch.Tensor
    #: [B, C] places of columns, and their document: −1 none, −2 padding.
    columns: torch.Tensor
    owner: torch.Tensor
    #: [B, R] places of rows; their branch: 0 … Q − 1, the null query Q, −1 the instruction, −2 padding; their place in [B · R].
    rows: torch.Tensor
    branch: torch.Tensor
    rows_back: torch.Tensor
    #: [B, Q, N], [B, Q, N], [B, Q]: what answers, what counts, which questions are there.
    gold: torch.Tensor
    present: torch.Tensor
    asked: torch.Tensor

    def parcel(self) -> "Parcel":
        parts = [getattr(self, f.name) for f in fields(self)]
        return Parcel(np.concatenate([part.numpy().astype(np.int32).ravel() for part in parts]), [tuple(part.shape) for part in parts])

    @property
    def tokens(self) -> int:
        return len(self.ids)

    def mask(self) -> torch.Tensor:
        """[B, R, C + R], True where a row may look: at all columns, the instruction, and earlier rows of its own question."""
        branch = self.branch
        b, r = branch.shape
        earlier = torch.ones(r, r, dtype=torch.bool, device=branch.device).tril()
        same = (branch[:, None, :] == branch[:, :, None]) | (branch[:, None, :] == -1)
        among = same & earlier & (branch[:, None, :] > -2)
        visible = (self.owner > -2)[:, None].expand(b, r, -1)
        return torch.cat([visible, among], -1)

    def average(self) -> torch.Tensor:
        """[B, Q + 1, R]: the share of each row in the mean of each branch; the instruction counts for all."""
        branches = torch.arange(self.gold.shape[1] + 1, device=self.branch.device)[None, :, None]
        counts = ((self.branch[:, None] == branches) | (self.branch[:, None] == -1)).float()
        return counts / counts.sum(-1, keepdim=True)

    def member(self) -> torch.Tensor:
        """[B, C, N], 1 where a column belongs to a document."""
        return (self.owner[..., None] == torch.arange(self.gold.shape[2], device=self.owner.device)).float()


class Parcel:
    """A batch on its way from the process that made it to the device: one array of int32, sent, pinned and copied in one
    piece. Tensors would go between processes through shared memory, which may be small.
    """

    def __init__(self, flat: "np.ndarray | torch.Tensor", shapes: "list[tuple[int, ...]]"):
        self.flat, self.shapes = flat, shapes

    def pin_memory(self) -> "Parcel":
        """What a loader calls in its thread."""
        return Parcel(torch.as_tensor(self.flat).pin_memory(), self.shapes)

    def open(self, device: torch.device) -> Batch:
        flat = torch.as_tensor(self.flat).to(device, non_blocking=True).long()
        parts = [part.view(shape) for part, shape in zip(flat.split([math.prod(shape) for shape in self.shapes]), self.shapes)]
        return Batch(*(part.bool() if f.name in ("gold", "present", "asked") else part for f, part in zip(fields(Batch), parts)))


def _width(parts: "list[np.ndarray]") -> int:
    return -(-max(map(len, parts)) // PAD) * PAD


def _padded(parts: "list[np.ndarray]", fill: int) -> np.ndarray:
    out = np.full((len(parts), _width(parts)), fill, np.int64)
    for i, part in enumerate(parts):
        out[i, : len(part)] = part
    return out


def _cycled(parts: "list[np.ndarray]") -> np.ndarray:
    """Places, padded with themselves: gradients of padding are zeros, and are not all added to one token."""
    return np.stack([np.resize(part, _width(parts)) for part in parts]).astype(np.int64)


def pack(store: Store, prompts: "list[Picked]", independent: bool) -> Batch:
    """@param independent Whether every document is read by itself, as number 1 behind the introduction; the rows of a
    prompt then stand behind the longest of them.
    """
    words = store.words
    documents = max(len(p.documents) for p in prompts)
    most = max(len(p.queries) for p in prompts)
    head = np.array(words.head + words.separator)
    separator, instruction, null = np.array(words.separator), np.array(words.instruction), np.array(words.null)
    ids, positions, sequences, columns, owners, begins = [], [], [], [], [], []
    at = 0
    for prompt in prompts:
        bodies = [
            store.document(prompt.group, p, 0 if independent else i, prompt.titled, prompt.scraps.get(p)) for i, p in enumerate(prompt.documents)
        ]
        if independent:
            parts = [[head, body, separator] for body in bodies]
            own = [[-1 if i == 0 else -2, i, -1] for i in range(len(bodies))]
        else:
            parts = [[head, *(piece for body in bodies for piece in (body, separator))]]
            own = [[-1, *(mark for i in range(len(bodies)) for mark in (i, -1))]]
        seen_columns, seen_owners = [], []
        for sequence, marks in zip(parts, own):
            length = sum(map(len, sequence))
            ids += sequence
            positions.append(np.arange(length))
            places = np.arange(at, at + length)
            sequences.append(places)
            marked = np.concatenate([np.full(len(piece), mark) for piece, mark in zip(sequence, marks)])
            # Every sequence repeats the introduction; a row sees it once.
            keep = marked > -2
            seen_columns.append(places[keep])
            seen_owners.append(marked[keep])
            at += length
        columns.append(np.concatenate(seen_columns))
        owners.append(np.concatenate(seen_owners))
        begins.append(max(sum(map(len, sequence)) for sequence in parts))
    rows, branches = [], []
    for prompt, begin in zip(prompts, begins):
        asked = [np.array(words.query(text)) for text in prompt.queries]
        parts = [instruction, *asked, null]
        marks = [-1, *range(len(asked)), most]
        ids += parts
        first = begin + len(instruction)
        positions += [np.arange(begin, first), *(np.arange(first, first + len(part)) for part in parts[1:])]
        branches.append(np.concatenate([np.full(len(part), mark) for part, mark in zip(parts, marks)]))
        rows.append(np.arange(at, at + len(branches[-1])))
        at += len(branches[-1])
    gold = np.zeros((len(prompts), most, documents), bool)
    present = np.zeros((len(prompts), most, documents), bool)
    asked = np.zeros((len(prompts), most), bool)
    for b, prompt in enumerate(prompts):
        for i in range(len(prompt.queries)):
            gold[b, i, list(prompt.gold[i])] = True
            present[b, i, : len(prompt.documents)] = True
            present[b, i, list(prompt.ignored[i])] = False
            asked[b, i] = True
    width, height = _width(sequences), _width(rows)
    arrays = [
        np.concatenate(ids).astype(np.int64), np.concatenate(positions).astype(np.int64), _cycled(sequences),
        np.concatenate([i * width + np.arange(len(s)) for i, s in enumerate(sequences)]),
        _cycled(columns), _padded(owners, -2), _cycled(rows), _padded(branches, -2),
        np.concatenate([i * height + np.arange(len(r)) for i, r in enumerate(rows)]), gold, present, asked,
    ]
    return Batch(*map(torch.from_numpy, arrays))
