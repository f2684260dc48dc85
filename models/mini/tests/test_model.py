"""Model, loss and training against plain computations."""

import contextlib
import io
import math
import multiprocessing
import socket
import tempfile
import unittest
from pathlib import Path

from made_up import corpus, folder
from test_batches import drawn

import numpy as np
import torch
from qrmini import checkpoint, train
from qrmini.batches import collate
from qrmini.config import MODELS, STAGES, ModelConfig
from qrmini.loss import average_rows, ranking_loss, retrieval_loss
from qrmini.model import Mini
from qrmini.scoring import document_scores, ndcg, token_attention

CONFIG = ModelConfig(400, 32, 3, 2, 16, 48, 1e4, 1024)
MODELS["unit"] = CONFIG


def small_model(seed=0):
    torch.manual_seed(seed)
    model = Mini(CONFIG).double()
    for parameter in model.parameters():
        parameter.data.mul_(1.5)
    return model


def plain_forward(model, tokens, positions, allowed):
    """One sequence through every layer with an explicit mask: attention [layer][head, row, column] in float64."""
    c, found = model.config, []
    x = model.token_embd.weight[tokens]

    def norm(x, w):
        return x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-5) * w

    def spin(y):
        out = torch.zeros_like(y)
        for i in range(c.head_dim // 2):
            angle = positions.double() / c.rope_base ** (2 * i / c.head_dim)
            a, b = y[:, 2 * i], y[:, 2 * i + 1]
            out[:, 2 * i], out[:, 2 * i + 1] = a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()
        return out

    for layer in model.blk:
        h = norm(x, layer.attn_norm.weight)
        rows, fetched = [], []
        for head in range(c.heads):
            part = slice(head * c.head_dim, (head + 1) * c.head_dim)
            q, k = spin(h @ layer.attn_q.weight[part].t()), spin(h @ layer.attn_k.weight[part].t())
            a = (q @ k.t() / math.sqrt(c.head_dim)).masked_fill(~allowed, -math.inf).softmax(-1)
            rows.append(a)
            if not layer.last:
                fetched.append(a @ (h @ layer.attn_v.weight[part].t()))
        found.append(torch.stack(rows))
        if not layer.last:
            x = x + torch.cat(fetched, -1) @ layer.attn_output.weight.t()
            h = norm(x, layer.ffn_norm.weight)
            gate = h @ layer.ffn_gate.weight.t()
            x = x + (gate * torch.sigmoid(gate) * (h @ layer.ffn_up.weight.t())) @ layer.ffn_down.weight.t()
    return found


class Attention(unittest.TestCase):
    def test_masses_equal_those_of_one_plain_pass(self):
        model, pieces = small_model(), corpus().pieces
        for independent in (False, True):
            prompts = [drawn(8), drawn(9)]
            batch = collate(prompts, pieces, independent, queries=2, pad=8)
            batch.average = batch.average.double()
            with torch.no_grad():
                cache, _ = model.read(batch.tokens)
                mean = average_rows(model.look(cache, batch.rows, batch.positions, batch.mask(), batch.membership()).double(), batch.average)
            for which in range(2):
                for slot in (0, 2):
                    expected = self.plain(model, pieces, prompts[which], slot, independent)
                    got = mean[:, which, :, slot].numpy()
                    np.testing.assert_allclose(got, expected, atol=2e-6)

    def plain(self, model, pieces, prompt, slot, independent):
        """Mean attention on each document [retrieval layers, heads, documents], from one sequence with a mask."""
        tokens = [*pieces.introduction, *pieces.separator]
        prefix = len(tokens)
        positions, group = list(range(prefix)), [-1] * prefix
        longest, spans = prefix, []
        for index, body in enumerate(prompt.documents):
            piece = [*pieces.numbers[0 if independent else index], *body.tolist()]
            spans.append((len(tokens), len(tokens) + len(piece)))
            piece += pieces.separator
            start = prefix if independent else len(tokens)
            positions += range(start, start + len(piece))
            group += [index if independent else -1] * len(piece)
            tokens += piece
            longest = max(longest, start + len(piece))
        ending = prompt.queries[slot][0].tolist() if slot < len(prompt.queries) and slot < 2 else list(pieces.null_query)
        tail = [*pieces.instruction, *ending]
        begin = len(tokens)
        positions += range(longest, longest + len(tail))
        group += [-2] * len(tail)
        tokens += tail
        g = torch.tensor(group)
        allowed = torch.ones(len(tokens), len(tokens), dtype=torch.bool).tril()
        allowed &= (g[:, None] == -2) | (g[None] == -1) | (g[:, None] == g[None])
        with torch.no_grad():
            attention = plain_forward(model, torch.tensor(tokens), torch.tensor(positions), allowed)
        return np.array([
            [[attention[l][h, begin:, a:b].sum(-1).mean().item() for a, b in spans] for h in range(CONFIG.heads)]
            for l in CONFIG.retrieval
        ])

    def test_token_scores_sum_to_the_masses(self):
        model, pieces, prompt = small_model(1), corpus().pieces, drawn(11)
        query, null, document = token_attention(model.float(), pieces, prompt.documents, prompt.queries[0][0])
        batch = collate([prompt], pieces, False, queries=1, pad=8)
        with torch.no_grad():
            cache, _ = model.read(batch.tokens)
            mean = average_rows(model.look(cache, batch.rows, batch.positions, batch.mask(), batch.membership()), batch.average)
        for row, values in ((0, query), (1, null)):
            expected = mean.sum((0, 2))[0, row].numpy()
            np.testing.assert_allclose([values[document == i].sum() for i in range(len(prompt.documents))], expected, atol=1e-5)


class Losses(unittest.TestCase):
    def test_ranking_loss_by_hand(self):
        scores = torch.tensor([[1.0, 2.0, 0.5, 9.0]])
        gold, present = torch.tensor([[True, True, False, False]]), torch.tensor([[True, True, True, False]])
        one = lambda s: -math.log(math.exp(s) / (math.exp(s) + math.exp(0.5)))  # noqa: E731
        expected = (one(1.0) + one(2.0)) / 2
        self.assertAlmostEqual(ranking_loss(scores, gold, present).item(), expected, places=5)

    def test_padding_queries_do_not_count(self):
        torch.manual_seed(0)
        mean = torch.rand(2, 1, 3, 4, 5) / 10
        gold = torch.zeros(1, 3, 5, dtype=torch.bool)
        gold[0, 0, 1] = gold[0, 1, 2] = True
        present, weight = torch.ones(1, 3, 5, dtype=torch.bool), torch.tensor([[1.0, 1.0, 0.0]])
        whole = retrieval_loss(mean, gold, present, weight, torch.tensor(3.0))[0]
        fewer = retrieval_loss(mean[:, :, :, [0, 1, 3]], gold[:, :2], present[:, :2], weight[:, :2], torch.tensor(3.0))[0]
        self.assertAlmostEqual(whole.item(), fewer.item(), places=5)

    def test_scores_as_the_retriever(self):
        query = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, -0.5, 0.3, 0.2])
        null = np.zeros(9)
        document = np.array([0] * 7 + [1, -1])
        # −0.5 is below mean − 2·std of its document; one token has no deviation.
        np.testing.assert_allclose(document_scores(query, null, document, 2), [0.6, 0.0])

    def test_ndcg_by_hand(self):
        ideal = 3 + 1 / math.log2(3)
        self.assertAlmostEqual(ndcg(np.array([0, 2, 1]), np.array([0.1, 0.2, 0.9]), ideal), (1 + 3 / math.log2(3)) / ideal)


