"""Prompts to tensors, in the published prompt or with every document in a sequence of its own."""

import math
from dataclasses import dataclass, fields

import numpy as np
import torch

from .config import Stage
from .prompt import MAX_DOCUMENTS, PromptPieces
from .queries import MAX_QUERY_TOKENS
from .sampler import Prompt, Sampler

#: Sizes are padded to multiples of this, which GPU kernels want.
PAD = 64


@dataclass
class Batch:
    """Shapes as in `model`: B prompts, S sequences, L tokens, C = S·L columns, R rows, Q queries, N documents."""

    #: [B, S, L] documents behind the introduction, and which of them are no padding.
    tokens: torch.Tensor
    valid: torch.Tensor
    #: [B, C] the document of each column or −1; and whether a query may look at it.
    column_document: torch.Tensor
    column_visible: torch.Tensor
    #: [B, R] the instruction's and the queries' tokens, and their positions.
    rows: torch.Tensor
    positions: torch.Tensor
    #: [B, R] 0 for the instruction, i for the i-th query, Q + 1 for the null query, −1 for padding.
    segment: torch.Tensor
    #: [B, Q + 1, R] what each row counts for each query's mean.
    average: torch.Tensor
    #: [B, Q, N], [B, Q, N] and [B, Q].
    gold: torch.Tensor
    present: torch.Tensor
    weight: torch.Tensor

    def to(self, device) -> "Batch":
        return Batch(*(getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)))

    def arrays(self) -> list[np.ndarray]:
        """To send between processes through a pipe: tensors would go through shared memory, which may be small."""
        return [getattr(self, f.name).numpy() for f in fields(self)]

    @staticmethod
    def of(arrays: list[np.ndarray]) -> "Batch":
        return Batch(*map(torch.from_numpy, arrays))

    def mask(self) -> torch.Tensor:
        """[B, R, C + R]: rows look at visible columns, at the instruction, and at earlier rows of their own query."""
        segment = self.segment
        b, r = segment.shape
        earlier = torch.ones(r, r, dtype=torch.bool, device=segment.device).tril()
        same = (segment[:, None, :] == segment[:, :, None]) | (segment[:, None, :] == 0)
        among = same & earlier & (segment[:, None, :] >= 0)
        return torch.cat((self.column_visible[:, None].expand(b, r, -1), among), -1)

    def membership(self) -> torch.Tensor:
        """[B, C, N] True where a column belongs to a document."""
        return self.column_document[..., None] == torch.arange(self.gold.shape[-1], device=self.gold.device)


def _up(size: int, pad: int) -> int:
    return max(pad, math.ceil(size / pad) * pad)


def document_tokens(pieces: PromptPieces, number: int, body: np.ndarray) -> list[int]:
    """A document with its number, as its span counts it."""
    return [*pieces.numbers[number], *body.tolist()]


def collate(prompts: list[Prompt], pieces: PromptPieces, independent: bool, queries: int, pad: int = PAD) -> Batch:
    """One batch. All prompts have as many documents; each has at least one query and at most `queries`."""
    b, n = len(prompts), len(prompts[0].documents)
    laid = [_lay_out(prompt, pieces, independent) for prompt in prompts]
    s = n if independent else 1
    length = _up(max(len(tokens) for sequences, _ in laid for tokens in sequences), pad)
    tokens = np.zeros((b, s, length), np.int64)
    valid = np.zeros((b, s, length), bool)
    document = np.full((b, s, length), -1, np.int64)
    for i, (sequences, spans) in enumerate(laid):
        for j, sequence in enumerate(sequences):
            tokens[i, j, : len(sequence)] = sequence
            valid[i, j, : len(sequence)] = True
        for index, (j, begin, end) in enumerate(spans):
            document[i, j, begin:end] = index
    visible = valid.copy()
    if independent:
        # Every sequence repeats the introduction; a query sees it once.
        visible[:, 1:, : len(prefix_tokens(pieces))] = False

    head = list(pieces.instruction)
    given = [[(np.asarray(q)[:MAX_QUERY_TOKENS], g) for q, g in prompt.queries[:queries]] for prompt in prompts]
    r = _up(len(head) + len(pieces.null_query) + max(sum(len(q) for q, _ in asked) for asked in given), pad)
    rows = np.zeros((b, r), np.int64)
    positions = np.zeros((b, r), np.int64)
    segment = np.full((b, r), -1, np.int64)
    average = np.zeros((b, queries + 1, r), np.float32)
    gold = np.zeros((b, queries, n), bool)
    weight = np.zeros((b, queries), np.float32)
    for i, prompt in enumerate(prompts):
        start = max(len(sequence) for sequence in laid[i][0])
        rows[i, : len(head)] = head
        positions[i, : len(head)] = start + np.arange(len(head))
        segment[i, : len(head)] = 0
        at = len(head)
        for slot, (query, golds) in [*enumerate(given[i]), (queries, (np.array(pieces.null_query), []))]:
            size = len(query)
            rows[i, at : at + size] = query
            positions[i, at : at + size] = start + len(head) + np.arange(size)
            segment[i, at : at + size] = slot + 1
            counted = len(head) + size
            average[i, slot, : len(head)] = 1 / counted
            average[i, slot, at : at + size] = 1 / counted
            if slot < queries:
                gold[i, slot, golds] = True
                weight[i, slot] = 1
            at += size
    convert = torch.from_numpy
    return Batch(
        convert(tokens), convert(valid), convert(document.reshape(b, -1)), convert(visible.reshape(b, -1)), convert(rows),
        convert(positions), convert(segment), convert(average), convert(gold), torch.ones(b, queries, n, dtype=torch.bool),
        convert(weight),
    )


