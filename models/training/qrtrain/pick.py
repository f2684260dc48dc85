"""What a training prompt holds: documents that are hard to tell apart, in random order, and several questions about them."""

import random
import re
from dataclasses import dataclass

from .bm25 import words as content_words
from .data import Group, Question, may_answer
from .errors import InputError

#: Files with dull or context-bound questions are drawn less.
LESS = {"docs": 0.6, "tatqa": 0.5, "qmsum": 0.4, "ropes": 0.4, **{f"encyclopedia-{i}": 0.6 for i in range(6)}}
#: Characters a token, roughly: enough to fill a prompt.
_CHARACTERS = 4.2
#: Documents of a prompt at most, and how many questions one of them answers at most.
DOCUMENTS, ANSWERS = 40, 3
#: Share of the questions that no document of the prompt answers.
UNANSWERED = 0.15
#: Share of the prompts with documents of a few tokens, which answer nothing.
SCRAPS = 0.2


@dataclass
class Picked:
    group: int
    #: Passages in the order of the prompt; those of which a few tokens alone are shown; whether titles are shown.
    documents: "list[int]"
    scraps: "dict[int, int]"
    titled: bool
    queries: "list[str]"
    #: For each question the places of documents that answer, and of those that nobody judged and that may.
    gold: "list[set[int]]"
    ignored: "list[set[int]]"
    size: float


class Picker:
    """@param groups `Picked.group` is a number in this list; @param most Questions of a prompt."""

    def __init__(self, groups: "list[Group]", most: int = 20):
        self.most, self.groups = most, groups
        self.questions, self.own, self.beside, self.banned = [], [], [], []
        held = {group.texts[p] for group in groups for q in group.questions if q.held_out for p in q.gold}
        for group in groups:
            questions = [q for q in group.questions if not q.held_out]
            own: dict[int, list[Question]] = {}
            beside: dict[int, list[Question]] = {}
            for question in questions:
                for passage in question.gold:
                    own.setdefault(passage, []).append(question)
                for passage in question.near[:6]:
                    beside.setdefault(passage, []).append(question)
            self.questions.append(questions)
            self.own.append(own)
            self.beside.append(beside)
            self.banned.append({p for p, text in enumerate(group.texts) if text in held})
        self.weights = [len(q) ** 0.6 * LESS.get(g.name, 1.0) if q else 0 for g, q in zip(groups, self.questions)]

    def pick(self, r: random.Random, bounds: "tuple[float, float]") -> Picked:
        """@param bounds Of the documents, in tokens.
        @throws InputError when nothing fits: groups without questions that have other passages to be told from.
        """
        self.random = r
        if not any(self.weights):
            raise InputError("Expected groups with questions that are not held out")
        for _ in range(1000):
            made = self._try(r.choices(range(len(self.groups)), self.weights)[0], bounds)
            if made:
                return made
        raise InputError("Expected groups whose questions have other passages to be told from")

    def _try(self, which: int, bounds: "tuple[float, float]") -> "Picked | None":
        r, group, own = self.random, self.groups[which], self.own[which]
        low, high = bounds
        budget = low * (high / low) ** r.random()
        titled = r.random() < 0.5
        documents: list[int] = []
        size = 0.0
        seeds: list[Question] = []
        cost = lambda p: min(len(group.texts[p]) / _CHARACTERS, 480) + 8  # noqa: E731
        usable = lambda p: p not in self.banned[which] and (not titled or group.titles[p] is not None)  # noqa: E731

        def take(passages: "list[int]") -> None:
            nonlocal size
            for p in passages:
                if p not in documents and len(documents) < DOCUMENTS and size + cost(p) < 1.1 * budget:
                    documents.append(p)
                    size += cost(p)

        for _ in range(24):
            if size > 0.85 * budget:
                break
            nearby = [q for p in documents for q in own.get(p, ()) if q not in seeds]
            question = r.choice(nearby) if seeds and nearby and r.random() < 0.7 else r.choice(self.questions[which])
            gold = [p for p in question.gold if usable(p)]
            if not gold:
                continue
            seeds.append(question)
            take(gold[: r.randint(1, 3)])
            near = [p for p in question.near if usable(p)]
            given = [p for p in question.negatives if usable(p)]
            wanted = r.randint(3, 12)
            hardest = near[: r.randint(1, wanted)]
            take(hardest + r.sample(given, min(len(given), max(1, wanted - len(hardest)))))
        if len(documents) < 3:
            return None
        scraps = {}
        if r.random() < SCRAPS:
            some = {r.randrange(len(group.texts)) for _ in range(r.randint(1, 3))} - set(documents) - self.banned[which]
            scraps = {p: r.randint(1, 6) for p in sorted(some)}
            documents += scraps
        r.shuffle(documents)
        made = Picked(which, documents, scraps, titled, [], [], [], size)
        self._ask(made, group, seeds)
        return made if made.queries else None

    def _ask(self, made: Picked, group: Group, seeds: "list[Question]") -> None:
        r, own, documents = self.random, self.own[made.group], made.documents
        place = {p: i for i, p in enumerate(documents)}
        others = [q for p in documents for q in own.get(p, ()) if q not in seeds]
        r.shuffle(others)
        used: dict[int, int] = {}
        unanswered = sum(r.random() < UNANSWERED for _ in range(self.most))
        for question in seeds + others:
            gold = {place[p] for p in question.gold if p in place and p not in made.scraps}
            if len(made.queries) >= self.most - unanswered:
                break
            if not gold or any(used.get(i, 0) >= ANSWERS for i in gold):
                continue
            ignored = self._ignored(group, question, place, gold)
            if len(documents) - len(gold) - len(ignored) < 2:
                continue
            for i in gold:
                used[i] = used.get(i, 0) + 1
            self._add(made, question, gold, ignored)
        if not made.queries:
            return
        beside = [q for p in documents for q in self.beside[made.group].get(p, ()) if not any(g in place for g in q.gold)]
        for question in r.sample(beside, min(unanswered, len(beside), len(made.queries))):
            self._add(made, question, set(), self._ignored(group, question, place, set()))

    def _ignored(self, group: Group, question: Question, place: "dict[int, int]", gold: "set[int]") -> "set[int]":
        judged = {place[p] for p in question.negatives if p in place}
        return {i for p, i in place.items() if i not in gold and i not in judged and may_answer(group, question, p)}

    def _add(self, made: Picked, question: Question, gold: "set[int]", ignored: "set[int]") -> None:
        made.queries.append(varied(question.text, self.random))
        made.gold.append(gold)
        made.ignored.append(ignored)


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
