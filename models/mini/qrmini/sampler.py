"""Draws prompts: documents with hard negatives beside each other, and queries that are about some of them."""

from dataclasses import dataclass, field

import numpy as np

from .config import Stage
from .corpus import Corpus
from .prompt import document_body
from .queries import MAX_QUERY_TOKENS, QueryMaker, question_frames, word_families


@dataclass
class Prompt:
    """Documents without their numbers, and queries (beginning with a space) with the indices of their gold documents."""

    documents: list[np.ndarray] = field(default_factory=list)
    queries: list[tuple[np.ndarray, list[int]]] = field(default_factory=list)


@dataclass
class _Passages:
    """Consecutive passages of an article, about to become one document."""

    begin: int
    end: int


class Sampler:
    """Draws prompts from a corpus, deterministically from the generator that it is given."""

    def __init__(self, corpus: Corpus):
        self.corpus = corpus
        self.maker = QueryMaker(
            corpus.begins_word, corpus.rarity, corpus.is_digit, corpus.openings, word_families(corpus.vocabulary.pieces),
            question_frames(corpus.questions.text, corpus.begins_word, corpus.rarity),
        )
        wiki = corpus.wikipedia
        self._several = np.flatnonzero(wiki.article_passages >= 2)
        lengths = wiki.sentences.lengths.astype(np.int64)
        total = np.concatenate([[0], np.cumsum(lengths)])
        self._passage_tokens = np.diff(total[wiki.passage_offsets])
        self._asked: dict[int, list[int]] = {}
        for row in range(len(corpus.questions.text)):
            for document in corpus.questions.gold[row]:
                self._asked.setdefault(int(document), []).append(row)

    def draw(self, rng: np.random.Generator, stage: Stage, documents: int, document_tokens: int, queries: int) -> Prompt:
        """A prompt of exactly `documents` documents of at most `document_tokens` tokens, and at most `queries` queries."""
        chosen: list = []
        questions: list[tuple[int, list[int]]] = []
        crowded = stage.crowded > 0 and rng.random() < stage.crowded
        if len(self.corpus.questions.text) and rng.random() < stage.real:
            self._add_questions(rng, chosen, questions, documents, crowded)
            if crowded:
                self._add_further_questions(rng, chosen, questions, queries)
        # Document entries are `_Passages` or an index of a real document. Passages never stand in a prompt twice.
        used: set[int] = set()
        while len(chosen) < documents:
            chosen += (self._neighbourhood if crowded else self._related)(rng, used, documents - len(chosen), document_tokens)
        order = rng.permutation(documents)
        place = np.empty(documents, np.int64)
        place[order] = np.arange(documents)
        prompt = Prompt()
        prompt.queries = [(self.corpus.questions.text[row], [int(place[g]) for g in gold]) for row, gold in questions][:queries]
        self._write(rng, prompt, [chosen[i] for i in order], queries, document_tokens)
        return prompt

    def _add_questions(self, rng, chosen, questions, documents, whole_pools: bool = False) -> None:
        """Real questions with their gold documents and some or all of their pools, until half the room is taken."""
        real = self.corpus.questions
        place: dict[int, int] = {}

        def put(document: int) -> int:
            if document not in place:
                place[document] = len(chosen)
                chosen.append(document)
            return place[document]

        for _ in range(int(rng.integers(1, 6))):
            row = int(rng.integers(len(real.text)))
            gold, pool = real.gold[row], real.pool[row]
            room = documents - len(chosen)
            if len(gold) > room or (questions and len(chosen) > documents // 2):
                break
            whole = whole_pools or (bool(real.listed[row]) and rng.random() < 0.6)
            extra = len(pool) if whole else int(rng.integers(0, 6))
            gold_places = [put(int(g)) for g in gold]
            for document in rng.permutation(pool)[: max(0, min(extra, documents - len(chosen)))]:
                put(int(document))
            questions.append((row, gold_places))

    def _add_further_questions(self, rng, chosen, questions, most: int) -> None:
        """Other real questions about the documents that stand there already, up to `most` in all."""
        gold = self.corpus.questions.gold
        place = {document: index for index, document in enumerate(chosen)}
        known = {row for row, _ in questions}
        about = dict.fromkeys(row for document in chosen for row in self._asked.get(document, ()) if row not in known)
        rows = [row for row in about if all(int(g) in place for g in gold[row])]
        for at in rng.permutation(len(rows))[: max(0, most - len(questions))]:
            questions.append((rows[at], [place[int(g)] for g in gold[rows[at]]]))

    def _run(self, rng, passage: int, used: set[int], document_tokens: int) -> "_Passages | None":
        """Unused passages of one article from `passage` on, of a length drawn up to what a document may have."""
        wiki = self.corpus.wikipedia
        if passage in used:
            return None
        wanted = rng.uniform(0.3, 1.0) * document_tokens
        article_end = wiki.article_offsets[wiki.article_of[passage] + 1]
        end = passage + 1
        tokens = self._passage_tokens[passage]
        while end < article_end and end not in used and tokens + self._passage_tokens[end] <= wanted:
            tokens += self._passage_tokens[end]
            end += 1
        used.update(range(passage, end))
        return _Passages(passage, end)

    def _related(self, rng, used, room, document_tokens) -> list[_Passages]:
        """One to three documents of an article, and what BM25 takes for their like."""
        wiki = self.corpus.wikipedia
        article = int(rng.choice(self._several)) if len(self._several) and rng.random() < 0.7 else int(rng.integers(len(wiki.article_passages)))
        begin, end = wiki.article_offsets[article], wiki.article_offsets[article + 1]
        wanted = [int(p) for p in rng.permutation(np.arange(begin, end))[: int(rng.integers(1, 4))]]
        if rng.random() < 0.6:
            near = wiki.neighbours[wanted[0]]
            wanted += [int(p) for p in rng.permutation(near[near >= 0])[: int(rng.integers(1, 4))]]
        runs = []
        for passage in wanted:
            run = self._run(rng, passage, used, document_tokens) if len(runs) < room else None
            if run:
                runs.append(run)
        return runs

    def _neighbourhood(self, rng, used, room, document_tokens) -> list[_Passages]:
        """Documents that are hard to tell apart, as candidates of one query are: a walk from one passage to the others of
        its article, to what BM25 takes for their like, and on from there."""
        wiki = self.corpus.wikipedia
        frontier = [int(rng.integers(wiki.passages))]
        seen = set(frontier)
        runs: list[_Passages] = []
        for passage in frontier:
            if len(runs) >= room:
                break
            run = self._run(rng, passage, used, document_tokens)
            if run is None:
                continue
            runs.append(run)
            article = wiki.article_of[passage]
            near = [*range(wiki.article_offsets[article], wiki.article_offsets[article + 1]), *wiki.neighbours[passage].tolist()]
            reached = [p for p in rng.permutation(near).tolist() if p >= 0 and p not in seen]
            seen.update(reached)
            frontier += reached
        return runs

    def _write(self, rng, prompt: Prompt, chosen: list, queries: int, document_tokens: int) -> None:
        wiki, real, pieces = self.corpus.wikipedia, self.corpus.questions, self.corpus.pieces
        with_titles = rng.random()
        from_text = [i for i, entry in enumerate(chosen) if isinstance(entry, _Passages)]
        free = queries - len(prompt.queries)
        asked = set(rng.permutation(from_text)[:free].tolist()) if free > 0 else set()
        merged: list[tuple[int, np.ndarray]] = []
        for index, entry in enumerate(chosen):
            titled = rng.random() < with_titles
            if not isinstance(entry, _Passages):
                prompt.documents.append(real.documents.body(pieces, entry, titled)[:document_tokens])
                continue
            sentences = [s for row in range(entry.begin, entry.end) for s in wiki.passage(row)]
            article = wiki.article_of[entry.begin]
            cut, start = int(wiki.cut[entry.begin]), wiki.start[entry.begin]
            if index in asked:
                query, drop = self.maker.make(rng, sentences, wiki.title[article], wiki.title_lower[article])
                query = self.maker.disturb(rng, query, np.concatenate(wiki.passage(int(rng.integers(wiki.passages)))))
                if rng.random() < 0.08:
                    merged.append((index, query))
                else:
                    prompt.queries.append((query, [index]))
                if drop >= 0:
                    if drop == 0:
                        # Where another sentence begins the line, what replaces its first tokens is not known.
                        titled = False
                    sentences = sentences[:drop] + sentences[drop + 1 :]
            text = np.concatenate(sentences)
            title = wiki.title[article] if titled else None
            prompt.documents.append(document_body(pieces, text, title, cut, start)[:document_tokens])
        # Questions over two documents: half of one query and half of another.
        while len(merged) >= 2:
            (a, first), (b, second) = merged.pop(), merged.pop()
            half = MAX_QUERY_TOKENS // 2
            prompt.queries.append((np.concatenate([first[:half], second[:half]]), [a, b]))
        prompt.queries += [(query, [index]) for index, query in merged]
