"""Groups, held-out questions and what prompts hold."""

import json
import random
import shutil
import subprocess
import tempfile
import unittest
from collections import Counter
from pathlib import Path
from unittest import mock

from made_up import GROUP, lines

from qrtrain import encyclopedia
from qrtrain.bm25 import BM25
from qrtrain.data import Group, build, may_answer, prepare, read_lines
from qrtrain.errors import InputError
from qrtrain.pick import Picker, varied
from qrtrain.pools import held_out_pools, write_pools

HELD = {GROUP.texts[p] for q in GROUP.questions if q.held_out for p in q.gold}
#: Another file, of which a negative is a passage that is held out.
OTHER = build("other", [
    {"query": f"What is thing {i}?", "positive": f"Thing {i} is made of wood and stands in room {i}.", "negatives": sorted(HELD)} for i in range(60)
])


class GroupTest(unittest.TestCase):
    def test_a_passage_has_all_its_questions_and_near_ones_hold_no_answer(self):
        self.assertEqual(len(GROUP.questions), 128)
        question = next(q for q in GROUP.questions if q.answer == "harbour" and not q.held_out)
        self.assertTrue(question.near)
        for passage in question.near:
            self.assertNotIn("harbour", GROUP.texts[passage].lower())
        self.assertIn("Another text", GROUP.texts[question.negatives[0]])

    def test_held_out_questions_are_those_of_held_out_passages(self):
        held = {p for q in GROUP.questions if q.held_out for p in q.gold}
        self.assertTrue(held)
        self.assertFalse(held & {p for q in GROUP.questions if not q.held_out for p in q.gold})

    def test_prepare_writes_what_load_reads_and_keeps_what_is_there(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for file in ("one", "two", "climate_fever"):
                (folder / f"{file}.jsonl").write_text("\n".join(map(json.dumps, lines())))
            (folder / "groups").mkdir()
            (folder / "groups" / "two.json").write_text("kept")
            self.assertEqual(prepare(folder, folder / "groups"), ["one", "two"])
            found = Group.load(folder / "groups" / "one.json")
            self.assertEqual((found.texts, found.questions), (build("one", lines()).texts, build("one", lines()).questions))
            self.assertEqual((folder / "groups" / "two.json").read_text(), "kept")
            with self.assertRaisesRegex(InputError, "three is not among them"):
                prepare(folder, folder / "groups", ["three"])

    @unittest.skipUnless(shutil.which("zstd"), "needs zstd")
    def test_packed_lines_and_what_is_not_packed(self):
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "lines.jsonl"
            path.write_text("\n".join(map(json.dumps, lines(4000))))
            subprocess.run(["zstd", "-q", str(path)], check=True)
            packed = path.with_name("lines.jsonl.zst")
            self.assertEqual(read_lines(packed), lines(4000))
            # Nothing is taken for the whole that is not.
            packed.write_bytes(packed.read_bytes()[:-2000])
            with self.assertRaisesRegex(InputError, "to be packed with zstd"):
                read_lines(packed)
            path.write_text("{}\n{")
            with self.assertRaisesRegex(InputError, "Expected JSON in line 2 of"):
                read_lines(path)

    def test_bm25_by_hand(self):
        index = BM25(["red cats", "red dogs and red birds", "trees"])
        # Two of three documents have `red`: idf = ln(1 + 1.5 / 2.5). Lengths 2, 4 and 1, mean 7/3.
        idf, norm = 0.4700036, lambda length: 0.9 * (0.6 + 0.4 * length / (7 / 3))
        self.assertAlmostEqual(float(index.scores("reds")[0]), idf / (1 + norm(2)), places=5)
        self.assertAlmostEqual(float(index.scores("the red")[1]), idf * 2 / (2 + norm(4)), places=5)
        self.assertEqual(float(index.scores("red")[2]), 0)


class PoolTest(unittest.TestCase):
    def test_lines_have_an_answer_or_none(self):
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "pools.jsonl"
            done = write_pools([GROUP, Group("encyclopedia-0", GROUP.texts, GROUP.titles, GROUP.questions)], path, 10, 4)
            found = [json.loads(line) for line in path.read_text().splitlines()]
        self.assertEqual(done, {"answered": len(found) // 2, "none": len(found) // 2})
        self.assertTrue(found)
        for line in found:
            self.assertEqual(len(line["docs"]), 4)
            self.assertEqual(line["bm25"], sorted(line["bm25"], reverse=True))
            self.assertEqual([i for i, d in enumerate(line["docs"]) if d["text"] in HELD and self.answers(line, d)], line["gold"])
            self.assertEqual(bool(line["gold"]), not line["id"].endswith("/none"))

    @staticmethod
    def answers(line, document):
        question = next(q for q in GROUP.questions if q.text == line["query"])
        return document["text"] in [GROUP.texts[p] for p in question.gold]

    def test_only_held_out_questions(self):
        pools = held_out_pools(GROUP, 10, 4)
        self.assertTrue({pool["query"] for pool in pools} <= {q.text for q in GROUP.questions if q.held_out})


class PickTest(unittest.TestCase):
    def picked(self, count=150, scraps=0.5, seed=1):
        picker, r = Picker([GROUP, OTHER]), random.Random(seed)
        with mock.patch("qrtrain.pick.SCRAPS", scraps), mock.patch("qrtrain.pick.varied", lambda text, r: text):
            return [picker.pick(r, (200, 500)) for _ in range(count)]

    def test_no_prompt_shows_a_held_out_passage(self):
        for prompt in self.picked(400, scraps=1.0):
            texts = [GROUP, OTHER][prompt.group].texts
            self.assertFalse(HELD & {texts[p] for p in prompt.documents})

    def test_what_may_answer_and_is_not_judged_does_not_count(self):
        left_out = 0
        for prompt in self.picked():
            group = [GROUP, OTHER][prompt.group]
            for text, gold, ignored in zip(prompt.queries, prompt.gold, prompt.ignored):
                question = next(q for q in group.questions if q.text == text)
                self.assertFalse(gold & ignored)
                self.assertEqual({prompt.documents[i] for i in gold}, {p for p in question.gold if p in prompt.documents and p not in prompt.scraps})
                for i, p in enumerate(prompt.documents):
                    if i in gold or p in question.negatives:
                        continue
                    telling = bool(question.answer) and question.answer in group.texts[p].lower()
                    same_page = group.titles[p] is not None and group.titles[p] in [group.titles[g] for g in question.gold]
                    self.assertEqual(i in ignored, telling or same_page)
                    self.assertEqual(may_answer(group, question, p), telling or same_page)
                    left_out += i in ignored
        self.assertGreater(left_out, 20)

    def test_scraps_answer_nothing(self):
        seen = 0
        for prompt in self.picked(scraps=1.0):
            places = {prompt.documents.index(p) for p in prompt.scraps}
            seen += len(places)
            for gold in prompt.gold:
                self.assertFalse(gold & places)
        self.assertGreater(seen, 50)

    def test_documents_are_shuffled_and_some_questions_have_no_answer(self):
        places, none = [], 0
        for prompt in self.picked(200, scraps=0.2):
            self.assertEqual(len(set(prompt.documents)), len(prompt.documents))
            places += [i / (len(prompt.documents) - 1) for gold in prompt.gold for i in gold]
            none += sum(not gold for gold in prompt.gold)
        self.assertLess(abs(sum(places) / len(places) - 0.5), 0.06)
        self.assertGreater(none, 50)

    def test_the_same_seed_draws_the_same_prompts(self):
        self.assertEqual(self.picked(20, seed=5), self.picked(20, seed=5))
        self.assertNotEqual(self.picked(20, seed=5), self.picked(20, seed=6))

    def test_groups_without_other_passages_are_an_error(self):
        alone = Group("alone", ["One text."], [None], [q for q in build("alone", [{"query": "Which?", "positive": "One text."}]).questions])
        with self.assertRaisesRegex(InputError, "Expected groups"):
            Picker([alone]).pick(random.Random(1), (200, 500))

    def test_queries_as_people_type_them(self):
        found = {varied("When was the Bridge finished?", random.Random(i)) for i in range(40)}
        self.assertEqual(found, {"When was the Bridge finished?", "when was the bridge finished", "when bridge finished"})


class EncyclopediaTest(unittest.TestCase):
    def test_articles_that_share_thirteen_words_in_a_row_are_left_out(self):
        r = random.Random(3)
        word = lambda: "".join(r.choice("bcdfglmnprst") + r.choice("aeiou") for _ in range(3))  # noqa: E731
        sentence = lambda: " ".join(["The", *(word() for _ in range(11)), word()]) + "."  # noqa: E731
        shared = [word() for _ in range(13)]
        text = []
        for i in range(24):
            # Article 3 has the thirteen words, article 4 twelve of them; the last article counts too.
            inside = {3: [" ".join(["Then", *shared, "came."])], 4: [" ".join(["Then", *shared[:12], "came."])]}.get(i, [])
            text += [f"= Article {i} =", " ".join([sentence(), *inside, *(sentence() for _ in range(90))]), "Short."]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "text.txt").write_text("\n".join(text) + "\n")
            (folder / "apart.jsonl").write_text(json.dumps({"text": ["Seldom", " ".join(shared).upper() + "!"]}))
            found = {}
            for case, apart in (("apart", [folder / "apart.jsonl"]), ("all", [])):
                counts = encyclopedia.prepare(folder / "text.txt", folder / case, apart, size=1000)
                groups = [Group.load(path) for path in sorted((folder / case).glob("*.json"))]
                self.assertEqual([*counts], [group.name for group in groups])
                found[case] = {title for group in groups for title in group.titles}
            self.assertEqual(found["all"], {f"Article {i}" for i in range(24)})
            self.assertEqual(found["apart"], found["all"] - {"Article 3"})
            again = encyclopedia.prepare(folder / "text.txt", folder / "again", [folder / "apart.jsonl"], size=1000)
            self.assertEqual({p.name: p.read_text() for p in (folder / "again").iterdir()}, {p.name: p.read_text() for p in (folder / "apart").iterdir()})
            self.assertTrue(again)

    def test_a_sentence_that_is_asked_about_is_mostly_taken_out(self):
        run = [f"Sentence {word} has a few more words than eight in it." for word in ("alpha", "bravo", "charlie", "delta")]
        kept = 0
        for seed in range(100):
            text, asked = encyclopedia.questions("Title", run, Counter(), random.Random(seed))
            self.assertTrue(asked)
            kept += len(text.split(". ")) == 4
        self.assertTrue(8 < kept < 35, kept)


if __name__ == "__main__":
    unittest.main()
