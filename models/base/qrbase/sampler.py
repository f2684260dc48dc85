"""Training prompts: documents that are hard to tell apart, in random order, and several questions about them."""

import random
import re
from dataclasses import dataclass

from qrmini.bm25 import words as content_words

from .data import Group, Question, may_answer
from .words import Prompt, Words, assemble

#: Files are drawn by the root of their size; those with dull or context-bound questions less.
LESS = {"docs": 0.6, "tatqa": 0.5, "qmsum": 0.4, "ropes": 0.4, **{f"encyclopedia-{i}": 0.6 for i in range(6)}}
#: Characters a token, roughly: enough to fill a prompt.
_CHARACTERS = 4.2


@dataclass
class Sample:
    prompt: Prompt
    #: For each question the places of documents that answer, and of those that nobody judged and that may.
    gold: list[set[int]]
    ignored: list[set[int]]
    queries: list[str]


class Sampler:
    """@param tokens Bounds of a prompt's documents, in tokens; @param most Questions of a prompt."""

    def __init__(self, words: Words, groups: list[Group], seed: int, tokens: "tuple[int, int]" = (600, 2000), most: int = 10):
        self.words, self.random, self.bounds, self.most = words, random.Random(seed), tokens, most
        self.groups, self.own, self.banned = [], [], []
        for group in groups:
            questions = [q for q in group.questions if not q.held_out]
            if not questions:
                continue
            own: dict[int, list[Question]] = {}
            for question in questions:
                for passage in question.gold:
                    own.setdefault(passage, []).append(question)
            self.groups.append(Group(group.name, group.texts, group.titles, questions))
            self.own.append(own)
            self.banned.append({p for q in group.questions if q.held_out for p in q.gold})
        self.weights = [min(len(g.questions), 6000) ** 0.5 * LESS.get(g.name, 1.0) for g in self.groups]

    def sample(self) -> Sample:
        for _ in range(1000):
            made = self._try(self.random.choices(range(len(self.groups)), self.weights)[0])
            if made:
                return made
        raise ValueError("Expected groups whose questions have other passages to be told from")

    def _try(self, which: int) -> "Sample | None":
        r, group, own = self.random, self.groups[which], self.own[which]
        low, high = self.bounds
        budget = low * (high / low) ** r.random()
        titled = r.random() < 0.5
        documents: list[int] = []
        size = 0.0
        seeds: list[Question] = []
        cost = lambda p: len(group.texts[p]) / _CHARACTERS + 8  # noqa: E731
        usable = lambda p: p not in self.banned[which] and (not titled or group.titles[p] is not None)  # noqa: E731

        def take(passages: "list[int]") -> None:
            nonlocal size
            for p in passages:
                if p not in documents and len(documents) < 24 and size + cost(p) < 1.1 * budget:
                    documents.append(p)
                    size += cost(p)

        for _ in range(12):
            if size > 0.85 * budget:
                break
            nearby = [q for p in documents for q in own.get(p, ()) if q not in seeds]
            question = r.choice(nearby) if seeds and nearby and r.random() < 0.7 else r.choice(group.questions)
            gold = [p for p in question.gold if usable(p)]
            if not gold:
                continue
            seeds.append(question)
            take(gold[:1])
            near = [p for p in question.near if usable(p)]
            given = [p for p in question.negatives if usable(p)]
            wanted = r.randint(3, 9)
            hardest = near[: r.randint(1, wanted)] if near else []
            take(hardest + r.sample(given, min(len(given), max(1, wanted - len(hardest)))))
        if len(documents) < 3:
            return None
        r.shuffle(documents)
        return self._questions(group, own, seeds, documents, titled)

    def _questions(self, group: Group, own, seeds: list[Question], documents: list[int], titled: bool) -> "Sample | None":
        r = self.random
        place = {p: i for i, p in enumerate(documents)}
        others = [q for p in documents for q in own.get(p, ()) if q not in seeds]
        r.shuffle(others)
        made, used = Sample(None, [], [], []), {}
        for question in seeds + others:
            gold = {place[p] for p in question.gold if p in place}
            if not gold or len(made.queries) == self.most or any(used.get(i, 0) >= 3 for i in gold):
                continue
            judged = {place[p] for p in question.negatives if p in place}
            ignored = {i for p, i in place.items() if i not in gold | judged and may_answer(group, question, p)}
            if len(documents) - len(gold) - len(ignored) < 2:
                continue
            for i in gold:
                used[i] = used.get(i, 0) + 1
            made.gold.append(gold)
            made.ignored.append(ignored)
            made.queries.append(varied(question.text, r))
        if not made.queries:
            return None
        ids = [self.words.document(i + 1, group.titles[p] if titled else None, group.texts[p]) for i, p in enumerate(documents)]
        made.prompt = assemble(self.words, ids, [self.words.query(text) for text in made.queries])
        return made


def varied(text: str, r: random.Random) -> str:
    """As written (7 in 10), in lower case without its mark (2), or its content words alone (1)."""
    draw = r.random()
    if draw < 0.7:
        return text
    plain = re.sub(r"[?.!]+$", "", text).strip().lower()
    if draw < 0.9:
        return plain
    kept = [word for word in plain.split() if content_words(word)]
    return " ".join(kept) if len(kept) >= 2 else plain
