"""What training reads: Wikipedia passages, real questions, and the sets of the quick validation, all in tokens."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from . import arrays
from .arrays import Ragged
from .prompt import PromptPieces, document_body
from .tokenizer import Vocabulary


@dataclass
class Documents:
    """Documents of real sets. `text[i]` begins with a space; `cut` and `start` say how a line would begin with it."""

    text: Ragged
    title: Ragged
    cut: np.ndarray
    start: Ragged

    def body(self, pieces: PromptPieces, row: int, with_title: bool = True) -> np.ndarray:
        title = self.title[row] if with_title else None
        return document_body(pieces, self.text[row], title, int(self.cut[row]), self.start[row])

    def arrays(self, name: str) -> dict:
        return {f"{name}.text": self.text, f"{name}.title": self.title, f"{name}.cut": self.cut, f"{name}.start": self.start}

    @staticmethod
    def read(data: dict, name: str) -> "Documents":
        return Documents(*(data[f"{name}.{part}"] for part in ("text", "title", "cut", "start")))


@dataclass
class Wikipedia:
    """Articles of passages of sentences. Sentence tokens begin with a space, so that joined they are the passage."""

    sentences: Ragged
    #: Sentences of each passage, and passages of each article.
    passage_sentences: np.ndarray
    article_passages: np.ndarray
    #: How each passage would begin a line.
    cut: np.ndarray
    start: Ragged
    title: Ragged
    title_lower: Ragged
    #: Passages of other articles that BM25 finds with this one's rare words; −1 where there are fewer. [passages, k]
    neighbours: np.ndarray

    def __post_init__(self) -> None:
        self.passage_offsets = np.concatenate([[0], np.cumsum(self.passage_sentences, dtype=np.int64)])
        self.article_offsets = np.concatenate([[0], np.cumsum(self.article_passages, dtype=np.int64)])
        self.article_of = np.repeat(np.arange(len(self.article_passages)), self.article_passages)

    @property
    def passages(self) -> int:
        return len(self.passage_sentences)

    def passage(self, row: int) -> list[np.ndarray]:
        return [self.sentences[i] for i in range(self.passage_offsets[row], self.passage_offsets[row + 1])]


@dataclass
class Questions:
    """Real questions over `documents`; several wordings of one question are several rows."""

    documents: Documents
    text: Ragged
    #: Relevant documents of each question, and documents to stand beside them (its own list, or BM25's best).
    gold: Ragged
    pool: Ragged
    #: Whether pool and gold are one published list, which may be used whole.
    listed: np.ndarray


@dataclass
class ValidationSet:
    """Queries with BM25's best documents, as the evaluation reranks them."""

    name: str
    documents: Documents
    text: Ragged
    #: BM25's best documents, best first, −1 where there are fewer; and their grades. [queries, k]
    candidates: np.ndarray
    grades: np.ndarray
    #: DCG@10 of the ideal ranking over all documents.
    ideal: np.ndarray


class Corpus:
    """A folder that `data` wrote."""

    def __init__(self, folder: Path):
        self.folder = folder
        data, self.info = arrays.load(folder)
        self.pieces = PromptPieces(**self.info["prompt"])
        names = ("sentences", "passage_sentences", "article_passages", "cut", "start", "title", "title_lower", "neighbours")
        self.wikipedia = Wikipedia(*(data[f"wiki.{name}"] for name in names))
        self.questions = Questions(
            Documents.read(data, "real"),
            *(data[f"questions.{name}"] for name in ("text", "gold", "pool", "listed")),
        )
        self.validation = [
            ValidationSet(
                name,
                Documents.read(data, f"validation.{name}"),
                *(data[f"validation.{name}.{part}"] for part in ("queries", "candidates", "grades", "ideal")),
            )
            for name in self.info["validation"]
        ]

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary(**self.info["vocabulary"])

    @cached_property
    def begins_word(self) -> np.ndarray:
        """[vocabulary] True for pieces that begin with a space."""
        return np.array([piece.startswith("▁") for piece in self.vocabulary.pieces])

    @cached_property
    def is_digit(self) -> np.ndarray:
        """[vocabulary] True for pieces that hold a digit (each digit is a piece of its own)."""
        return np.array([any(c.isdigit() for c in piece) and not piece.startswith("<0x") for piece in self.vocabulary.pieces])

    @cached_property
    def openings(self) -> dict:
        def tokens(value):
            return [tokens(v) for v in value] if value and isinstance(value[0], list) else np.array(value, np.uint16)

        return {kind: tokens(value) for kind, value in self.info["openings"].items()}

    @cached_property
    def rarity(self) -> np.ndarray:
        """[vocabulary] Natural log of passages over passages with this token: BM25's idf on tokens, from a sample."""
        wiki = self.wikipedia
        count = np.ones(len(self.vocabulary.pieces), np.float64)
        sample = np.random.default_rng(0).permutation(wiki.passages)[:20000]
        for row in sample:
            begin, end = wiki.sentences.offsets[[wiki.passage_offsets[row], wiki.passage_offsets[row + 1]]]
            count[np.unique(wiki.sentences.flat[begin:end])] += 1
        return np.log((len(sample) + 1) / count)
