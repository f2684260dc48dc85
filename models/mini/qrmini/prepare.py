"""`data`: text and question sets to a folder of compressed token arrays that fits into what travels to a GPU."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Iterable

import numpy as np

from . import arrays
from .arrays import Ragged
from .bm25 import BM25, words
from .corpus import Documents
from .prompt import PromptPieces, line_start, line_start_change
from .queries import question_openings
from .text import Article, articles, read_text
from .tokenizer import Tokenizer

#: Words in a row that two texts must share to count as the same text.
OVERLAP_WORDS = 13
#: Passages kept of one article, and BM25 neighbours kept of one passage.
ARTICLE_PASSAGES = 12
NEIGHBOURS = 4
#: Documents of BM25 that stand beside a question's gold documents, and that the validation reranks.
POOL = 20
CANDIDATES = 30


def read_jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def read_beir(folder: Path) -> tuple[list[dict], list[dict], dict[str, dict[str, int]]]:
    """Corpus, queries and qrels (grades by query and document) of a set in BEIR's layout."""
    qrels: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        qrels.setdefault(query, {})[document] = int(grade)
    return read_jsonl(folder / "corpus.jsonl"), read_jsonl(folder / "queries.jsonl"), qrels


class Overlap:
    """Finds texts that share a run of words with texts that must stay unseen."""

    def __init__(self, texts: Iterable[str]):
        self._seen = {gram for text in texts for gram in self._grams(text)}

    @staticmethod
    def _grams(text: str) -> Iterable[int]:
        split = text.lower().split()
        for at in range(len(split) - OVERLAP_WORDS + 1):
            yield hash(tuple(split[at : at + OVERLAP_WORDS]))

    def __contains__(self, text: str) -> bool:
        return bool(self._seen) and any(gram in self._seen for gram in self._grams(text))


def _clean(text: str) -> str:
    return " ".join(text.split())


def _lowered(article: Article, spaced: bool) -> Article:
    """Lower case, and punctuation set apart by spaces as in some old collections."""

    def change(text: str) -> str:
        text = text.lower()
        if spaced:
            for mark in ".,;:?!":
                text = text.replace(mark, f" {mark}")
        return _clean(text)

    return Article(change(article.title), [[change(s) for s in passage] for passage in article.passages])


def encode_documents(tokenizer: Tokenizer, documents: list[dict]) -> Documents:
    texts, cuts, starts, titles = [], [], [], []
    for document in documents:
        tokens, cut, start = line_start(tokenizer, document["text"])
        texts.append(tokens)
        cuts.append(min(cut, 255))
        starts.append(start)
        title = document.get("title") or ""
        titles.append(tokenizer.encode(" " + title) if title else [])
    return Documents(Ragged.of(texts), Ragged.of(titles), np.array(cuts, np.uint8), Ragged.of(starts))


def neighbours(passages: list[str], article_of: list[int], k: int = NEIGHBOURS, common: int = 300) -> np.ndarray:
    """For every passage the k passages of other articles that share most with it: the sum of the idf of shared words.

    Words in more than `common` passages tell too little and cost too much.
    @returns [passages, k], −1 where there are fewer.
    """
    index: dict[str, list[int]] = {}
    vocabularies = [set(words(text)) for text in passages]
    for row, vocabulary in enumerate(vocabularies):
        for word in vocabulary:
            index.setdefault(word, []).append(row)
    postings = {word: np.array(rows, np.int32) for word, rows in index.items() if 1 < len(rows) <= common}
    article = np.array(article_of)
    found = np.full((len(passages), k), -1, np.int32)
    for row, vocabulary in enumerate(vocabularies):
        known = [postings[word] for word in sorted(vocabulary) if word in postings]
        if not known:
            continue
        rows = np.concatenate(known)
        weights = np.repeat([np.log(len(passages) / len(p)) for p in known], [len(p) for p in known])
        unique, inverse = np.unique(rows, return_inverse=True)
        score = np.bincount(inverse, weights)
        score[article[unique] == article[row]] = 0
        best = np.argsort(-score, kind="stable")[:k]
        best = best[score[best] > 0]
        found[row, : len(best)] = unique[best]
    return found