def prefix_tokens(pieces: PromptPieces) -> list[int]:
    """What stands before the first document."""
    return [*pieces.introduction, *pieces.separator]


def _lay_out(prompt: Prompt, pieces: PromptPieces, independent: bool) -> tuple[list[list[int]], list[tuple[int, int, int]]]:
    """Sequences of tokens, and of each document its sequence and `[begin, end)` in it.

    Apart from each other, every document is number 1 of a prompt of its own, as in the engine's layout `independent`:
    what is cached of it must not depend on the others. Each begins behind the same tokens; the queries stand behind the
    longest.
    """
    sequences: list[list[int]] = []
    spans: list[tuple[int, int, int]] = []
    whole = prefix_tokens(pieces)
    for index, body in enumerate(prompt.documents):
        sequence = prefix_tokens(pieces) if independent else whole
        begin = len(sequence)
        sequence += document_tokens(pieces, 0 if independent else index, body)
        spans.append((len(sequences), begin, len(sequence)))
        sequence += pieces.separator
        if independent:
            sequences.append(sequence)
    return (sequences if independent else [whole]), spans


@dataclass
class Plan:
    """What all prompts of one step have in common."""

    #: Modes to run the prompts in: True where documents stand apart.
    modes: tuple[bool, ...]
    prompts: int
    documents: int
    document_tokens: int
    #: Queries at most.
    queries: int


#: Prompts of a step at most.
_MOST_PROMPTS = 192
#: Tokens around a document: its number and the separator.
_AROUND = 7
#: A document of fewer tokens than this is hardly one.
_SHORTEST = 40


def plan(rng: np.random.Generator, stage: Stage, longest_instruction: int = 40) -> Plan:
    """Draws mode, number and length of documents, and as many prompts as the step's tokens allow."""
    room = stage.prompt_tokens - longest_instruction - MAX_QUERY_TOKENS
    low, high = stage.documents
    high = min(high, MAX_DOCUMENTS, max(low, room // (_SHORTEST + _AROUND)))
    documents = int(round(math.exp(rng.uniform(math.log(low), math.log(high)))))
    longest = min(stage.document_tokens, room // documents - _AROUND)
    size = int(rng.uniform(min(_SHORTEST, longest), longest + 1))
    draw = rng.random()
    modes = (False, True) if draw < stage.both else (bool(rng.random() < stage.independent),)
    prompts = stage.step_tokens // (documents * (size + _AROUND) * len(modes))
    return Plan(modes, int(min(max(1, prompts), _MOST_PROMPTS)), documents, size, min(stage.queries, max(2, documents)))


class Steps(torch.utils.data.Dataset):
    """The batches of a run by step: the same whichever process makes them, and wherever the run was interrupted."""

    def __init__(self, sampler: Sampler, stage: Stage, seed: int, first: int, count: int, pad: int):
        self.sampler, self.stage, self.seed, self.first, self.count, self.pad = sampler, stage, seed, first, count, pad

    def __len__(self) -> int:
        return self.count - self.first

    def __getitem__(self, index: int) -> list[tuple[bool, list[np.ndarray]]]:
        return [(mode, batch.arrays()) for mode, batch in self.step(index)]

    def step(self, index: int) -> list[tuple[bool, Batch]]:
        rng = np.random.default_rng([self.seed, self.first + index])
        drawn = plan(rng, self.stage)
        prompts: list[Prompt] = []
        while len(prompts) < drawn.prompts:
            prompt = self.sampler.draw(rng, self.stage, drawn.documents, drawn.document_tokens, drawn.queries)
            if prompt.queries:
                prompts.append(prompt)
        pieces = self.sampler.corpus.pieces
        return [(mode, collate(prompts, pieces, mode, drawn.queries, self.pad)) for mode in drawn.modes]
