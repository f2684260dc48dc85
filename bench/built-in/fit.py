"""Whether other scores out of the same attention rank better: weights of heads, lengths, fusion that follows the list.

    python3 bench/built-in/fit.py FOLDER       of bench/built-in/attention.ts, held-out lists of training sources

A row is nDCG@10 (mean of the sources' means) of the heads alone and of half z(heads) + half z(BM25 of the call), with the
difference to what ships and its standard error. What is fitted is rated on sources that the fit did not see: six parts of
the sources; the pull to what ships is chosen by four parts of the other five sixths.
"""

import json
import sys
from pathlib import Path

import numpy as np

OWN = 9  # heads of the deepest layer, which ship
PULLS = (3, 1, 0.3, 0.1, 0.03, 0.01, 0.003)


def masking(values):
    """Which tokens of a document count: those above mean − 2·std, as the retriever scores it."""
    spread = values.std(-1, ddof=1, keepdims=True) if values.shape[-1] > 1 else np.nan
    return values > values.mean(-1, keepdims=True) - 2 * spread


class Lists:
    """Features of all documents, one row each: `plain` is the score that ships; of every head `sums`, `query` and `null`."""

    def __init__(self, folder: Path):
        lines = [json.loads(line) for line in open(folder / "lists.jsonl")]
        chosen = [(i, line) for i, line in enumerate(lines) if any(line["grades"])]
        rows = {name: [] for name in ("plain", "positive", "peak", "untitled", "once", "sums", "query", "null", "tokens")}
        for i, line in chosen:
            query, null = np.fromfile(folder / f"{i}.f32", np.float32).reshape(2, line["rows"], -1).astype(np.float64)
            for (begin, end), read in zip(line["spans"], line["read"]):
                one, none = query[:, begin:end], null[:, begin:end]
                own = (one - none)[-OWN:].sum(0)
                kept, (tokens, place) = np.where(masking(own), own, 0), np.unique(read["ids"], return_inverse=True)
                highest = np.zeros(len(tokens))
                np.maximum.at(highest, place, kept)
                totals = kept.sum(), np.maximum(own, 0).sum(), own.max(), kept[read["title"] :].sum(), highest.sum()
                values = *totals, np.where(masking(one - none), one - none, 0).sum(-1), one.sum(1), none.sum(1), end - begin
                for name, value in zip(rows, values):
                    rows[name].append(value)
        self.__dict__.update({name: np.array(value) for name, value in rows.items()})
        flat = lambda name: np.concatenate([line[name] for _, line in chosen]).astype(np.float64)  # noqa: E731
        self.grades, self.search, self.call, self.shared = flat("grades"), flat("bm25"), flat("call"), flat("shared")
        self.tasks = np.array([line["task"] for _, line in chosen])
        self.sources = sorted({*self.tasks})
        self.counts = np.array([len(line["spans"]) for _, line in chosen])
        self.begins = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        self.owner = np.repeat(np.arange(len(chosen)), self.counts)
        discounted = lambda grades: ((2.0 ** np.array(grades[:10]) - 1) / np.log2(np.arange(len(grades[:10])) + 2)).sum()  # noqa: E731
        self.discounted, self.ideal = discounted, np.array([discounted(sorted(line["all"], reverse=True)) for _, line in chosen])

    def within(self, statistic, x):
        """A number for each list, at each of its documents."""
        return np.array([statistic(x[b : b + n]) for b, n in zip(self.begins, self.counts)])[self.owner]

    def z(self, x):
        mean = (np.add.reduceat(x, self.begins).T / self.counts).T[self.owner]
        spread = np.sqrt((np.add.reduceat((x - mean) ** 2, self.begins).T / self.counts).T)[self.owner]
        return (x - mean) / np.where(spread > 1e-15, spread, 1)

    def quality(self, x):
        return np.array([self.discounted(self.grades[b : b + n][np.argsort(-x[b : b + n], kind="stable")]) for b, n in zip(self.begins, self.counts)]) / self.ideal

    def fused(self, x, weight=0.5):
        return weight * self.z(x) + (1 - weight) * self.z(self.call)

    def against(self, values, base):
        per = [values[self.tasks == one] - base[self.tasks == one] for one in self.sources]
        error = np.sqrt(sum(own.var(ddof=1) / len(own) for own in per if len(own) > 1)) / len(per)
        level = np.mean([values[self.tasks == one].mean() for one in self.sources])
        return f"{level:.4f} {np.mean([own.mean() for own in per]):+.4f} ± {error:.4f}"

    def problem(self, x, sources):
        lists = np.isin(self.tasks, sources)
        rows, counts = lists[self.owner], self.counts[lists]
        begins = np.concatenate([[0], np.cumsum(counts)[:-1]])
        gold, owner = (self.grades[rows] > 0).astype(float), np.repeat(np.arange(len(counts)), counts)
        return x[rows], begins, owner, gold / np.add.reduceat(gold, begins)[owner]


