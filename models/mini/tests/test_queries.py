"""Queries made from passages: what stays, and what is changed as people would."""

import unittest

from made_up import corpus

import numpy as np
from qrmini.queries import MAX_QUERY_TOKENS, QueryMaker, question_frames, split_words, word_families
from qrmini.sampler import Sampler


class Families(unittest.TestCase):
    def test_case_and_endings_make_relatives(self):
        pieces = ["▁team", "▁Teams", "▁tea", "▁walk", "▁walking", "ing", "▁1990", "▁The", "▁the", "▁mar", "▁mars"]
        found = {pieces[t]: {pieces[o] for o in others} for t, others in word_families(pieces).items()}
        self.assertEqual(found, {
            "▁team": {"▁Teams"}, "▁Teams": {"▁team"}, "▁walk": {"▁walking"}, "▁walking": {"▁walk"},
            "▁The": {"▁the"}, "▁the": {"▁The"}, "▁mar": {"▁mars"}, "▁mars": {"▁mar"},
        })


class Frames(unittest.TestCase):
    def test_a_frame_is_what_stands_before_the_first_rare_word(self):
        begins = np.array([True, True, True, True, False])
        rarity = np.array([0.5, 1.0, 1.5, 6.0, 7.0])
        questions = [np.array(q) for q in ([0, 1, 3, 4, 2], [3, 0, 1], [0, 1, 2], [0, 3])]
        frames = question_frames(questions, begins, rarity)
        self.assertEqual([frame.tolist() for frame in frames], [[0, 1], [0, 1, 2]])


class Disturbed(unittest.TestCase):
    def setUp(self):
        self.begins = np.array([True] * 40)
        self.rarity = np.full(40, 3.0)
        self.rarity[7] = 9.0
        self.rarity[20:] = 3.0

    def maker(self, families=None):
        return QueryMaker(self.begins, self.rarity, np.zeros(40, bool), {"name": [], "number": [], "year": [], "mark": np.array([1])}, families)

    def test_words_come_from_the_others_and_the_one_that_says_most_stays(self):
        maker, query, others = self.maker(), np.arange(4, 12), np.arange(20, 40)
        changed = 0
        for seed in range(60):
            got = maker.disturb(np.random.default_rng(seed), query, others)
            self.assertEqual(len(got), len(query))
            self.assertEqual(got[3], 7)
            other = got != query
            self.assertTrue(set(got[other].tolist()) <= set(range(20, 40)))
            changed += other.sum()
        # Half of the queries, a quarter of their seven other words.
        self.assertTrue(0.06 < changed / (60 * 8) < 0.17)

    def test_relatives_are_of_the_family(self):
        maker, query = self.maker({5: np.array([30])}), np.arange(4, 8)
        seen = {tuple(maker.disturb(np.random.default_rng(seed), query, np.array([1])).tolist()) for seed in range(60)}
        self.assertEqual({q[1] for q in seen} - {1}, {5, 30})

    def test_drawn_queries_fit(self):
        sampler = Sampler(corpus())
        self.assertTrue(sampler.maker.frames)
        wiki = corpus().wikipedia
        rng = np.random.default_rng(0)
        for _ in range(200):
            row = int(rng.integers(wiki.passages))
            query, drop = sampler.maker.make(rng, wiki.passage(row), wiki.title[0], wiki.title_lower[0])
            query = sampler.maker.disturb(rng, query, np.concatenate(wiki.passage(0)))
            self.assertTrue(0 < len(query) <= MAX_QUERY_TOKENS)
            self.assertTrue(split_words(query, corpus().begins_word))
            self.assertTrue(-1 <= drop < len(wiki.passage(row)))
