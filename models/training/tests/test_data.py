"""Groups, held-out questions, prompts and one short run of training."""

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
from qrbase import cli, probe
from qrbase.data import Group, build, held_out_pools, may_answer
from qrbase.evaluate import balanced, order_of, rank
from qrbase.sampler import Sampler, varied
from qrbase.scoring import Variants
from qrbase.train import Settings, Trainer, losses
from qrbase.validate import collect, orders_of, summarise

GROUP = build("made_up", lines())
WORDS = words()


class GroupTest(unittest.TestCase):
    def test_a_passage_has_all_its_questions_and_near_ones_hold_no_answer(self):
        self.assertEqual(len(GROUP.questions), 128)
        question = next(q for q in GROUP.questions if q.answer == "harbour" and not q.held_out)
        self.assertTrue(question.near)
        for passage in question.near:
            self.assertNotIn("harbour", GROUP.texts[passage].lower())
            self.assertFalse(may_answer(GROUP, question, passage))
        self.assertIn("Another text", GROUP.texts[question.negatives[0]])

    def test_held_out_questions_are_those_of_held_out_passages(self):
        held = {p for q in GROUP.questions if q.held_out for p in q.gold}
        self.assertTrue(held)
        self.assertFalse(held & {p for q in GROUP.questions if not q.held_out for p in q.gold})
        pools = held_out_pools(GROUP, 10, 4)
        self.assertTrue(pools)
        for pool in pools:
            self.assertEqual(pool["bm25"], sorted(pool["bm25"], reverse=True))
            self.assertIn(pool["query"], [q.text for q in GROUP.questions if q.held_out])

    def test_comes_back_from_its_file(self):
        with tempfile.TemporaryDirectory() as folder:
            GROUP.save(Path(folder))
            self.assertEqual(Group.load(Path(folder) / "made_up.json"), GROUP)


class SamplerTest(unittest.TestCase):
    def test_no_prompt_shows_a_held_out_passage_or_calls_an_answer_wrong(self):
        sampler = Sampler(WORDS, [GROUP], 1, (200, 500))
        held = [GROUP.texts[p] for q in GROUP.questions if q.held_out for p in q.gold]
        numbers = [text.split("number ")[1] for text in held]
        places = []
        for _ in range(60):
            sample = sampler.sample()
            shown = WORDS.tokenizer.decode(sample.prompt.context.tolist(), skip_special_tokens=False)
            for number in numbers:
                self.assertNotIn(f"number {number}", shown)
            count = sample.prompt.member.shape[1]
            for gold, ignored in zip(sample.gold, sample.ignored):
                self.assertFalse(gold & ignored)
                self.assertGreaterEqual(count - len(gold) - len(ignored), 2)
                places += [i / (count - 1) for i in gold]
        # Candidates are shuffled: what answers stands anywhere.
        self.assertLess(abs(np.mean(places) - 0.5), 0.1)

    def test_the_same_seed_draws_the_same_prompts(self):
        one, two = (Sampler(WORDS, [GROUP], 5, (200, 500)) for _ in range(2))
        for _ in range(5):
            a, b = one.sample(), two.sample()
            self.assertEqual(a.queries, b.queries)
            self.assertTrue(torch.equal(a.prompt.context, b.prompt.context))

    def test_queries_as_people_type_them(self):
        found = {varied("When was the Bridge finished?", random.Random(i)) for i in range(40)}
        self.assertEqual(found, {"When was the Bridge finished?", "when was the bridge finished", "when bridge finished"})


class TrainTest(unittest.TestCase):
    heads = [(1, 0), (2, 1), (2, 3)]

    def trainer(self, folder, steps=0):
        model = backbone()
        settings = Settings(heads=self.heads, first=1, rank=4, minutes=1, rate=5e-3, prompts=2)
        trainer = Trainer(model, Sampler(WORDS, [GROUP], 2, (200, 400)), settings, Path(folder))
        for _ in range(steps):
            trainer.one_step(0.1)
        return trainer

    def loss(self, trainer, samples):
        with torch.no_grad():
            return sum(float(losses(trainer.model.look(s.prompt, self.heads), s, trainer.temperature)[0]) for s in samples)

    def test_the_loss_falls_and_a_resumed_run_goes_on_as_if_it_had_not_stopped(self):
        sampler = Sampler(WORDS, [GROUP], 9, (200, 400))
        sample = sampler.sample()
        with tempfile.TemporaryDirectory() as folder:
            whole = self.trainer(folder)
            before = self.loss(whole, [sample])
            real, whole.sampler.sample = whole.sampler.sample, lambda: sample
            for _ in range(40):
                whole.one_step(0.1)
            whole.sampler.sample = real
            self.assertLess(self.loss(whole, [sample]), 0.8 * before)
            whole.save("here.pt", 0.5)
            after = [whole.one_step(0.1) for _ in range(3)]
            again = self.trainer(folder)
            again.resume(Path(folder) / "here.pt")
            self.assertEqual([again.one_step(0.1) for _ in range(3)], after)


