"""Question files to groups: passages, questions, and for each question the passages that are hard to tell from its own.

A passage that is held out stands in no training prompt; its questions measure.
"""

import hashlib
import json
import re
import shutil
import subprocess
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from .bm25 import BM25
from .errors import InputError

#: Licence unclear.
LEFT_OUT = ("climate_fever",)
#: One passage in so many is held out.
HELD_OUT = 24
#: An answer of so many letters that stands in another passage says that this one may answer too.
TELLING = 4
_VERDICTS = {"supports", "refutes", "yes", "no", "true", "false", "maybe"}


@dataclass
class Question:
    text: str
    #: Passage numbers.
    gold: list[int]
    #: Passages that the source or the collection calls negatives.
    negatives: list[int]
    #: BM25's best passages of the file without gold ones and without those that hold the answer, best first.
    near: list[int] = field(default_factory=list)
    answer: str = ""
    held_out: bool = False


@dataclass
class Group:
    """The questions of one file."""

    name: str
    texts: list[str]
    titles: list["str | None"]
    questions: list[Question]

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.json").write_text(json.dumps(asdict(self), ensure_ascii=False))

    @staticmethod
    def load_all(folder: Path, only: "list[str] | None" = None) -> "list[Group]":
        """@param only Names; without them all of the folder."""
        paths = sorted(path for path in folder.glob("*.json") if not only or path.stem in only)
        if not paths:
            raise InputError(f"Expected groups in {folder} but it has none{' of ' + ', '.join(only) if only else ''}")
        return [Group.load(path) for path in paths]

    @staticmethod
    def load(path: Path) -> "Group":
        raw = json.loads(path.read_text())
        return Group(**{**raw, "questions": [Question(**question) for question in raw["questions"]]})


def number_of(text: str) -> int:
    """The same for the same text everywhere."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def text_lines(path: Path):
    """Lines of a text file, which may be packed with zstd.

    @throws InputError for a packed file that cannot be read to its end.
    """
    if path.suffix != ".zst":
        with open(path, encoding="utf-8") as file:
            yield from file
        return
    if not shutil.which("zstd"):
        raise InputError(f"Expected the command zstd, to read {path}")
    with subprocess.Popen(["zstd", "-dcq", "--long=27", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process:
        yield from process.stdout
        said = process.stderr.read().strip()
    if process.returncode:
        raise InputError(f"Expected {path} to be packed with zstd: {said}")


def read_lines(path: Path) -> "list[dict]":
    """@throws InputError for a line that is no JSON."""
    lines, out = [*text_lines(path)], []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                out.append(json.loads(line))
            except ValueError as error:
                raise InputError(f"Expected JSON in line {number} of {path}: {error}") from error
    return out


def telling(answer: object) -> str:
    text = answer.lower().strip() if isinstance(answer, str) else ""
    return text if len(text) >= TELLING and text not in _VERDICTS else ""


def build(name: str, lines: list[dict], passages: int = 3000, near: int = 14) -> Group:
    """@param passages Passages of the file that are taken, by their hash; @param near BM25's candidates a question."""
    positives = sorted({line["positive"].strip() for line in lines}, key=number_of)[:passages]
    place = {text: i for i, text in enumerate(positives)}
    group = Group(name, list(positives), [None] * len(positives), [])
    by_text: dict[str, Question] = {}
    for line in lines:
        gold = place.get(line["positive"].strip())
        if gold is None or gold >= len(positives):
            continue
        group.titles[gold] = group.titles[gold] or line.get("title") or None
        key = re.sub(r"\s+", " ", line["query"]).strip()
        question = by_text.setdefault(key.lower(), Question(key, [], [], answer=telling(line.get("answer"))))
        if gold not in question.gold:
            question.gold.append(gold)
        question.held_out |= number_of(positives[gold]) % HELD_OUT == 0
        for text in map(str.strip, line.get("negatives", [])):
            if text and text not in place:
                place[text] = len(group.texts)
                group.texts.append(text)
                group.titles.append(None)
            if text and place[text] not in question.negatives:
                question.negatives.append(place[text])
    group.questions = list(by_text.values())
    index = BM25([f"{title or ''} {text}" for title, text in zip(group.titles[: len(positives)], positives)])
    for question in group.questions:
        question.negatives = [p for p in question.negatives if p not in question.gold]
        scores = index.scores(question.text)
        best = np.argsort(-scores, kind="stable")[: 3 * near]
        question.near = [int(p) for p in best if scores[p] > 0 and int(p) not in question.gold and not may_answer(group, question, int(p))][:near]
    return group


def may_answer(group: Group, question: Question, passage: int) -> bool:
    """Whether a passage that nobody judged may well answer: it holds the answer, or is of the page that the gold one is of."""
    if question.answer and question.answer in group.texts[passage].lower():
        return True
    title = group.titles[passage]
    return title is not None and title in {group.titles[p] for p in question.gold}


def prepare(train: Path, output: Path, only: "list[str] | None" = None, passages: int = 3000, processes: int = 1) -> "list[str]":
    """Writes one group a file of `train`; what is there is kept.

    @returns Names of all groups.
    """
    paths = {path.name.split(".")[0]: path for suffix in ("jsonl", "jsonl.zst") for path in sorted(train.glob(f"*.{suffix}"))}
    if wrong := sorted({*(only or ())} - {*paths}):
        raise InputError(f"Expected question files of {train} for --only but {', '.join(wrong)} is not among them")
    names = sorted(name for name in paths if name not in LEFT_OUT and (not only or name in only))
    todo = [(name, paths[name], output, passages) for name in names if not (output / f"{name}.json").exists()]
    if processes == 1:
        [*map(_prepare_one, todo)]
    else:
        with ProcessPoolExecutor(processes) as pool:
            [*pool.map(_prepare_one, todo)]
    return names


def _prepare_one(given) -> None:
    name, path, output, passages = given
    build(name, read_lines(path), passages).save(output)
