"""Measures of a TREC run from trec_eval's definitions, and the exact randomization test: another language, no shared code.

Usage: trec_measures.py GAIN QRELS RUN... < list of measures, one a line
Prints JSON: {"values": {run: {measure: {query: value}}}, "p": {run: p against the first run on the first measure}}.
"""

import itertools
import json
import math
import struct
import sys
from collections import defaultdict


def single(text):
    """trec_eval keeps scores as C floats."""
    return struct.unpack("f", struct.pack("f", float(text)))[0]


def columns(path, count):
    with open(path, encoding="utf-8", newline="\n") as lines:
        for line in lines:
            fields = line.split()
            assert len(fields) == count, line
            yield fields


def discounted(grades, gain):
    return math.fsum(gain(grade) / math.log2(rank + 1) for rank, grade in enumerate(grades, 1) if grade > 0)


def value(measure, ranked, grades, gain):
    name, _, cut = measure.partition("@")
    depth = int(cut) if cut else len(ranked)
    relevant = sum(1 for grade in grades.values() if grade > 0)
    hits = [rank for rank, doc in enumerate(ranked[:depth], 1) if grades.get(doc, 0) > 0]
    if name == "ndcg":
        ideal = sorted(grades.values(), reverse=True)[: int(cut) if cut else None]
        return discounted([grades.get(doc, 0) for doc in ranked[:depth]], gain) / discounted(ideal, gain)
    if name == "recall":
        return len(hits) / relevant
    if name == "p":
        return len(hits) / depth
    if name == "success":
        return 1.0 if hits else 0.0
    if name == "mrr":
        return 1 / hits[0] if hits else 0.0
    assert name == "map", name
    return math.fsum(count / rank for count, rank in enumerate(hits, 1)) / relevant


def exact_p(differences):
    observed = abs(math.fsum(differences))
    sums = [abs(math.fsum(s * d for s, d in zip(signs, differences)))
            for signs in itertools.product((1, -1), repeat=len(differences))]
    return sum(1 for found in sums if found >= observed - 1e-12) / len(sums)


def main():
    gain = {"linear": lambda grade: grade, "exponential": lambda grade: 2**grade - 1}[sys.argv[1]]
    judged = defaultdict(dict)
    for query, _, doc, grade in columns(sys.argv[2], 4):
        judged[query][doc] = int(grade)
    measures = sys.stdin.read().split()
    values, p, base = {}, {}, None
    for path in sys.argv[3:]:
        scores = defaultdict(list)
        for query, _, doc, _, score, _ in columns(path, 6):
            scores[query].append((single(score), doc.encode("utf-8"), doc))
        # A query that the run lacks is ranked as nothing, as with trec_eval -c.
        ranked = {query: [doc for *_, doc in sorted(scores[query], reverse=True)] for query in judged}
        found = {m: {q: value(m, ranked[q], judged[q], gain) for q in judged} for m in measures}
        values[path] = found
        base = base or found
        if len(judged) <= 12:
            p[path] = exact_p([found[measures[0]][q] - base[measures[0]][q] for q in judged])
    json.dump({"values": values, "p": p}, sys.stdout)


main()
