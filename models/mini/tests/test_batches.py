"""Prompts and batches: tokens are those of the whole text, spans those of the documents, masks what each mode promises."""

import unittest
from dataclasses import replace

from made_up import corpus, folder

import numpy as np
from qrmini.batches import Steps, collate, plan, prefix_tokens
from qrmini.config import STAGES
from qrmini.sampler import Prompt, Sampler
from qrmini.tokenizer import Tokenizer


def drawn(seed=0, documents=5):
    sampler = Sampler(corpus())
    rng = np.random.default_rng(seed)
    while True:
        prompt = sampler.draw(rng, STAGES["test"], documents, 60, 2)
        if prompt.queries:
            return prompt


class Prompts(unittest.TestCase):
    def test_assembled_tokens_are_the_tokens_of_the_text(self):
        tokenizer = Tokenizer(folder() / "small.model")
        vocabulary, pieces = corpus().vocabulary, corpus().pieces
        for seed in range(30):
            prompt = drawn(seed)
            batch = collate([prompt], pieces, False, queries=1, pad=1)
            query = batch.segment[0] == 1
            tokens = batch.tokens[0, 0].tolist() + batch.rows[0][(batch.segment[0] == 0)].tolist() + batch.rows[0][query].tolist()
            text = vocabulary.text(tokens)
            self.assertTrue(text.startswith(" Here are some paragraphs:\n\n[1] "))
            # A document cut inside a word ends in tokens that the whole text would not have: compare uncut ones.
            if all(len(body) < 60 for body in prompt.documents):
                self.assertEqual(tokens[1:], tokenizer.encode(text))

    def test_spans_show_numbers_and_documents_only(self):
        prompt, vocabulary = drawn(3), corpus().vocabulary
        for independent in (False, True):
            batch = collate([prompt], corpus().pieces, independent, queries=2, pad=8)
            flat = batch.tokens.reshape(1, -1)[0]
            for index, body in enumerate(prompt.documents):
                text = vocabulary.text(flat[batch.column_document[0] == index].tolist())
                number = 1 if independent else index + 1
                self.assertEqual(text, f"[{number}]{vocabulary.text(body.tolist())}")

    def test_rows_see_what_they_may(self):
        prompt = drawn(4)
        for independent in (False, True):
            batch = collate([prompt], corpus().pieces, independent, queries=3, pad=8)
            mask, segment = batch.mask()[0], batch.segment[0]
            columns = batch.column_document.shape[1]
            introduction = len(prefix_tokens(corpus().pieces))
            self.assertEqual(int(mask[0, :columns].sum()), int(batch.valid.sum()) - (introduction * 4 if independent else 0))
            among = mask[:, columns:]
            for row in (segment == 2).nonzero()[:, 0].tolist():
                self.assertEqual(set(segment[among[row]].tolist()), {0, 2})
                self.assertTrue(among[row, row])
                self.assertFalse(among[row, row + 1 :].any())

    def test_weights_average_instruction_and_query(self):
        batch = collate([drawn(5)], corpus().pieces, True, queries=3, pad=8)
        counted = batch.average[0].sum(-1)
        given = int(batch.weight[0].sum())
        np.testing.assert_allclose(counted[:given], 1, rtol=1e-5)
        np.testing.assert_allclose(counted[-1], 1, rtol=1e-5)
        self.assertEqual(int((batch.average[0, -1] > 0).sum()), len(corpus().pieces.instruction) + len(corpus().pieces.null_query))

    def test_positions_follow_the_longest_document(self):
        prompt = drawn(6)
        for independent in (False, True):
            batch = collate([prompt], corpus().pieces, independent, queries=1, pad=8)
            self.assertEqual(int(batch.positions[0, 0]), int(batch.valid[0].sum(-1).max()))

    def test_no_passage_stands_twice(self):
        for seed in range(20):
            bodies = [tuple(body.tolist()) for body in drawn(seed, 6).documents]
            self.assertEqual(len(set(bodies)), 6)


class Crowded(unittest.TestCase):
    def test_each_document_is_of_an_article_or_near_a_passage_before_it(self):
        wiki = corpus().wikipedia
        for seed in range(20):
            used: set[int] = set()
            runs = Sampler(corpus())._neighbourhood(np.random.default_rng(seed), used, 8, 60)
            self.assertGreater(len(runs), 2)
            reached: set[int] = {runs[0].begin}
            for run in runs:
                self.assertIn(run.begin, reached)
                article = wiki.article_of[run.begin]
                reached |= set(np.flatnonzero(wiki.article_of == article).tolist()) | set(wiki.neighbours[run.begin].tolist())
            passages = [p for run in runs for p in range(run.begin, run.end)]
            self.assertEqual(len(set(passages)), len(passages))

    def test_further_questions_point_at_their_documents(self):
        sampler, vocabulary = Sampler(corpus()), corpus().vocabulary
        stage = replace(STAGES["test"], real=1.0, crowded=1.0)
        several = 0
        for seed in range(20):
            prompt = sampler.draw(np.random.default_rng(seed), stage, 12, 200, 8)
            single = [(query, gold) for query, gold in prompt.queries if len(gold) == 1]
            several += len(single) > 4
            self.assertEqual(len({(tuple(query.tolist()), *gold) for query, gold in prompt.queries}), len(prompt.queries))
            for query, (gold,) in single:
                text = vocabulary.text(query).strip().lower().rstrip("?")
                self.assertIn(text, vocabulary.text(prompt.documents[gold]).lower())
        self.assertGreater(several, 5)



class Drawing(unittest.TestCase):
    def test_steps_do_not_depend_on_where_a_run_begins(self):
        stage, sampler = STAGES["test"], Sampler(corpus())
        whole, later = Steps(sampler, stage, 1, 0, 8, 8), Steps(sampler, stage, 1, 5, 8, 8)
        for (mode, a), (other, b) in zip(whole.step(6), later.step(1)):
            self.assertEqual(mode, other)
            self.assertTrue(bool((a.tokens == b.tokens).all()) and bool((a.rows == b.rows).all()))

    def test_plans_fit(self):
        for name, stage in STAGES.items():
            for seed in range(200):
                drawn_plan = plan(np.random.default_rng(seed), stage)
                longest = drawn_plan.documents * (drawn_plan.document_tokens + 7) + 88
                self.assertLessEqual(longest, stage.prompt_tokens + 1, name)
                self.assertGreaterEqual(drawn_plan.document_tokens, 20, name)
                self.assertTrue(1 <= drawn_plan.documents <= 64)

    def test_gold_documents_of_real_questions(self):
        sampler, questions = Sampler(corpus()), corpus().questions
        prompt, chosen, asked = Prompt(), [], []
        sampler._add_questions(np.random.default_rng(1), chosen, asked, 10)
        self.assertTrue(asked)
        for row, gold in asked:
            self.assertEqual([chosen[g] for g in gold], questions.gold[row].tolist())
        del prompt
