"""Runs of training: what they learn, that they go on as if they had not stopped, and that a seed gives the same steps."""

import json
import tempfile
import unittest
import unittest.mock
from pathlib import Path

from made_up import GROUP, ranker, start, weights, words

import torch
from qrtrain import checkpoint, cli
from qrtrain.losses import Objective
from qrtrain.steps import Settings, Steps, ahead, loader
from qrtrain.store import Store
from qrtrain.tune import Tuner, tune

WORDS = words()
CPU = torch.device("cpu")
GIVEN = Settings(seconds=60, rate=5e-3, step_tokens=100, tokens=(60, 120), workers=0, seed=2)


def steps(settings=GIVEN, first=0, stores=1) -> Steps:
    return Steps([GROUP], [Store(WORDS, [GROUP])] * stores, settings, first)


def tuner(rank=None, teacher_model=None, **more) -> Tuner:
    return Tuner(ranker(rank).train(), Settings(**{**vars(GIVEN), **more}), CPU, None, teacher_model)


def batches(count, first=0, stores=1):
    made = ahead(map(steps(stores=stores).make, range(first, first + count)), CPU)
    return [(one[0], one[1] if stores > 1 else []) for one in made]


def losses(one: Tuner, given) -> "list[dict]":
    return [{name: value.item() for name, value in one.one_step(*step, 0.1).items()} for step in given]


class StepsTest(unittest.TestCase):
    def same(self, one, two):
        for a, b in zip(one, two, strict=True):
            for left, right in zip(a[0], b[0], strict=True):
                self.assertEqual(left.shapes, right.shapes)
                self.assertTrue((left.flat == right.flat).all())

    def test_a_step_depends_on_the_seed_and_its_number_alone(self):
        whole = [steps().make(i) for i in range(4)]
        self.same([steps().make(i) for i in range(4)], whole)
        two = Settings(**{**vars(GIVEN), "workers": 2})
        iterator = iter(loader(steps(two)))
        self.same([next(iterator) for _ in range(4)], whole)
        del iterator
        iterator = iter(loader(steps(first=2)))
        self.same([next(iterator) for _ in range(2)], whole[2:])
        other = steps(Settings(**{**vars(GIVEN), "seed": 3})).make(0)
        self.assertFalse(other[0][0].shapes == whole[0][0][0].shapes and (other[0][0].flat == whole[0][0][0].flat).all())

    def test_layouts_come_as_often_as_they_are_asked_for(self):
        made = steps(Settings(**{**vars(GIVEN), "independent": 0.35, "both": 0.2}))
        found = {"both": 0, "apart": 0}
        for i in range(200):
            layouts = made.make(i)[0]
            batch = layouts[0].open(CPU)
            found["both"] += len(layouts) == 2
            found["apart"] += len(layouts) == 1 and len(batch.sequences) > len(batch.rows)
        self.assertTrue(20 < found["both"] < 60, found)
        self.assertTrue(45 < found["apart"] < 95, found)


class TunerTest(unittest.TestCase):
    def test_the_loss_falls_with_every_weight_and_with_a_low_rank_change(self):
        given = batches(1) * 20
        for rank, rate in ((None, 3e-3), (4, 1.5e-2)):
            found = losses(tuner(rank, rate=rate), given)
            name = "raw" if "raw" in found[0] else "rawApart"
            self.assertLess(found[-1][name], 0.93 * found[0][name])

    def test_a_low_rank_change_leaves_the_released_weights_alone(self):
        one = tuner(4)
        losses(one, batches(3))
        for name, value in weights().items():
            self.assertTrue(torch.equal(one.model.weights[name.replace(".", "-")], value), name)
        self.assertGreater(max(v.detach().abs().max().item() for n, v in one.model.adapter.items() if n.endswith("-b")), 0)

    def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(self):
        for rank in (None, 4):
            whole = tuner(rank)
            losses(whole, batches(3))
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "state"
                checkpoint.write(path, whole.state(12.0))
                again = tuner(rank)
                again.resume(torch.load(path, weights_only=True))
            self.assertEqual((again.step, again.before, again.tokens, again.prompts), (3, 12.0, whole.tokens, whole.prompts))
            self.assertEqual(losses(again, batches(3, again.step)), losses(whole, batches(3, 3)))
            for name, value in whole.model.state_dict().items():
                self.assertTrue(torch.equal(value, again.model.state_dict()[name]), name)

    def test_the_same_seed_learns_the_same(self):
        self.assertEqual(losses(tuner(4), batches(3)), losses(tuner(4), batches(3)))

    def test_a_teacher_is_followed(self):
        teacher = ranker(seed=5).requires_grad_(False)
        given = batches(1, stores=2) * 20
        one = tuner(teacher_model=(teacher, Objective(4)), rate=1e-3, teacher=1.0)
        found = losses(one, given)
        name = next(name for name in found[0] if name.startswith("teacher"))
        self.assertLess(found[-1][name], 0.7 * found[0][name])
        self.assertTrue(torch.equal(teacher.weights["token_embd"], ranker(seed=5).weights["token_embd"]))

    def test_the_rate_rises_and_falls(self):
        one = tuner()
        self.assertLess(one.rate(0.0), 0.1)
        self.assertAlmostEqual(one.rate(0.05), 1.0)
        self.assertAlmostEqual(one.rate(0.525), 0.5)
        self.assertEqual(one.rate(1.0), GIVEN.floor)


