"""The losses. Masses are [retrieval layers, B, H, R, N] of the rows of instruction and queries."""

import torch
import torch.nn.functional as F


def average_rows(masses, weights):
    """Mean attention of each query's tokens, as the retriever averages: [layers, B, H, Q, N].

    @param weights [B, Q, R] what each row counts for each query; rows sum to one.
    """
    return torch.einsum("lbhrn,bqr->lbhqn", masses, weights)


def ranking_loss(scores, gold, present):
    """Cross-entropy of each gold document against the documents that are not gold, averaged.

    @param scores [..., N]; @param gold, present [..., N] bool.
    @returns [...]; 0 where there is no gold document.
    """
    scores = scores.float().masked_fill(~present, -1e4)
    others = scores.masked_fill(gold, -1e4).logsumexp(-1, keepdim=True)
    each = torch.logaddexp(scores, others) - scores
    return (each * gold).sum(-1) / gold.sum(-1).clamp(min=1)


def retrieval_loss(mean, gold, present, weight, temperature):
    """The three parts that the first model was trained with, and what they show.

    Calibrated: cross-entropy of (sum over heads of mass − the null query's) × exp(temperature): the score that ranks.
    Without it in the loss, calibration hurts. Raw: the same of the log of the normalised mass, which keeps learning
    where the calibrated score saturates. Heads: the same of every head alone, so that each becomes a retrieval head.

    @param mean [layers, B, H, Q + 1, N]; the null query is last.
    @param gold, present [B, Q, N]; @param weight [B, Q] 0 for queries that are padding.
    @returns Loss, calibrated scores × exp(temperature) [B, Q, N], and numbers for the log.
    """
    total = mean.sum((0, 2))
    queries, null = total[:, :-1], total[:, -1:]
    calibrated = (queries - null) * temperature.exp()
    raw = (queries.clamp(min=0) + 1e-6).log()
    heads = (mean[:, :, :, :-1].clamp(min=0) + 1e-6).log()
    share = weight / weight.sum().clamp(min=1)
    parts = {
        "calibrated": (ranking_loss(calibrated, gold, present) * share).sum(),
        "raw": (ranking_loss(raw, gold, present) * share).sum(),
        "heads": (ranking_loss(heads, gold[None, :, None], present[None, :, None]).mean((0, 2)) * share).sum(),
    }
    best = calibrated.masked_fill(~present, -1e4).argmax(-1, keepdim=True)
    seen = {
        **{name: part.detach() for name, part in parts.items()},
        "top1": (gold.gather(-1, best).squeeze(-1) * share).sum().detach(),
        "mass": ((queries * present).sum(-1) * share).sum().detach() / mean.shape[0] / mean.shape[2],
    }
    return parts["calibrated"] + 0.5 * parts["raw"] + 0.1 * parts["heads"], calibrated, seen


def agreement_loss(first, second, present, weight):
    """Symmetric Kullback–Leibler divergence between two modes' rankings of the same documents, [B, Q, N] scores."""
    a = first.float().masked_fill(~present, -1e4).log_softmax(-1)
    b = second.float().masked_fill(~present, -1e4).log_softmax(-1)
    each = 0.5 * ((a.exp() - b.exp()) * (a - b)).masked_fill(~present, 0).sum(-1)
    return (each * weight).sum() / weight.sum().clamp(min=1)


def language_loss(model, hidden, tokens, valid, limit):
    """Next-token cross-entropy on at most `limit` evenly spread tokens.

    @param hidden [B, S, L, width]; @param tokens, valid [B, S, L].
    """
    usable = (valid[:, :, 1:] & valid[:, :, :-1]).flatten().nonzero().squeeze(-1)
    if len(usable) > limit:
        usable = usable[torch.arange(limit, device=usable.device) * len(usable) // limit]
    given = hidden[:, :, :-1].flatten(0, 2)[usable]
    return F.cross_entropy(model.predict(given).float(), tokens[:, :, 1:].flatten()[usable])
