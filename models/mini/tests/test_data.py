"""The data builder: nothing is lost on the way to tokens, and what must stay unseen does."""

import json
import unittest

from made_up import corpus, folder, wikipedia

import numpy as np
from qrmini import prepare
from qrmini.arrays import Ragged, load, save
from qrmini.bm25 import BM25
from qrmini.prompt import line_start
from qrmini.text import articles, passages_of
from qrmini.tokenizer import Tokenizer


class Text(unittest.TestCase):
    def test_passages_keep_every_sentence_of_long_paragraphs(self):
        article = next(articles(wikipedia(1)))
        body = wikipedia(1)
        for passage in article.passages:
            self.assertIn(" ".join(passage), body)
            self.assertTrue(30 <= sum(len(s.split()) for s in passage) <= 75)

    def test_short_lines_and_long_sentences(self):
        self.assertEqual(passages_of("Headings.\nA short line."), [])
        long = "word " * 100
        self.assertEqual(len(passages_of(long)), 1)


class Arrays(unittest.TestCase):
    def test_round_trip(self):
        target = folder() / "arrays"
        rows = Ragged.of([[1, 2, 3], [], [65535]])
        save(target, {"rows": rows, "plain": np.arange(6, dtype=np.int32).reshape(2, 3)}, {"note": "é"})
        data, info = load(target)
        self.assertEqual([list(data["rows"][i]) for i in range(3)], [[1, 2, 3], [], [65535]])
        np.testing.assert_array_equal(data["plain"], [[0, 1, 2], [3, 4, 5]])
        self.assertEqual(info, {"note": "é"})


class Tokens(unittest.TestCase):
    def test_text_is_encoded_literally(self):
        tokenizer = Tokenizer(folder() / "small.model")
        vocabulary = tokenizer.pieces()
        for text in ("two  spaces", " leading", "line\nbreak \n\n", "Łódź 東京 12.5%", "tail "):
            self.assertEqual(vocabulary.text(tokenizer.encode(text)), text)

    def test_a_text_at_the_beginning_of_a_line(self):
        tokenizer = Tokenizer(folder() / "small.model")
        for text in ("Harbour of Lima", "x", "1889 and later", "“Quoted” words", "Łódź is a city"):
            spaced, cut, start = line_start(tokenizer, text)
            self.assertEqual([*start, *spaced[cut:]], tokenizer.encode(text))

    def test_stored_passages_are_their_text(self):
        wiki, vocabulary = corpus().wikipedia, corpus().vocabulary
        texts = {" ".join(p) for a in articles(wikipedia()) for p in a.passages}
        found = 0
        for row in range(wiki.passages):
            text = vocabulary.text(np.concatenate(wiki.passage(row)))
            found += text[1:] in texts
            plain = vocabulary.text(np.concatenate([wiki.start[row], np.concatenate(wiki.passage(row))[int(wiki.cut[row]):]]))
            self.assertEqual(plain, text[1:])
        # The others were turned to lower case.
        self.assertGreater(found, wiki.passages * 0.6)
        self.assertLess(found, wiki.passages)


class Sets(unittest.TestCase):
    def test_neighbours_are_of_other_articles_and_share_words(self):
        near = prepare.neighbours(["red apple tart", "red apple pie", "blue comet tail", "green apple comet"], [0, 0, 1, 2], k=2)
        self.assertNotIn(1, near[0])
        self.assertEqual(list(near[0]), [3, -1])
        self.assertEqual(set(near[3]), {0, 1, 2} & set(near[3]))

    def test_questions_point_at_their_documents(self):
        questions, vocabulary = corpus().questions, corpus().vocabulary
        for row in range(len(questions.text)):
            text = vocabulary.text(questions.text[row]).strip().lower().rstrip("?")
            gold = [vocabulary.text(questions.documents.text[int(g)]).lower() for g in questions.gold[row]]
            if questions.listed[row]:
                self.assertEqual(len(gold), 2)
            else:
                self.assertIn(text, gold[0])
            self.assertFalse(set(questions.gold[row].tolist()) & set(questions.pool[row].tolist()))

    def test_held_out_queries_are_validated_and_not_trained_on(self):
        counts = json.loads((folder() / "counts.json").read_text())
        held = prepare.held_out_queries(folder() / "set", 0.3)
        self.assertEqual(counts["questions"]["set"] + len(held), 12)
        self.assertTrue(held)
        vocabulary = corpus().vocabulary
        trained = {vocabulary.text(corpus().questions.text[i]).strip() for i in range(len(corpus().questions.text))}
        validated = corpus().validation[0]
        for row in range(len(validated.text)):
            self.assertNotIn(vocabulary.text(validated.text[row]).strip(), trained)

    def test_overlap_finds_a_shared_run_of_words(self):
        seen = "a b c d e f g h i j k l m n o p q"
        overlap = prepare.Overlap([seen])
        self.assertIn("x " + seen[8:], overlap)
        self.assertNotIn("a b c d e f g h i j k l x m n", overlap)

    def test_bm25_by_hand(self):
        index = BM25(["cat cat dog", "dog", "bird"])
        # idf(cat) = ln(1 + 2.5/1.5); tf 2, length 3 of mean 5/3.
        expected = np.log(1 + 2.5 / 1.5) * 2 / (2 + 0.9 * (0.6 + 0.4 * 3 / (5 / 3)))
        np.testing.assert_allclose(index.scores("Cats")[0], expected, rtol=1e-6)
        self.assertEqual(index.top("dog bird", 3), [2, 1, 0])
