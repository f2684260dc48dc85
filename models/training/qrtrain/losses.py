"""The losses. Scores are [B, Q, N]: prompts, questions, documents."""

import torch
import torch.nn.functional as F


def ranking_loss(scores, gold, present):
    """Cross-entropy of each gold document against the documents that are not gold, averaged.

    @param scores [..., N]; @param gold, present [..., N] bool.
    @returns [...]; 0 where there is no gold document.
    """
    scores = scores.float().masked_fill(~present, -1e4)
    others = scores.masked_fill(gold, -1e4).logsumexp(-1, keepdim=True)
    each = torch.logaddexp(scores, others) - scores
    return (each * gold).sum(-1) / gold.sum(-1).clamp(min=1)


def relevance_loss(logits, gold, counted):
    """Cross-entropy of documents that answer and of those that do not, each kind counting half."""
    right, wrong = counted & gold, counted & ~gold
    each = F.binary_cross_entropy_with_logits(logits, gold.float(), reduction="none")
    mean = lambda chosen: (each * chosen).sum() / chosen.sum().clamp(min=1)  # noqa: E731
    return 0.5 * (mean(right) + mean(wrong))


def _distribution(scores, present):
    return scores.float().masked_fill(~present, -1e4).log_softmax(-1)


def _mean(each, asked):
    return (each * asked).sum() / asked.sum().clamp(min=1)


def agreement_loss(first, second, present, asked):
    """Symmetric Kullback–Leibler divergence of two layouts' distributions over the same documents, mean over questions."""
    a, b = _distribution(first, present), _distribution(second, present)
    return _mean(0.5 * ((a.exp() - b.exp()) * (a - b)).masked_fill(~present, 0).sum(-1), asked)


def divergence(wanted, scores, present, asked):
    """Kullback–Leibler divergence of the student's distribution of documents from the teacher's, mean over questions."""
    p, q = _distribution(wanted, present), _distribution(scores, present)
    return _mean((p.exp() * (p - q)).masked_fill(~present, 0).sum(-1), asked)


class Objective(torch.nn.Module):
    """What is learnt beside the model: how sharp calibrated masses are made, and the constants of relevance."""

    def __init__(self, heads: int):
        super().__init__()
        self.temperature = torch.nn.Parameter(torch.tensor(40 / heads).log())
        self.offset = torch.nn.Parameter(torch.tensor(-2.0))
        self.slope = torch.nn.Parameter(torch.tensor(20.0).log())

    def scores(self, mass: torch.Tensor) -> torch.Tensor:
        """Calibrated masses × exp(temperature), [B, Q, N]. @param mass [B, H, Q + 1, N], the null query last."""
        total = mass.sum(1)
        return (total[:, :-1] - total[:, -1:]) * self.temperature.exp()

    def loss(self, mass: torch.Tensor, batch):
        """Ranking by calibrated masses, by raw ones and by every head alone, and relevance, which also learns from
        questions that no document answers. The README has the formulas.

        @param mass [B, H, Q + 1, N], the null query last; @param batch With `gold`, `present` and `asked`.
        @returns The loss, `scores`, and numbers for the log.
        """
        heads, total = mass.shape[1], mass.sum(1)
        raw, scores = total[:, :-1], self.scores(mass)
        gold, present = batch.gold, batch.present
        answered = batch.asked & gold.any(-1)
        mean = lambda values: _mean(values, answered)  # noqa: E731
        logarithm = lambda values: (values.clamp(min=0) + 1e-6).log()  # noqa: E731
        calibrated = mean(ranking_loss(scores, gold, present))
        masses = mean(ranking_loss(logarithm(raw), gold, present))
        alone = mean(ranking_loss(logarithm(mass[:, :, :-1]), gold[:, None], present[:, None]).mean(1))
        rest = (heads - raw.sum(-1, keepdim=True)).clamp(min=1e-3)
        logits = self.offset + self.slope.exp() * (raw - total[:, -1:]) / rest
        relevance = relevance_loss(logits, gold, present & batch.asked[..., None])
        best = scores.masked_fill(~present, -1e4).argmax(-1, keepdim=True)
        seen = {
            "calibrated": calibrated, "raw": masses, "heads": alone, "relevance": relevance,
            "top1": mean(gold.gather(-1, best).squeeze(-1)), "mass": mean((raw * present).sum(-1)) / heads,
        }
        return calibrated + 0.5 * masses + 0.1 * alone + 0.3 * relevance, scores, seen
