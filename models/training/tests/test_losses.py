"""The losses by hand, and what they learn from."""

import math
import unittest
from types import SimpleNamespace

import made_up  # noqa: F401

import torch
from qrtrain.losses import Objective, agreement_loss, divergence, ranking_loss, relevance_loss


def given(gold, present=None, asked=None):
    gold = torch.tensor(gold, dtype=torch.bool)
    present = torch.ones_like(gold) if present is None else torch.tensor(present, dtype=torch.bool)
    asked = torch.ones(gold.shape[:2], dtype=torch.bool) if asked is None else torch.tensor(asked)
    return SimpleNamespace(gold=gold, present=present, asked=asked)


def masses(batch, heads=2, seed=1):
    b, q, n = batch.gold.shape
    return (torch.rand(b, heads, q + 1, n, generator=torch.Generator().manual_seed(seed)) / (2 * n)).requires_grad_()


class LossTest(unittest.TestCase):
    def test_ranking_loss_by_hand(self):
        scores = torch.tensor([[2.0, 1.0, 0.0, 5.0]])
        gold, present = torch.tensor([[True, True, False, False]]), torch.tensor([[True, True, True, False]])
        # Each gold document against document 2 alone; document 3 does not count.
        expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1))) / 2
        self.assertAlmostEqual(float(ranking_loss(scores, gold, present)), expected, places=6)
        self.assertEqual(float(ranking_loss(scores, torch.zeros_like(gold), present)), 0)

    def test_relevance_loss_by_hand(self):
        logits, gold = torch.tensor([1.0, -1.0, 2.0, 9.0]), torch.tensor([True, False, False, False])
        counted = torch.tensor([True, True, True, False])
        right, wrong = math.log(1 + math.exp(-1)), (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(2))) / 2
        self.assertAlmostEqual(float(relevance_loss(logits, gold, counted)), (right + wrong) / 2, places=6)

    def test_divergences_by_hand(self):
        a, b = torch.tensor([[[0.0, math.log(3), 7.0]]]), torch.tensor([[[0.0, 0.0, -7.0]]])
        present, asked = torch.tensor([[[True, True, False]]]), torch.tensor([[True]])
        # Distributions (1/4, 3/4) and (1/2, 1/2); what does not count is in neither.
        one = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
        other = 0.5 * math.log(2) + 0.5 * math.log(2 / 3)
        self.assertAlmostEqual(float(divergence(a, b, present, asked)), one, places=6)
        self.assertAlmostEqual(float(agreement_loss(a, b, present, asked)), (one + other) / 2, places=6)
        self.assertEqual(float(agreement_loss(a, a, present, asked)), 0)
        self.assertEqual(float(divergence(a, b, present, torch.tensor([[False]]))), 0)

    def test_questions_without_an_answer_teach_relevance(self):
        batch = given([[[False, False, False]]])
        mass, objective = masses(batch), Objective(2)
        loss, _, seen = objective.loss(mass, batch)
        loss.backward()
        # Down with what documents get, up with the null query's.
        self.assertTrue((mass.grad[:, :, 0] > 0).all())
        self.assertTrue((mass.grad[:, :, 1] < 0).all())
        self.assertGreater(float(objective.offset.grad), 0)
        self.assertEqual(seen["calibrated"].item(), 0)
        self.assertTrue(math.isfinite(loss.item()))

    def test_questions_without_an_answer_do_not_dilute_the_ranking(self):
        both = given([[[True, False], [False, False]]])
        one = given([[[True, False]]])
        mass, objective = masses(both).detach(), Objective(2)
        alone = torch.cat([mass[:, :, :1], mass[:, :, 2:]], 2)
        found, expected = objective.loss(mass, both)[2], objective.loss(alone, one)[2]
        for name in ("calibrated", "raw", "heads", "top1"):
            self.assertAlmostEqual(found[name].item(), expected[name].item(), places=6)

    def test_what_does_not_count_teaches_nothing(self):
        batch = given([[[True, False, False], [False, True, False]]], [[[True, True, False], [True, True, True]]], [[True, False]])
        mass, objective = masses(batch), Objective(2)
        objective.loss(mass, batch)[0].backward()
        # Question 1 is padding. Document 2 of question 0 only stands in what the heads leave, which is the same for every document.
        self.assertEqual(float(mass.grad[:, :, 1].abs().sum()), 0)
        self.assertLess(float(mass.grad[0, :, 0, 2].abs().max()), 0.2 * float(mass.grad[0, :, 0, 1].abs().max()))
        self.assertGreater(float(mass.grad[0, :, 0, 1].min()), 0)
        self.assertLess(float(mass.grad[0, :, 0, 0].max()), 0)

    def test_scores_are_calibrated_masses_times_the_temperature(self):
        batch = given([[[True, False]]])
        mass, objective = masses(batch), Objective(2)
        expected = (mass[:, :, 0].sum(1) - mass[:, :, 1].sum(1)) * 20
        torch.testing.assert_close(objective.scores(mass)[:, 0], expected)


if __name__ == "__main__":
    unittest.main()
