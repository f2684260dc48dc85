"""The published prompt in tokens (QRRetriever, EMNLP 2025), assembled from pieces that were tokenized once.

Byte pairs of this vocabulary never cross a space or a line break, so the pieces' tokens are the whole prompt's.
"""

from dataclasses import dataclass

import numpy as np

from .tokenizer import BOS, Tokenizer

INTRODUCTION = " Here are some paragraphs:"
SEPARATOR = "\n\n"
INSTRUCTION = "Please find information that are relevant to the following query in the paragraphs above."
QUERY_LABEL = "Query:"
NULL_QUERY = "N/A"
MAX_DOCUMENTS = 64


@dataclass
class PromptPieces:
    """Token ids of everything but documents and queries."""

    introduction: list[int]
    separator: list[int]
    #: `[1]`, `[2]`, … as they stand at the beginning of a document.
    numbers: list[list[int]]
    newline: list[int]
    #: The instruction, the separator and `Query:`. The query follows after a space.
    instruction: list[int]
    null_query: list[int]

    @staticmethod
    def of(tokenizer: Tokenizer) -> "PromptPieces":
        return PromptPieces(
            introduction=[BOS, *tokenizer.encode(INTRODUCTION)],
            separator=tokenizer.encode(SEPARATOR),
            numbers=[tokenizer.encode(f"[{i + 1}]") for i in range(MAX_DOCUMENTS)],
            newline=tokenizer.encode("\n"),
            instruction=tokenizer.encode(f"{INSTRUCTION}{SEPARATOR}{QUERY_LABEL}"),
            null_query=tokenizer.encode(f" {NULL_QUERY}"),
        )


def line_start(tokenizer: Tokenizer, text: str) -> tuple[list[int], int, list[int]]:
    """Tokens of a text after a space, and what to change where it begins a line instead.

    @returns Tokens of `" " + text`; how many of the first fall away at the beginning of a line; what stands for them.
    """
    spaced = tokenizer.encode(" " + text)
    return spaced, *line_start_change(spaced, tokenizer.encode(text))


def line_start_change(spaced: list[int], plain: list[int]) -> tuple[int, list[int]]:
    same = 0
    limit = min(len(spaced), len(plain))
    while same < limit and spaced[len(spaced) - 1 - same] == plain[len(plain) - 1 - same]:
        same += 1
    return len(spaced) - same, plain[: len(plain) - same]


def document_body(pieces: PromptPieces, text: np.ndarray, title: "np.ndarray | None", cut: int, start: np.ndarray) -> np.ndarray:
    """A document without its number: ` text`, or ` title`, line break, `text`.

    @param cut, start How the text's first tokens change at the beginning of a line (`line_start`).
    """
    if title is None or len(title) == 0:
        return text
    return np.concatenate([title, np.asarray(pieces.newline, text.dtype), start, text[cut:]])