class CommandTest(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.start = start(self.folder / "start.gguf")
        GROUP.save(self.folder / "groups")
        quiet = unittest.mock.patch("builtins.print")
        quiet.start()
        self.addCleanup(quiet.stop)

    def tune(self, output, **more):
        given = Settings(**{**vars(GIVEN), "seconds": more.pop("seconds", 0.01)})
        return tune(self.start, self.folder / "groups", self.folder / output, given, **more)

    def test_a_source_brings_its_objective_and_its_facts(self):
        first = self.tune("first.pt", rank=4)
        self.assertEqual((first["steps"], first["settings"]["seed"], first["rank"]), (1, 2, 4))
        before = checkpoint.read(self.folder / "first.pt")
        before["objective"]["temperature"] += 0.7
        before["objective"]["slope"] += 2
        checkpoint.write(self.folder / "first.pt", before)
        second = self.tune("second.pt", source=self.folder / "first.pt")
        self.assertEqual((second["rank"], second["source"]), (4, first))
        after = checkpoint.read(self.folder / "second.pt")["objective"]
        for name in ("temperature", "slope", "offset"):
            # One step at the beginning of the rise moves them by less than a hundredth.
            self.assertAlmostEqual(float(after[name]), float(before["objective"][name]), delta=0.01)

    def test_a_kept_run_goes_on_where_it_stopped(self):
        state = self.folder / "state"
        first = self.tune("run.pt", state=state)
        self.assertEqual(self.tune("run.pt", state=state)["steps"], first["steps"])
        more = self.tune("run.pt", state=state, seconds=torch.load(state)["counts"]["seconds"] + 0.5)
        self.assertGreater(more["steps"], first["steps"])
        # The log says where the run ended.
        logged = [json.loads(line) for line in (self.folder / "run.jsonl").read_text().splitlines()]
        self.assertEqual((logged[-1]["step"], logged[-1]["tokens"]), (more["steps"], more["tokens"]))

    def test_a_teacher_and_its_student_have_their_own_vocabularies(self):
        self.tune("teacher.pt", rank=2)
        facts = self.tune("student.pt", teacher=(self.start, self.folder / "teacher.pt"))
        self.assertIn("teacher", (self.folder / "student.jsonl").read_text())
        self.assertIsNone(facts["rank"])

    def test_what_is_missing_is_said_in_a_line(self):
        errors = []
        with unittest.mock.patch("sys.stderr") as stream:
            stream.write = errors.append
            run = lambda *more: cli.main(["tune", "--seconds", "1", "--rate", "1e-3", "--output", str(self.folder / "x.pt"), *map(str, more)])  # noqa: E731
            groups = ("--groups", self.folder / "groups")
            (self.folder / "empty").mkdir()
            with unittest.mock.patch("builtins.print", print_to(errors)):
                for more in (
                    (*groups, "--start", "none.gguf"), ("--groups", "nowhere", "--start", self.start), ("--groups", self.folder / "empty", "--start", self.start),
                    (*groups, "--start", self.start, "--source", "none.pt"), (*groups, "--start", self.start, "--only", "nothing"),
                    (*groups, "--start", self.start, "--teacher-model", self.start, "late.pt"),
                ):
                    self.assertEqual(run(*more), 1)
        for line, said in zip(errors, ("file for the model to start from", "folder for --groups", "files .json in the folder", "file for the checkpoint", "nothing", "teacher's checkpoint"), strict=True):
            self.assertRegex(line, f"^models/training tune: Expected .*{said}")


def print_to(lines: "list[str]"):
    return lambda *values, **_: lines.append(" ".join(map(str, values)))


if __name__ == "__main__":
    unittest.main()