def loss(problem, weights):
    """Listwise softmax cross-entropy with all gold documents alike, and its gradient."""
    x, begins, owner, target = problem
    logits = x @ weights
    most = np.maximum.reduceat(logits, begins)
    odds = np.exp(logits - most[owner])
    sums = np.add.reduceat(odds, begins)
    return ((most + np.log(sums)).sum() - target @ logits) / len(begins), x.T @ (odds / sums[owner] - target) / len(begins)


def solve(problem, weights, start, pull, least=-np.inf, steps=300):
    """The least loss + pull/2·|weights − start|², by accelerated proximal gradient steps."""
    rated = lambda w: (lambda value, slope: (value + pull / 2 * ((w - start) ** 2).sum(), slope + pull * (w - start)))(*loss(problem, w))  # noqa: E731
    ahead, momentum, step = weights, 1.0, 1.0
    for _ in range(steps):
        value, slope = rated(ahead)
        while True:
            following = np.maximum(ahead - step * slope, least)
            move = following - ahead
            if rated(following)[0] <= value + slope @ move + move @ move / (2 * step) + 1e-12 or step < 1e-10:
                break
            step /= 2
        momentum = 1.0 if (ahead - following) @ (following - weights) > 0 else momentum
        grown = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        change = following - weights
        ahead, weights, momentum, step = following + (momentum - 1) / grown * change, following, grown, 1.3 * step
        if np.abs(change).max() < 1e-5:
            break
    return weights


def held_out(lists, x, start, least=-np.inf):
    """Scores of each source by a fit to others."""
    start, out = np.array(start, float), np.zeros(len(x))
    order = np.random.RandomState(0).permutation(len(lists.sources))
    for part in range(6):
        test = [lists.sources[i] for i in order[part::6]]
        rest = [one for one in lists.sources if one not in test]
        losses = np.zeros(len(PULLS))
        for inner in range(4):
            weights = start
            fit, check = lists.problem(x, [one for one in rest if one not in rest[inner::4]]), lists.problem(x, rest[inner::4])
            for i, pull in enumerate(PULLS):
                weights = solve(fit, weights, start, pull, least, 100)
                losses[i] += loss(check, weights)[0]
        weights = solve(lists.problem(x, rest), start, start, PULLS[losses.argmin()], least)
        rows = np.isin(lists.tasks, test)[lists.owner]
        out[rows] = x[rows] @ weights
    return out