def run_quietly(options):
    with contextlib.redirect_stdout(io.StringIO()):
        train.run(options)


class Training(unittest.TestCase):
    def options(self, **more):
        return train.Options(data=folder() / "data", stage="test", model="unit", device="cpu", log_every=100, **more)

    def test_a_resumed_run_equals_an_uninterrupted_one(self):
        with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(io.StringIO()):
            root = Path(name)
            train.run(self.options(output=root / "a", steps=6, full=root / "a"))
            train.run(self.options(output=root / "b", steps=6, stop_at=3, full=root / "b"))
            train.run(self.options(output=root / "c", steps=6, checkpoint=root / "b", resume=True, full=root / "c"))
            a, c = checkpoint.read_full(root / "a"), checkpoint.read_full(root / "c")
            self.assertEqual(a["step"], c["step"])
            for part in ("model", "average"):
                for key, value in a[part].items():
                    self.assertTrue(torch.equal(value, c[part][key]), f"{part} {key}")

    def test_peers_end_with_the_mean_of_what_each_learned(self):
        with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(io.StringIO()):
            root = Path(name)
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                meeting = f"127.0.0.1:{free.getsockname()[1]}"
            together = [self.options(output=root / "both", full=root / "both", steps=3, peers=2, peer=peer, meeting=meeting, meet_every=4) for peer in (0, 1)]
            processes = [multiprocessing.get_context("spawn").Process(target=run_quietly, args=(options,)) for options in together]
            for process in processes:
                process.start()
            for peer in (0, 1):
                train.run(self.options(output=root / f"{peer}", full=root / f"{peer}", steps=3, peer=peer))
            for process in processes:
                process.join(120)
                self.assertEqual(process.exitcode, 0)
            both, first, second = (checkpoint.read_full(root / folder) for folder in ("both", "0", "1"))
            self.assertEqual(both["step"], 3)
            for key, value in both["model"].items():
                torch.testing.assert_close(value, (first["model"][key] + second["model"][key]) / 2, rtol=1e-5, atol=1e-6)
            self.assertGreater((first["model"]["token_embd.weight"] - second["model"]["token_embd.weight"]).abs().max().item(), 1e-4)

    def test_loss_falls(self):
        """On prompts seen again and again, in both modes."""
        stage = STAGES["test"]
        torch.manual_seed(0)
        trainer = train.Trainer(CONFIG, torch.device("cpu"), stage)
        prompts = [drawn(20), drawn(21)]
        batch = [(mode, collate(prompts, corpus().pieces, mode, stage.queries, 8)) for mode in (False, True)]
        losses = [trainer.update(batch, 0)["loss"].item() for _ in range(60)]
        self.assertLess(losses[-1], 0.6 * losses[2])

    def test_small_checkpoints_hold_the_weights_in_parts(self):
        with tempfile.TemporaryDirectory() as name:
            weights = {"big": torch.randn(3000, 4000), "small": torch.randn(7)}
            files = checkpoint.write_small(Path(name), CONFIG, weights, {"temperature": 3.0})
            self.assertGreater(len(files), 2)
            self.assertTrue(all(file.stat().st_size < 16 << 20 for file in files))
            config, read = checkpoint.read_weights(Path(name))
            self.assertEqual(config, CONFIG)
            for key, value in weights.items():
                torch.testing.assert_close(read[key], value, rtol=1e-2, atol=1e-2)
