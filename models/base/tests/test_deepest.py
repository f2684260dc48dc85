"""Tuning the deepest layer on what was kept gives what the whole model gives with the same adapter."""

import contextlib
import io
import json
import random
import tempfile
import unittest
from pathlib import Path

from made_up import backbone, lines, words

import numpy as np
import torch
from qrbase import features, kept
from qrbase.data import build
from qrbase.deepest import Deepest, held_out, moved, of_prompts, tune
from qrbase.evaluate import order_of
from qrbase.sampler import Sampler
from qrbase.scoring import Variants

GROUP, WORDS = build("made_up", lines()), words()
HEADS = [(1, 2), (2, 0), (2, 3)]


class DeepestTest(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        first, features.FIRST = features.FIRST, 1
        listed, features.EVALUATED = features.EVALUATED, HEADS
        self.addCleanup(setattr, features, "FIRST", first)
        self.addCleanup(setattr, features, "EVALUATED", listed)
        for module in (kept, __import__("qrbase.deepest", fromlist=["deepest"])):
            for name in ("FIRST", "EVALUATED"):
                if hasattr(module, name):
                    self.addCleanup(setattr, module, name, getattr(module, name))
                    setattr(module, name, getattr(features, name))
        self.model = backbone()
        quiet = contextlib.redirect_stdout(io.StringIO())
        quiet.__enter__()
        self.addCleanup(quiet.__exit__, None, None, None)

    def learnt(self) -> Deepest:
        deepest = Deepest(self.model, 4, seed=1)
        for value in deepest.b.values():
            value.data.normal_(0, 0.2, generator=torch.Generator().manual_seed(3))
        return deepest

    def test_masses_are_those_of_the_whole_model_with_the_adapter(self):
        sample = Sampler(WORDS, [GROUP], 1, (200, 400)).sample()
        features.keep(self.model, sample, self.folder / "train-0.pt")
        deepest = self.learnt()
        with torch.no_grad():
            found = deepest.masses(deepest.open(self.folder / "train-0.pt"), HEADS)
            whole = backbone()
            whole.set_adapter(deepest.adapter())
            expected = whole.look(sample.prompt, HEADS)
        # What is kept is in bfloat16, which has three digits.
        torch.testing.assert_close(found, expected, atol=4e-3, rtol=2e-2)
        self.assertGreater(float((expected - self.model.look(sample.prompt, HEADS)).abs().max()), 2e-2)

    def test_the_loss_falls_and_nothing_learnt_is_the_model_as_it_was(self):
        sampler = Sampler(WORDS, [GROUP], 1, (200, 400))
        files = [self.folder / f"train-{i}.pt" for i in range(3)]
        for path in files:
            features.keep(self.model, sampler.sample(), path)
        features.collect(self.model, WORDS, [GROUP], self.folder / "more", 3, 1, (200, 400), 4, (0, 1))
        held = list((self.folder / "more").glob("held-*.pt"))
        self.assertEqual(len(held), 1)
        deepest, log = Deepest(self.model, 4, seed=1), []
        before = of_prompts(deepest, files, HEADS)
        none = held_out(deepest, held, HEADS)
        tune(deepest, files, HEADS, 30, 5e-2, 1, 1, lambda line: log.append(json.loads(line)))
        self.assertLess(log[-1]["raw"], 0.98 * log[0]["raw"])
        self.assertEqual(of_prompts(deepest, files, HEADS, 0.0), before)
        self.assertEqual(before["questions"], sum(deepest.open(path).gold.shape[1] for path in files))
        np.testing.assert_array_equal(held_out(deepest, held, HEADS, 0.0)["heads"], none["heads"])

    def test_documents_that_seem_to_stand_elsewhere_keep_their_tokens_together(self):
        features.keep(self.model, Sampler(WORDS, [GROUP], 1, (200, 400)).sample(), self.folder / "train-0.pt")
        one = Deepest(self.model, 4, 1).open(self.folder / "train-0.pt")
        found = moved(one, random.Random(3))
        self.assertEqual(sorted(found[: len(one.member)].tolist()), list(range(len(one.member))))
        orders = []
        for i in range(one.member.shape[1]):
            own = found[: len(one.member)][one.owner == i]
            self.assertTrue(bool((own[1:] == own[:-1] + 1).all()))
            orders.append(int(own[0]))
        self.assertNotEqual(orders, sorted(orders))
        self.assertTrue(torch.equal(found[len(one.member) :], one.positions[len(one.member) :]))

    def test_rankings_of_kept_queries_are_those_of_the_whole_model(self):
        docs = [{"id": f"d{i}", "title": GROUP.titles[i], "text": GROUP.texts[i]} for i in range(5)]
        line = {"task": "t", "query": "q/1", "text": "Who keeps the bridge?", "docs": docs}
        features.evaluated(self.model, WORDS, [line], self.folder / "kept", ["last", "first"], 400)
        deepest = self.learnt()
        sets = {"base": (0.0, HEADS), "half": (0.5, HEADS)}
        self.assertEqual(kept.rank(deepest, self.folder / "kept", self.folder / "out", sets), 2)
        found = [json.loads(text) for text in (self.folder / "out" / "first" / "t" / "results.jsonl").read_text().splitlines()[1:]]
        whole = backbone()
        whole.set_adapter(deepest.adapter())
        placed = [docs[i] for i in order_of("first", "q/1", 5)]
        expected, _ = Variants(whole, WORDS, sets).score(placed, line["text"])
        for outcome in found:
            scores = dict(zip(outcome["ids"], outcome["scores"]))
            for i, document in enumerate(placed):
                self.assertAlmostEqual(scores[document["id"]], expected[outcome["method"]][i], delta=1e-2)


if __name__ == "__main__":
    unittest.main()