def main(folder: Path):
    lists = Lists(folder)
    plain, call = lists.plain, lists.call
    base, default = lists.quality(plain), lists.quality(lists.fused(plain))
    print(f"{len(lists.counts)} lists of {len(lists.sources)} sources; heads {lists.against(base, base)[:6]}, default {lists.against(default, default)[:6]}, BM25 {lists.against(lists.quality(lists.search), base)[:6]}, of the call {lists.against(lists.quality(call), base)[:6]}")

    def show(name, scores, joined=None):
        alone = "" if scores is None else lists.against(lists.quality(scores), base)
        joined = lists.fused(scores) if joined is None else joined
        print(f"{name:58} {alone:24} | {lists.against(lists.quality(joined), default)}", flush=True)

    tokens = lists.tokens
    show("without mask, per head", lists.sums[:, -OWN:].sum(1))
    show("positive tokens alone", lists.positive)
    show("highest token", lists.peak)
    show("text without number and title", lists.untitled)
    show("every different token once, its highest", lists.once)
    show("without null query", lists.query[:, -OWN:].sum(1))
    show("half the null query", (lists.query - 0.5 * lists.null)[:, -OWN:].sum(1))
    show("log of query / null, per head", np.log((lists.query + 1e-6) / (lists.null + 1e-6))[:, -OWN:].sum(1))
    show("z of each head", lists.z(lists.sums[:, -OWN:]).sum(1))
    for power in (0.1, 0.2, 0.3, 0.5, 1):
        show(f"by tokens^{power}", plain / tokens**power)
    for power in (0.5, 0.7):
        show(f"score^{power}", np.sign(plain) * np.abs(plain) ** power)
    for weight in (0.3, 0.4, 0.6, 0.7):
        show(f"weight {weight}", None, lists.fused(plain, weight))

    spread = lists.within(np.std, plain)[lists.begins].mean()
    scaled = (plain / spread)[:, None]
    heat = float(solve(lists.problem(scaled, lists.sources), np.ones(1), np.ones(1), 0)[0])
    unit = lambda x: x / np.array([x[b : b + n].std(0) for b, n in zip(lists.begins, lists.counts)]).mean(0)  # noqa: E731
    own, others, zeros = lists.sums[:, -OWN:] / spread, unit(lists.sums[:, :-OWN]), np.zeros
    show("fitted: weights of the nine heads, ≥ 0", held_out(lists, own, [heat] * OWN, 0))
    show("fitted: weights of the nine heads", held_out(lists, own, [heat] * OWN))
    show("fitted: query and null of each head", held_out(lists, np.hstack([lists.query[:, -OWN:], -lists.null[:, -OWN:]]) / spread, [heat] * 2 * OWN))
    show("fitted: heads of other layers too, ≥ 0", held_out(lists, np.hstack([scaled, others]), [heat, *zeros(others.shape[1])], 0))
    show("fitted: heads of other layers too", held_out(lists, np.hstack([scaled, others]), [heat, *zeros(others.shape[1])]))
    show("fitted: z of each head too", held_out(lists, np.hstack([lists.z(scaled), lists.z(own)]), [1.5, *zeros(OWN)]))
    show("fitted: log of tokens too", held_out(lists, np.hstack([scaled, np.log(tokens)[:, None]]), [heat, 0]))

    a, b = lists.z(plain), lists.z(call)
    lead = lambda x: (lambda s: (s[-1] - s[-2]) / max(s[-1], 1e-9))(np.sort(x))  # noqa: E731
    show("fitted fusion: one weight", None, held_out(lists, np.c_[a, b], [1, 1]))
    for name, of in {
        "spread of BM25": lists.within(lambda x: x.std() / max(x.mean(), 1e-9), call), "lead of BM25's first": lists.within(lead, call),
        "lead of the search's first": lists.within(lead, lists.search), "spread of heads": np.log(lists.within(np.std, plain) + 1e-9),
    }.items():
        of = (of - of.mean()) / of.std()
        show(f"fitted fusion: weight follows {name}", None, held_out(lists, np.c_[a, b, of * a, of * b], [1, 1, 0, 0]))
    show("fitted fusion: log of tokens, words shared", None, held_out(lists, np.c_[a, b, np.log(tokens), lists.shared], [1, 1, 0, 0]))
    show("fitted fusion: heads of other layers", None, held_out(lists, np.c_[a, b, others], [1, 1, *zeros(others.shape[1])]))


main(Path(sys.argv[1]))
