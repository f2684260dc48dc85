"""Question files to groups: passages, questions, and for each question the passages that are hard to tell from its own.

A passage that is held out stands in no training prompt as one that answers; its questions choose what is left to choose.
"""

import hashlib
import json
import random
import re
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from qrmini.bm25 import BM25

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
    def load(path: Path) -> "Group":
        raw = json.loads(path.read_text())
        return Group(**{**raw, "questions": [Question(**question) for question in raw["questions"]]})


def number_of(text: str) -> int:
    """The same for the same text everywhere."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def read_lines(path: Path) -> list[dict]:
    if path.suffix == ".zst":
        text = subprocess.run(["zstd", "-dcq", "--long=27", str(path)], check=True, capture_output=True).stdout.decode()
    else:
        text = path.read_text()
    return [json.loads(line) for line in text.split("\n") if line.strip()]


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


def prepare(train: Path, output: Path, only: "list[str] | None" = None, passages: int = 3000, share: int = 0, shares: int = 1) -> list[str]:
    """Writes one JSON a file; what is there is kept. Several processes take `share` of `shares` of the files each.

    @returns Names done.
    """
    names = sorted(path.name.split(".")[0] for path in train.glob("*.jsonl.zst"))
    names = [name for name in names if name not in LEFT_OUT and (not only or name in only)]
    for name in names[share::shares]:
        if not (output / f"{name}.json").exists():
            build(name, read_lines(train / f"{name}.jsonl.zst"), passages).save(output)
    return names[share::shares]


def held_out_pools(group: Group, count: int, candidates: int, seed: int = 1) -> list[dict]:
    """Questions of held-out passages with BM25's best candidates, best first, where a gold one is among them.

    @returns {id, query, docs: [{title?, text}], gold: [place], bm25: [score]}; half have titles where the file has them.
    """
    positives = max((p for q in group.questions for p in q.gold), default=-1) + 1
    index = BM25([f"{title or ''} {text}" for title, text in zip(group.titles[:positives], group.texts[:positives])])
    titled = sum(title is not None for title in group.titles[:positives]) > positives / 2
    questions = [question for question in group.questions if question.held_out]
    random.Random(seed + number_of(group.name)).shuffle(questions)
    pools = []
    for question in questions:
        if len(pools) == count:
            break
        scores = index.scores(question.text)
        best = [int(p) for p in np.argsort(-scores, kind="stable")[: 4 * candidates] if scores[p] > 0]
        best = [p for p in best if p in question.gold or not may_answer(group, question, p)][:candidates]
        if len(best) < candidates or not any(p in question.gold for p in best):
            continue
        show = titled and number_of(question.text) % 2 == 0
        pools.append({
            "id": f"{group.name}/{len(pools)}", "query": question.text, "gold": [i for i, p in enumerate(best) if p in question.gold],
            "docs": [{**({"title": group.titles[p]} if show and group.titles[p] else {}), "text": group.texts[p]} for p in best],
            "bm25": [round(float(scores[p]), 4) for p in best],
        })
    return pools