class MeasuringTest(unittest.TestCase):
    def test_validation_goes_on_where_it_stopped_and_says_what_each_variant_gives(self):
        model = backbone()
        variants = Variants(model, WORDS, {"some": (1.0, [(1, 0), (2, 2)])})
        pools = held_out_pools(GROUP, 3, 4)
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "lines.jsonl"
            collect(variants, pools[:1], 2, output)
            collect(variants, pools, 2, output)
            found = [json.loads(line) for line in output.read_text().splitlines()]
            self.assertEqual([line["id"] for line in found], [pool["id"] for pool in pools])
            bm25, some = summarise(found)
            self.assertEqual(bm25["variant"], "bm25")
            self.assertAlmostEqual(some["less bm25"], some["ndcg"] - bm25["ndcg"], places=3)
        # Scores come back in the order of the pool, whatever order they were read in.
        order = orders_of(pools[0], 1)[0]
        placed, _ = variants.score([pools[0]["docs"][i] for i in order], pools[0]["query"])
        expected = [0.0] * len(order)
        for place, i in enumerate(order):
            expected[i] = float(f"{placed['some'][place]:.6g}")
        self.assertEqual(found[0]["scores"]["some"][0], expected)

    def test_orders_of_an_evaluation(self):
        self.assertEqual(order_of("last", "q", 3), [2, 1, 0])
        self.assertEqual(order_of("first", "q", 3), [0, 1, 2])
        self.assertEqual(order_of("random", "q", 9), order_of("random", "q", 9))
        self.assertEqual(sorted(order_of("random", "q", 9)), list(range(9)))
        tasks = [{"task": "a", "query": i} for i in range(3)] + [{"task": "b", "query": 9}]
        self.assertEqual([line["query"] for line in balanced(tasks, 2)], [0, 9, 1])
        docs = [{"id": str(i), "text": text} for i, text in enumerate(GROUP.texts[:3])]
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(2):
                line = {"task": "t", "query": "q", "text": "Who keeps it?", "docs": docs}
                rank(Variants(backbone(), WORDS, {"m": (1.0, [(2, 0)])}), [line], Path(folder), ["last", "first"], 1)
            journal = (Path(folder) / "last" / "t" / "results.jsonl").read_text().splitlines()
        self.assertEqual(len(journal), 2)
        outcome = json.loads(journal[1])
        self.assertEqual(outcome["scores"], sorted(outcome["scores"], reverse=True))

    def test_heads_are_chosen_one_after_another_by_what_they_add(self):
        # Head a is right on the first two questions, b on the third; c follows the place.
        def line(a, b, gold):
            return {"gold": [gold], "ignored": [], "heads": {"a": a, "b": b, "c": [0.0, 0.1, 0.2, 0.3]}}

        found = [line([1, 0, 0, 0], [0, 0, 0.1, 0], 0), line([0, 1, 0, 0], [0.1, 0, 0, 0], 1), line([0.1, 0, 0, 0], [0, 0, 1, 0], 2)]
        picked = probe.select(found, 2)
        self.assertEqual(picked[-1]["heads"], ["a", "b"])
        self.assertEqual(picked[-1]["ndcg"], 1.0)
        self.assertAlmostEqual(probe.place_bias(found, "c"), 1.0)


class CommandTest(unittest.TestCase):
    def test_choose_prints_a_line_each(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "lines.jsonl"
            path.write_text(json.dumps({"gold": [0], "ignored": [], "heads": {"1-0": [1, 0, 0], "1-1": [0, 1, 0]}}))
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                cli.main(["choose", str(path), "--most", "1"])
        self.assertEqual(json.loads(out.getvalue().splitlines()[-1])["heads"], ["1-0"])


if __name__ == "__main__":
    unittest.main()
