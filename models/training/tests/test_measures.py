"""Scores, measures and summaries by hand."""

import json
import math
import tempfile
import unittest
from pathlib import Path

import made_up  # noqa: F401

import numpy as np
from qrtrain.errors import InputError
from qrtrain.measures import auc, document_scores, fit_logistic, ideal_gain, kendall, ndcg
from qrtrain.rate import order_of
from qrtrain.summary import summarise


class MeasureTest(unittest.TestCase):
    def test_scores_as_the_retriever(self):
        query, null = np.array([0.5, 0.3, 0.31, 0.29, 0.3, 0.3, 0.31, -0.9, 0.2]), np.full(9, 0.1)
        document = np.array([-1, 0, 0, 0, 0, 0, 0, 0, 1])
        # −0.9 is far below the others of its document; a document of one token counts nothing.
        scores = document_scores(query, null, document, 2)
        self.assertAlmostEqual(scores[0], 1.81 - 6 * 0.1)
        self.assertEqual(scores[1], 0)

    def test_ndcg_and_kendall_by_hand(self):
        grades = np.array([0, 2, 1])
        ideal = ideal_gain([2, 1])
        self.assertAlmostEqual(ideal, 3 + 1 / math.log2(3))
        self.assertAlmostEqual(ndcg(grades, np.array([0.9, 0.5, 0.1]), ideal), (3 / math.log2(3) + 1 / 2) / ideal)
        self.assertAlmostEqual(kendall(np.array([1, 2, 3]), np.array([1, 3, 2])), 1 / 3)

    def test_auc_counts_pairs(self):
        self.assertEqual(auc(np.array([3.0, 1.0]), np.array([2.0, 1.0, 0.0])), (3 + 1.5) / 6)

    def test_constants_of_relevance_leave_no_residual(self):
        random = np.random.default_rng(1)
        x = np.concatenate([random.normal(0.001, 0.002, 900), random.normal(0.004, 0.003, 100)])
        right = np.arange(1000) >= 900
        a, b = fit_logistic(x, right)
        residual = np.where(right, 0.5 / 100, 0.5 / 900) * (1 / (1 + np.exp(-a - b * x)) - right)
        self.assertLess(abs(residual.sum()), 1e-8)
        self.assertLess(abs((residual * x).sum()), 1e-10)
        self.assertGreater(b, 100)

    def test_constants_of_two_numbers_are_those_that_made_the_data(self):
        random = np.random.default_rng(2)
        x = random.normal(0, [0.01, 0.3], (40_000, 2))
        right = random.random(40_000) < 1 / (1 + np.exp(-(200 * x[:, 0] + 3 * x[:, 1])))
        a, b, words = fit_logistic(x, right)
        self.assertLess(abs(a), 0.1)
        self.assertLess(abs(b / 200 - 1), 0.05)
        self.assertLess(abs(words / 3 - 1), 0.1)

    def test_orders(self):
        self.assertEqual(order_of("last", "q", 3), [2, 1, 0])
        self.assertEqual(order_of("first", "q", 3), [0, 1, 2])
        self.assertEqual(order_of("apart", "q", 3), [0, 1, 2])
        self.assertEqual(order_of("random", "q", 9), order_of("random", "q", 9))
        self.assertNotEqual(order_of("random", "q", 9), order_of("random", "r", 9))
        self.assertEqual(sorted(order_of("random", "q", 9)), list(range(9)))


