"""The forward pass, adapters and files against plain computations."""

import math
import tempfile
import unittest
from pathlib import Path

from made_up import SHAPE, backbone, words

import torch
from qrbase.scoring import Variants, kendall, quality
from qrbase.words import assemble

W = words()
DOCUMENTS = [W.document(1, None, "the bridge is old"), W.document(2, "Lima", "in the harbour"), W.document(3, None, "x")]


def plain(model, tokens, chosen):
    """One sequence through every layer with an explicit causal mask in float64: attention [chosen][row, column]."""
    weights = {name: value.double() for name, value in model.merged().items()}
    x, s, found = weights["token_embd"][tokens], model.shape, {}
    norm = lambda y, w: y / (y.pow(2).mean(-1, keepdim=True) + s.epsilon).sqrt() * w  # noqa: E731
    n, d = len(tokens), s.head_dim

    def rotate(y):
        out = y.clone()
        for position in range(n):
            for pair in range(d // 2):
                angle = position * s.rope_base ** (-2 * pair / d)
                a, b = y[position, 2 * pair], y[position, 2 * pair + 1]
                out[position, 2 * pair] = a * math.cos(angle) - b * math.sin(angle)
                out[position, 2 * pair + 1] = a * math.sin(angle) + b * math.cos(angle)
        return out

    for layer in range(s.layers):
        w = lambda part: weights[f"blk.{layer}.{part}"]  # noqa: B023, E731
        h = norm(x, w("attn_norm"))
        q, k = h @ w("attn_q").T, h @ w("attn_k").T
        fetched = []
        for head in range(s.heads):
            group = head // (s.heads // s.kv_heads)
            score = rotate(q[:, head * d : (head + 1) * d]) @ rotate(k[:, group * d : (group + 1) * d]).T / math.sqrt(d)
            attention = score.masked_fill(torch.ones(n, n).triu(1).bool(), float("-inf")).softmax(-1)
            found[layer, head] = attention
            if layer < s.layers - 1:
                v = h @ w("attn_v").T
                fetched.append(attention @ v[:, group * d : (group + 1) * d])
        if layer < s.layers - 1:
            x = x + torch.cat(fetched, 1) @ w("attn_output").T
            h = norm(x, w("ffn_norm"))
            x = x + (torch.nn.functional.silu(h @ w("ffn_gate").T) * (h @ w("ffn_up").T)) @ w("ffn_down").T
    return [found[one] for one in chosen]


class ForwardTest(unittest.TestCase):
    chosen = [(1, 0), (1, 3), (2, 2)]

    def adapted(self):
        model = backbone()
        model.adapt(1, 2, seed=3)
        for name, value in model.adapter.items():
            if name.endswith("-b"):
                value.data.normal_(0, 0.2, generator=torch.Generator().manual_seed(len(name)))
        return model

    def test_queries_of_one_prompt_see_what_each_would_see_alone(self):
        model, queries = self.adapted(), [W.query("the harbour"), W.query("is it old")]
        prompt = assemble(W, DOCUMENTS, queries)
        with torch.no_grad():
            mass = model.look(prompt, self.chosen)
        for b, query in enumerate([*queries, W.null]):
            tokens = torch.tensor(prompt.context.tolist() + W.instruction + query)
            rows = plain(model, tokens, self.chosen)
            for j, attention in enumerate(rows):
                mean = attention[len(prompt.context) :, : len(prompt.context)].mean(0)
                expected = torch.stack([mean[prompt.owner == i].sum() for i in range(3)])
                torch.testing.assert_close(mass[j, b].double(), expected, atol=2e-6, rtol=1e-4)

    def test_what_was_read_once_gives_the_same_for_every_adapter_behind_it(self):
        model, prompt = self.adapted(), assemble(W, DOCUMENTS, [W.query("the harbour")])
        with torch.no_grad():
            whole = model.look(prompt, self.chosen)
            torch.testing.assert_close(model.look(prompt, self.chosen, given=(1, model.read(prompt, 1))), whole)

    def test_share_is_the_way_from_the_base_weights_to_the_tuned_ones(self):
        model = self.adapted()
        docs, heads = [{"text": "the bridge is old"}, {"title": "Lima", "text": "in the harbour"}], self.chosen
        found, counts = Variants(model, W, {"none": (0.0, heads), "all": (1.0, heads), "one": (1.0, heads[:1])}).score(docs, "the harbour")
        plain_scores, _ = Variants(backbone(), W, {"": (1.0, heads)}).score(docs, "the harbour")
        torch.testing.assert_close(torch.tensor(found["none"]), torch.tensor(plain_scores[""]))
        self.assertGreater(abs(found["all"] - found["none"]).max(), 1e-4)
        self.assertGreater(abs(found["all"] - found["one"]).max(), 1e-6)
        self.assertEqual(counts, [len(W.document(1, None, docs[0]["text"])), len(W.document(2, "Lima", docs[1]["text"]))])

    def test_only_adapters_learn(self):
        model = self.adapted()
        model.look(assemble(W, DOCUMENTS, [W.query("the harbour")]), self.chosen).sum().backward()
        self.assertEqual({name.split("-")[1] for name, _ in model.adapter.items()}, {"1", "2"})
        self.assertTrue(all(not value.requires_grad for value in model.weights.values()))
        self.assertGreater(float(model.adapter["blk-2-attn_q-a"].grad.abs().sum()), 0)
        # Nothing reads what the head's own layer fetches.
        self.assertEqual(SHAPE.layers - 1, max(int(name.split("-")[1]) for name in model.adapter))


class FileTest(unittest.TestCase):
    def test_an_adapter_comes_back_as_it_was_written(self):
        try:
            from qrbase.export import read_adapter, write_adapter
            import gguf  # noqa: F401
        except ImportError:
            self.skipTest("needs the package gguf")
        model = ForwardTest().adapted()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "adapter.gguf"
            write_adapter(path, dict(model.adapter.items()), 2, 0.5, "made up")
            values, share = read_adapter(path)
        self.assertEqual(share, 0.5)
        self.assertEqual(set(values), set(model.adapter.keys()))
        for name, value in values.items():
            torch.testing.assert_close(value, model.adapter[name].data, atol=2e-3, rtol=1e-3)


class MeasureTest(unittest.TestCase):
    def test_quality_and_order(self):
        import numpy as np

        self.assertAlmostEqual(quality(np.array([0.1, 0.9, 0.5]), [2]), 1 / math.log2(3))
        self.assertAlmostEqual(quality(np.array([0.1, 0.9, 0.5]), [1, 2]), 1.0)
        self.assertEqual(kendall(np.array([1, 2, 3]), np.array([10, 20, 30])), 1.0)
        # Of three pairs one is the other way round.
        self.assertAlmostEqual(kendall(np.array([1, 2, 3]), np.array([1, 3, 2])), 1 / 3)


if __name__ == "__main__":
    unittest.main()
