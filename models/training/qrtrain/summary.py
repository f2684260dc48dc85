"""`summary`: what rated lists give: nDCG@10 alone and fused, whether odds tell lists with an answer, and constants of relevance."""

from pathlib import Path

import numpy as np

from .data import read_lines
from .errors import InputError
from .measures import auc, fit_logistic, ideal_gain, kendall, ndcg, standardised
from .rate import ORDERS, id_of

WEIGHTS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9)
#: Parts of the questions, each rated by a fit to the others.
FOLDS = 10
#: Orders of each layout.
LAYOUTS = {"listwise": ("first", "random", "last"), "independent": ("apart",)}


class Judged:
    """A list of candidates with what is known of them: `gold`, places; or `grades`, which name documents beyond the list too."""

    def __init__(self, line: dict):
        grades = line.get("grades")
        own = [grades.get(d["id"], 0) for d in line["docs"]] if grades is not None else [i in line["gold"] for i in range(len(line["docs"]))]
        self.grades = np.array(own, np.float64)
        self.ideal = ideal_gain([g for g in (grades.values() if grades is not None else own) if g > 0])
        self.bm25 = np.array(line["bm25"], np.float64)
        self.shared = np.array(line.get("shared", []), np.float64)

    def quality(self, scores: np.ndarray) -> float:
        return ndcg(self.grades, scores, self.ideal)


def summarise(rated: "list[Path]", lines: Path, per_set: bool = False) -> "list[dict]":
    """One dictionary for every file, share and order, and one for every layout, in the order of the files.

    `ndcg`, `bm25` and `fused` are means over lists with an answer, or with `per_set` over sets whose lists have equal weight
    within a set; `error` is the standard error of the difference to BM25. `auc`: how well the highest odds of a list tell
    lists with an answer from those without. `relevance`: a and b of 1 / (1 + exp(−a − b · odds)), and how well odds tell
    documents that answer. `words`: where the lists have `shared`, the same with a constant for the share of the query's words
    that a document has; its `auc` and `lists` (as `auc` above) are of fits without the own tenth of the questions.
    """
    judged = {id_of(line): Judged(line) for line in read_lines(lines)}
    out = []
    for path in rated:
        read = read_lines(path)
        if missing := [one["id"] for one in read if one["id"] not in judged]:
            raise InputError(f"Expected the lists of {path} in {lines} but {len(missing)} are not there, as {missing[0]}")
        for share in sorted({one["share"] for one in read}):
            rows = [one for one in read if one["share"] == share]
            name = {"file": path.name, "share": share}
            orders = [order for order in ORDERS if order in rows[0]]
            out += [name | _of_order(rows, judged, order, per_set) for order in orders]
            for layout, own in LAYOUTS.items():
                if used := [order for order in own if order in orders]:
                    out.append(name | {"layout": layout, "relevance": _relevance(rows, judged, used), **_agreement(rows, used)})
    return out


def _of_order(rows: "list[dict]", judged: "dict[str, Judged]", order: str, per_set: bool) -> dict:
    answered = [row for row in rows if judged[row["id"]].ideal > 0]
    values = {"bm25": [], "ndcg": [], **{f"fused {weight}": [] for weight in WEIGHTS}}
    for row in answered:
        of, scores = judged[row["id"]], np.array(row[order]["scores"])
        values["bm25"].append(of.quality(of.bm25))
        values["ndcg"].append(of.quality(scores))
        for weight in WEIGHTS:
            values[f"fused {weight}"].append(of.quality(weight * standardised(scores) + (1 - weight) * standardised(of.bm25)))
    arrays = {name: np.array(own) for name, own in values.items()}
    tasks = np.array([row["task"] for row in answered])
    means = {task: {name: own[tasks == task].mean() for name, own in arrays.items()} for task in sorted({*tasks})}
    mean = lambda name: round(float(np.mean([own[name] for own in means.values()]) if per_set else arrays[name].mean()), 4)  # noqa: E731
    gain = arrays["ndcg"] - arrays["bm25"]
    line = {"order": order, "lists": len(answered), "ndcg": mean("ndcg"), "bm25": mean("bm25"), "error": round(float(gain.std() / len(gain) ** 0.5), 4)}
    line["fused"] = {str(weight): mean(f"fused {weight}") for weight in WEIGHTS}
    without = [max(row[order]["odds"]) for row in rows if judged[row["id"]].ideal == 0]
    if without:
        line |= {"without": len(without), "auc": round(auc(np.array([max(row[order]["odds"]) for row in answered]), np.array(without)), 4)}
    if per_set:
        line["sets"] = {task: {name: round(float(value), 4) for name, value in own.items()} for task, own in means.items()}
    return line


def _relevance(rows: "list[dict]", judged: "dict[str, Judged]", orders: "list[str]") -> dict:
    odds = np.array([value for row in rows for order in orders for value in row[order]["odds"]])
    right = np.array([grade > 0 for row in rows for _ in orders for grade in judged[row["id"]].grades])
    if right.all() or not right.any():
        return {}
    a, b = fit_logistic(odds, right)
    alone = {"a": round(a, 2), "b": round(b, 1), "documents": len(odds), "auc": round(auc(odds[right], odds[~right]), 4)}
    return alone | ({"words": _with_words(rows, judged, orders)} if all(len(judged[row["id"]].shared) for row in rows) else {})


def _with_words(rows: "list[dict]", judged: "dict[str, Judged]", orders: "list[str]") -> dict:
    """Constants of odds and shared words. A question's lists, with an answer and without, are left out of a fit together."""
    lists = [(row["id"].removesuffix("/none"), np.stack([row[order]["odds"], judged[row["id"]].shared], 1), judged[row["id"]].grades > 0)
             for row in rows for order in orders]
    fit = lambda own: fit_logistic(np.concatenate([x for _, x, _ in own]), np.concatenate([right for _, _, right in own]))  # noqa: E731
    fold = {name: place % FOLDS for place, name in enumerate(sorted({name for name, _, _ in lists}))}
    held: "list[tuple[np.ndarray, np.ndarray]]" = []
    for left in sorted({*fold.values()}):
        training = [one for one in lists if fold[one[0]] != left]
        if any(right.any() for _, _, right in training):
            a, *slopes = fit(training)
            held += [(a + x @ slopes, right) for name, x, right in lists if fold[name] == left]
    a, b, words = fit(lists)
    out = {"a": round(a, 2), "b": round(b, 1), "words": round(words, 2)}
    values, right = np.concatenate([z for z, _ in held]), np.concatenate([own for _, own in held])
    best = np.array([z.max() for z, _ in held])
    answered = np.array([own.any() for _, own in held])
    out["auc"] = round(auc(values[right], values[~right]), 4)
    return out | ({"lists": round(auc(best[answered], best[~answered]), 4)} if 0 < answered.sum() < len(answered) else {})


def _agreement(rows: "list[dict]", orders: "list[str]") -> dict:
    """Kendall's τ between the first of these orders and each other one."""
    first, *others = orders
    between = lambda order: float(np.mean([kendall(np.array(row[first]["scores"]), np.array(row[order]["scores"])) for row in rows]))  # noqa: E731
    return {"tau": {f"{first}, {order}": round(between(order), 3) for order in others}} if others else {}
