"""Wikipedia's plain text to articles of passages of sentences."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

_ARTICLE = re.compile(r"(?m)^= (.+?) =\n(.*?)(?=^= .+? =\n|\Z)", re.S)
_SENTENCE_END = re.compile(r'(?<=[.!?])\s+(?=[A-Z"“(])')
_SPACES = re.compile(r"\s+")

#: Words of a passage, at least and at most; and characters below which a paragraph is a heading or a list item.
PASSAGE_WORDS = (30, 75)
PARAGRAPH_CHARACTERS = 200


@dataclass
class Article:
    title: str
    #: Sentences of each passage; joined by single spaces they are the passage's text.
    passages: list[list[str]]


def read_text(path: Path) -> str:
    """A text file, or one compressed by zstd (its command line does it)."""
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dcq", str(path)], check=True, capture_output=True).stdout.decode("utf-8", "replace")
    return path.read_text(encoding="utf-8", errors="replace")


def passages_of(body: str) -> list[list[str]]:
    """Cuts at sentence ends: paragraphs are never joined."""
    low, high = PASSAGE_WORDS
    passages: list[list[str]] = []
    for paragraph in body.split("\n"):
        paragraph = _SPACES.sub(" ", paragraph).strip()
        if len(paragraph) < PARAGRAPH_CHARACTERS:
            continue
        current: list[str] = []
        words = 0
        for sentence in _SENTENCE_END.split(paragraph):
            count = sentence.count(" ") + 1
            if current and words + count > high:
                if words >= low:
                    passages.append(current)
                current, words = [], 0
            current.append(sentence)
            words += count
        if words >= low:
            passages.append(current)
    return passages


def articles(text: str) -> Iterator[Article]:
    """Articles that have at least one passage, in the order of the text (`= Title =` lines begin them)."""
    for match in _ARTICLE.finditer(text):
        passages = passages_of(match.group(2))
        if passages:
            yield Article(_SPACES.sub(" ", match.group(1)).strip(), passages)