def encode_wikipedia(tokenizer: Tokenizer, source: Iterable[Article], tokens: int, rng: np.random.Generator) -> dict:
    """Articles until `tokens` are reached. One in eight is turned to lower case, as many collections are."""
    sentences: list[list[int]] = []
    passage_sentences, article_passages, cuts, starts = [], [], [], []
    titles, titles_lower, texts, article_of = [], [], [], []
    total = 0
    for article in source:
        draw = rng.random()
        if draw < 0.125:
            article = _lowered(article, spaced=draw < 0.06)
        kept = article.passages[:ARTICLE_PASSAGES]
        encoded = tokenizer.encode_batch([" " + sentence for passage in kept for sentence in passage])
        plain = tokenizer.encode_batch([passage[0].split(" ", 1)[0] for passage in kept])
        spaced = tokenizer.encode_batch([" " + passage[0].split(" ", 1)[0] for passage in kept])
        sentences += encoded
        for number, passage in enumerate(kept):
            passage_sentences.append(len(passage))
            cut, start = line_start_change(spaced[number], plain[number])
            cuts.append(min(cut, 255))
            starts.append(start)
            texts.append(" ".join(passage))
            article_of.append(len(article_passages))
        article_passages.append(len(kept))
        titles.append(tokenizer.encode(" " + article.title))
        titles_lower.append(tokenizer.encode(" " + article.title.lower()))
        total += sum(len(sentence) for sentence in encoded)
        if total >= tokens:
            break
    return {
        "wiki.sentences": Ragged.of(sentences),
        "wiki.passage_sentences": np.array(passage_sentences, np.uint8),
        "wiki.article_passages": np.array(article_passages, np.uint8),
        "wiki.cut": np.array(cuts, np.uint8),
        "wiki.start": Ragged.of(starts),
        "wiki.title": Ragged.of(titles),
        "wiki.title_lower": Ragged.of(titles_lower),
        "wiki.neighbours": neighbours(texts, article_of),
    }


class QuestionBuilder:
    """Collects real questions and their documents from sets of different kinds."""

    def __init__(self) -> None:
        self.documents: list[dict] = []
        self.rows: list[tuple[str, list[int], list[int], bool]] = []

    def _add_documents(self, documents: list[dict]) -> int:
        base = len(self.documents)
        self.documents += [{"title": _clean(d.get("title") or ""), "text": _clean(d["text"])} for d in documents]
        return base

    def add_pool(self, path: Path, unseen: Overlap) -> int:
        """Lists with their gold documents (`{query, docs, gold}`)."""
        added = 0
        for row in read_jsonl(path):
            if any(d["text"] in unseen for d in row["docs"]) or len(row["docs"]) < 2:
                continue
            base = self._add_documents(row["docs"])
            place = {str(d["id"]): base + i for i, d in enumerate(row["docs"])}
            gold = [place[str(g)] for g in row["gold"]]
            self.rows.append((row["query"], gold, [p for p in place.values() if p not in gold], True))
            added += 1
        return added

    def add_beir(self, folder: Path, unseen: Overlap, held_out: set[str]) -> int:
        """A set of documents, queries and qrels; BM25 and the neighbours by title stand beside the gold documents."""
        corpus, queries, qrels = read_beir(folder)
        corpus = [d for d in corpus if d["text"] not in unseen]
        base = self._add_documents(corpus)
        place = {str(d["_id"]): i for i, d in enumerate(corpus)}
        index = BM25([f"{d.get('title', '')} {d['text']}" for d in corpus])
        added = 0
        for query in queries:
            name = str(query["_id"])
            gold = [place[d] for d, grade in qrels.get(name, {}).items() if grade > 0 and d in place]
            if not gold or name in held_out:
                continue
            pool = [d for d in index.top(query["text"], POOL) if d not in gold]
            self.rows.append((query["text"], [base + g for g in gold], [base + p for p in pool], False))
            added += 1
        return added

    def arrays(self, tokenizer: Tokenizer) -> dict:
        """Every question twice: as written, and in lower case without its question mark."""
        rows = [
            (wording, gold, pool, listed)
            for text, gold, pool, listed in self.rows
            for wording in dict.fromkeys([_clean(text), _clean(text.lower().rstrip("? "))])
        ]
        return {
            **encode_documents(tokenizer, self.documents).arrays("real"),
            "questions.text": Ragged.of(tokenizer.encode_batch([" " + text for text, *_ in rows])),
            "questions.gold": Ragged.of([gold for _, gold, _, _ in rows], np.uint32),
            "questions.pool": Ragged.of([pool for _, _, pool, _ in rows], np.uint32),
            "questions.listed": np.array([listed for *_, listed in rows], np.uint8),
        }


