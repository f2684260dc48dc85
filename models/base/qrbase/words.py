"""The vocabulary of a GGUF of SmolLM2's family, and the prompt that qrhead writes for it."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

INTRODUCTION = " Here are some paragraphs:"
INSTRUCTION = "Please find information that are relevant to the following query in the paragraphs above."
LABEL = "Query:"
NULL_QUERY = "N/A"
#: What the chat template puts around the user's message.
BEFORE = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\n"
AFTER = "<|im_end|>\n<|im_start|>assistant\n"
_MARK = re.compile(r"(<\|im_start\|>|<\|im_end\|>)")


class Words:
    """Byte pairs with `smollm` splitting: digits stand alone, then GPT-2's pattern.

    @param plain Whether the prompt has no chat template around it, and begins with the first token of the vocabulary's family.
    """

    def __init__(self, tokens: list[str], merges: "list[tuple[str, str]]", plain: bool = False):
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers

        self.ids = {token: i for i, token in enumerate(tokens)}
        self.tokenizer = Tokenizer(models.BPE(self.ids, merges))
        self.tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
        )
        self.tokenizer.decoder = decoders.ByteLevel()
        # Two line breaks before a visible character are two tokens: the pattern splits off the last blank.
        self.separator = self.encode("\n") * 2
        self.newline = self.encode("\n")
        self.head = (self._marked("<|im_start|>") if plain else self._marked(BEFORE)) + self.encode(INTRODUCTION)
        self.instruction = self.encode(INSTRUCTION) + self.separator + self.encode(LABEL)
        self.tail = [] if plain else self._marked(AFTER)
        self.null = self.query(NULL_QUERY)

    @staticmethod
    def of(path: Path) -> "Words":
        import gguf

        fields = gguf.GGUFReader(path).fields
        merges = [tuple(pair.split(" ", 1)) for pair in fields["tokenizer.ggml.merges"].contents()]
        return Words(fields["tokenizer.ggml.tokens"].contents(), merges, "tokenizer.chat_template" not in fields)

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def _marked(self, text: str) -> list[int]:
        parts = [part for part in _MARK.split(text) if part]
        return [i for part in parts for i in ([self.ids[part]] if _MARK.fullmatch(part) else self.encode(part))]

    def query(self, text: str, limit: int = 96) -> list[int]:
        """Tokens of ` text`, at most `limit`, and of what the template puts behind it."""
        return self.encode(" " + text)[:limit] + self.tail

    def document(self, number: int, title: "str | None", text: str, limit: "int | None" = None) -> list[int]:
        """Tokens of `[number] text`, or of `[number] title`, a line break and the text, of which at most `limit`."""
        begin = self.encode(f"[{number}]")
        if not title:
            return begin + self.encode(" " + text)[:limit]
        return begin + self.encode(" " + title) + self.newline + self.encode(text)[:limit]


@dataclass
class Prompt:
    """Tokens of one prompt: the context that is read once (C), and rows (R) of instruction, queries and null query.

    All queries stand behind the same instruction and do not see each other. The null query is the last branch of Q + 1.
    """

    context: torch.Tensor
    rows: torch.Tensor
    #: [C + R]; every query begins at the same position.
    positions: torch.Tensor
    #: [R, C + R], True where a row may look.
    mask: torch.Tensor
    #: [Q + 1, R], the share of each row in the mean of each branch; the instruction counts for all.
    average: torch.Tensor
    #: [C], the document of each token, −1 for none.
    owner: torch.Tensor
    #: [C, N], 1 where a token belongs to a document.
    member: torch.Tensor

    @property
    def tokens(self) -> int:
        return len(self.positions)


def assemble(words: Words, documents: "list[list[int]]", queries: "list[list[int]]") -> Prompt:
    """@param documents `words.document` of each, in their order; @param queries `words.query` of each, without the null query."""
    parts, owners = [words.head], [np.full(len(words.head), -1)]
    for index, ids in enumerate(documents):
        parts += [words.separator, ids]
        owners += [np.full(len(words.separator), -1), np.full(len(ids), index)]
    parts.append(words.separator)
    owners.append(np.full(len(words.separator), -1))
    context, owner = torch.tensor(sum(parts, [])), torch.from_numpy(np.concatenate(owners))
    branches = [*queries, words.null]
    shared = len(words.instruction)
    rows = torch.tensor(words.instruction + sum(branches, []))
    branch = torch.tensor([-1] * shared + [b for b, ids in enumerate(branches) for _ in ids])
    place = torch.tensor([*range(shared), *(shared + i for ids in branches for i in range(len(ids)))])
    sees = ((branch[:, None] == branch) | (branch == -1)) & (place <= place[:, None])
    mask = torch.cat([torch.ones(len(rows), len(context), dtype=torch.bool), sees], 1)
    counts = ((branch == torch.arange(len(branches))[:, None]) | (branch == -1)).float()
    return Prompt(
        context=context, rows=rows, positions=torch.cat([torch.arange(len(context)), len(context) + place]), mask=mask,
        average=counts / counts.sum(1, keepdim=True), owner=owner,
        member=(owner[:, None] == torch.arange(len(documents))).float(),
    )
