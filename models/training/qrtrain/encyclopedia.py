"""Encyclopedia text to groups with made-up questions: sentences taken out, keywords, telegrams, titles with keywords.

They teach what words have to do with each other; the question sets teach how people ask.
"""

import random
import re
from collections import Counter
from pathlib import Path

from .bm25 import words as content_words

from .data import build, number_of, read_lines, text_lines

#: Articles are dealt to so many groups by their titles.
GROUPS = 6
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(])")
#: So many words in a row that also stand in a text which is kept apart exclude an article.
SHARED = 13


def grams(text: str) -> "set[int]":
    tokens = re.findall(r"[^\W_]+", text.lower())
    return {hash(tuple(tokens[i : i + SHARED])) for i in range(len(tokens) - SHARED + 1)}


def articles(path: Path):
    """(title, paragraphs) of a file whose titles stand as `= Title =`, a paragraph a line; short lines are left out."""
    title, paragraphs = None, []
    for line in text_lines(path):
        line = line.rstrip("\n")
        if line.startswith("= ") and line.endswith(" ="):
            if title:
                yield title, paragraphs
            title, paragraphs = line[2:-2], []
        elif len(line) > 80:
            paragraphs.append(line)
    if title:
        yield title, paragraphs


def passages(paragraphs: "list[str]", r: random.Random) -> "list[list[str]]":
    """Runs of sentences of 40 to 220 words, of one or several paragraphs."""
    out, run, size, goal = [], [], 0, r.choice((50, 80, 110, 150, 200))
    for sentence in (s for paragraph in paragraphs for s in _SENTENCE.split(paragraph)):
        run.append(sentence)
        size += len(sentence.split())
        if size >= goal:
            out.append(run)
            run, size, goal = [], 0, r.choice((50, 80, 110, 150, 200))
    return [run for run in out if len(run) > 1 and sum(len(s.split()) for s in run) < 260]


def questions(title: str, run: "list[str]", often: Counter, r: random.Random) -> "tuple[str, list[str]]":
    """The text without the sentence that was taken out, and what is asked about it."""
    usable = [i for i, s in enumerate(run) if 8 <= len(s.split()) <= 40]
    out, kept = [], list(run)
    if usable and len(run) > 2:
        taken = r.choice(usable)
        sentence = run[taken]
        if r.random() < 0.8:
            del kept[taken]
        plain = sentence.split()
        if r.random() < 0.5:
            begin = r.randrange(max(1, len(plain) - 6))
            plain = plain[begin : begin + r.randint(6, 16)]
        out.append(" ".join(plain) if r.random() < 0.5 else " ".join(w for w in plain if content_words(w)).lower())
    text = " ".join(kept)
    rare = sorted(dict.fromkeys(re.findall(r"[^\W\d_]{3,}", text)), key=lambda w: often[w.lower()] * r.uniform(0.3, 3))
    chosen = rare[: r.randint(2, 5)]
    r.shuffle(chosen)
    if r.random() < 0.4:
        chosen = [title, *(w for w in chosen if w not in title)][:4]
    out.append(" ".join(chosen) if r.random() < 0.6 else " ".join(chosen).lower())
    return text, [q for q in out if len(q.split()) > 1]


def shared_runs(files: "list[Path]") -> "set[int]":
    """Runs of words of everything in these files of JSON lines: fields `text`, or `docs` that have one."""
    excluded: set[int] = set()
    for path in files:
        for line in read_lines(path):
            for document in line.get("docs", [line]):
                text = document["text"] if isinstance(document["text"], str) else " ".join(document["text"])
                excluded |= grams(f"{document.get('title', '')} {text}")
    return excluded


def prepare(source: Path, output: Path, apart: "list[Path]", groups: int = GROUPS, size: int = 9000, seed: int = 1) -> "dict[str, int]":
    """Writes `groups` groups of about `size` passages.

    @param source Text of articles; @param apart Files whose texts no article may share a run of words with.
    @param groups 1 to 6.
    @returns Passages of each.
    """
    r, excluded = random.Random(seed), shared_runs(apart)
    often: Counter = Counter()
    lines: list[list[dict]] = [[] for _ in range(groups)]
    counts = [0] * groups
    for title, paragraphs in articles(source):
        draw = number_of(title) % GROUPS
        if draw >= groups or counts[draw] >= size or not paragraphs:
            continue
        runs = passages(paragraphs, r)[:6]
        for run in runs:
            often.update(w.lower() for w in re.findall(r"[^\W\d_]{3,}", " ".join(run)))
        if len(runs) < 3 or excluded & grams(" ".join(s for run in runs for s in run)):
            continue
        made = [questions(title, run, often, r) for run in runs]
        texts = [text for text, _ in made]
        for text, asked in made:
            counts[draw] += 1
            others = [t for t in texts if t != text]
            lines[draw] += [{"query": q, "title": title, "positive": text, "negatives": others[:4]} for q in asked]
        if min(counts) >= size:
            break
    for i, own in enumerate(lines):
        build(f"encyclopedia-{i}", own, 10**9).save(output)
    return {f"encyclopedia-{i}": count for i, count in enumerate(counts)}