class SummaryTest(unittest.TestCase):
    def test_words_tell_what_odds_do_not(self):
        # Odds are the same everywhere; a document that answers has all words of the query in seven questions of eight.
        docs, odds = [{"text": "a"}, {"text": "b"}], [0.1, 0.1]
        lines, rated = [], []
        for place in range(40):
            for gold, name in (([1], f"q{place:02}"), ([], f"q{place:02}/none")):
                shared = [0.25, 1.0 if gold and place % 8 else 0.5]
                lines.append({"id": name, "query": "?", "docs": docs, "gold": gold, "bm25": [2, 1], "shared": shared})
                rated.append({"id": name, "task": "t", "share": 1, "apart": {"scores": odds, "odds": odds}})
        *_, layout = self.run_on(lines, rated)
        self.assertEqual(layout["relevance"]["auc"], 0.5)
        words = layout["relevance"]["words"]
        self.assertGreater(words["words"], 1)
        # Of each question with an answer the best has 1 (35) or ½ (5), without one ½; fits of the parts differ a little.
        self.assertAlmostEqual(words["lists"], (35 + 5 / 2) / 40, delta=0.05)

    def run_on(self, lines, rated, **more):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "lines.jsonl").write_text("\n".join(map(json.dumps, lines)))
            (folder / "rated.jsonl").write_text("\n".join(map(json.dumps, rated)))
            return summarise([folder / "rated.jsonl"], folder / "lines.jsonl", **more)

    def test_pools_with_an_answer_and_without(self):
        docs = [{"text": "a"}, {"text": "b"}, {"text": "c"}]
        lines = [
            {"id": "x", "query": "?", "docs": docs, "gold": [1], "bm25": [3, 2, 1]}, {"id": "y", "query": "?", "docs": docs, "gold": [0], "bm25": [3, 2, 1]},
            {"id": "x/none", "query": "?", "docs": docs, "gold": [], "bm25": [3, 2, 1]},
        ]
        own = lambda scores: {"first": {"scores": scores, "odds": scores}, "last": {"scores": scores[::-1], "odds": scores}}  # noqa: E731
        rated = [{"id": "x", "task": "t", "share": 1, **own([0.1, 0.9, 0.2])}, {"id": "y", "task": "t", "share": 1, **own([0.3, 0.2, 0.1])},
                 {"id": "x/none", "task": "t", "share": 1, **own([0.5, 0, 0])}]
        first, last, layout = self.run_on(lines, rated)
        self.assertEqual((first["order"], first["lists"], first["without"], first["ndcg"]), ("first", 2, 1, 1.0))
        self.assertAlmostEqual(first["bm25"], (1 / math.log2(3) + 1) / 2, places=4)
        # .9 is above .5, .3 below.
        self.assertEqual(first["auc"], 0.5)
        self.assertEqual(first["fused"]["0.3"], round((1 / math.log2(3) + 1) / 2, 4))
        self.assertEqual(first["fused"]["0.9"], 1.0)
        self.assertEqual((last["order"], layout["layout"], layout["relevance"]["documents"]), ("last", "listwise", 18))
        # Of three pairs reversed scores have two as before, none, and two ties.
        self.assertEqual(layout["tau"], {"first, last": round((1 / 3 - 1 - 1 / 3) / 3, 3)})

    def test_candidates_of_an_evaluation_by_set(self):
        docs = [{"id": "a", "text": "a"}, {"id": "b", "text": "b"}]
        line = lambda task, query, grades: {"task": task, "query": query, "text": "?", "docs": docs, "bm25": [2, 1], "grades": grades}  # noqa: E731
        lines = [line("s", 1, {"b": 1}), line("s", 2, {"a": 1}), line("t", 1, {"b": 2, "gone": 1})]
        rated = [{"id": f"{one['task']}/{one['query']}", "task": one["task"], "share": 1, "apart": {"scores": [0.1, 0.2], "odds": [0.1, 0.2]}} for one in lines]
        apart = self.run_on(lines, rated, per_set=True)[0]
        # What the candidates lack counts in the best ranking.
        self.assertAlmostEqual(apart["sets"]["t"]["ndcg"], 3 / (3 + 1 / math.log2(3)), places=4)
        self.assertAlmostEqual(apart["sets"]["s"]["ndcg"], (1 + 1 / math.log2(3)) / 2, places=4)
        self.assertAlmostEqual(apart["ndcg"], (apart["sets"]["s"]["ndcg"] + apart["sets"]["t"]["ndcg"]) / 2, places=3)

    def test_lists_that_are_not_there_are_an_error(self):
        with self.assertRaisesRegex(InputError, "but 1 are not there, as gone"):
            self.run_on([], [{"id": "gone", "share": 1}])


if __name__ == "__main__":
    unittest.main()