def encode_validation(tokenizer: Tokenizer, folder: Path, limit: int, only: "set[str] | None", rng: np.random.Generator) -> dict:
    """BM25's best documents of a sample of queries. Text as in the files: validation must see what users send."""
    corpus, queries, qrels = read_beir(folder)
    queries = [q for q in queries if any(g > 0 for g in qrels.get(str(q["_id"]), {}).values()) and (only is None or str(q["_id"]) in only)]
    chosen = [queries[i] for i in sorted(rng.permutation(len(queries))[:limit])]
    index = BM25([f"{d.get('title', '')} {d['text']}" for d in corpus])
    candidates = np.full((len(chosen), CANDIDATES), -1, np.int32)
    grades = np.zeros((len(chosen), CANDIDATES), np.uint8)
    ideal = np.zeros(len(chosen), np.float32)
    used: dict[int, int] = {}
    for row, query in enumerate(chosen):
        known = qrels[str(query["_id"])]
        gains = sorted((2.0**g - 1 for g in known.values()), reverse=True)[:10]
        ideal[row] = sum(gain / np.log2(rank + 2) for rank, gain in enumerate(gains))
        for column, document in enumerate(index.top(query["text"], CANDIDATES)):
            candidates[row, column] = used.setdefault(document, len(used))
            grades[row, column] = max(0, known.get(str(corpus[document]["_id"]), 0))
    name = f"validation.{folder.name}"
    return {
        **encode_documents(tokenizer, [corpus[i] for i in used]).arrays(name),
        f"{name}.queries": Ragged.of(tokenizer.encode_batch([" " + q["text"] for q in chosen])),
        f"{name}.candidates": candidates,
        f"{name}.grades": grades,
        f"{name}.ideal": ideal,
    }


def held_out_queries(folder: Path, share: float) -> set[str]:
    """Queries kept from training, the same in every run. A share of documents is drawn, so that queries on one document
    stay together."""
    if share <= 0:
        return set()
    _, queries, qrels = read_beir(folder)
    documents = sorted({d for grades in qrels.values() for d in grades})
    drawn = {d for d, x in zip(documents, np.random.default_rng(7).random(len(documents))) if x < share}
    return {str(q["_id"]) for q in queries if any(d in drawn for d in qrels.get(str(q["_id"]), {}))}


def build(tokenizer: Tokenizer, output: Path, wikipedia: Path, *, beir: list[Path], pools: list[Path], validation: list[Path],
          held_out: float, tokens: int, validation_queries: int, seed: int) -> dict:
    """Everything, to `output`. Returns what was counted.

    Texts of validation sets that are not trained on are kept out of training by runs of words that they share.
    """
    began = time.time()
    rng = np.random.default_rng(seed)
    trained = {folder.name for folder in beir}
    unseen_texts, titles = [], set()
    for folder in validation:
        if folder.name in trained:
            continue
        for document in read_beir(folder)[0]:
            unseen_texts.append(document["text"])
            titles.add(_clean(document.get("title") or "").lower())
    unseen = Overlap(unseen_texts)

    questions = QuestionBuilder()
    counts: dict[str, int] = {}
    held: dict[str, set[str]] = {}
    for folder in beir:
        held[folder.name] = held_out_queries(folder, held_out)
        counts[folder.name] = questions.add_beir(folder, unseen, held[folder.name])
    for path in pools:
        counts[path.stem] = questions.add_pool(path, unseen)

    source = list(articles(read_text(wikipedia)))
    order = rng.permutation(len(source))
    kept = (source[i] for i in order if source[i].title.lower() not in titles)
    clean = (a for a in kept if not any(" ".join(p) in unseen for p in a.passages[:ARTICLE_PASSAGES]))
    wiki = encode_wikipedia(tokenizer, clean, tokens, rng)

    sets: dict = {}
    for folder in validation:
        sets |= encode_validation(tokenizer, folder, validation_queries, held.get(folder.name), np.random.default_rng(seed))
    data = {**wiki, **questions.arrays(tokenizer), **sets}
    info = {
        "prompt": asdict(PromptPieces.of(tokenizer)),
        "openings": question_openings(tokenizer.encode),
        "vocabulary": tokenizer.pieces().__dict__,
        "validation": [folder.name for folder in validation],
        "seed": seed,
    }
    size = arrays.save(output, data, info)
    return {
        "articles": len(wiki["wiki.article_passages"]),
        "passages": len(wiki["wiki.passage_sentences"]),
        "tokens": int(len(wiki["wiki.sentences"].flat)),
        "questions": counts,
        "heldOut": {name: len(ids) for name, ids in held.items()},
        "bytes": size,
        "seconds": round(time.time() - began, 1),
    }
