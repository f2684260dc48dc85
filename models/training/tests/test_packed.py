"""Masses of packed prompts against one plain pass a question."""

import math
import random
import unittest

from made_up import GROUP, SHAPE, ranker, words

import torch
from qrtrain.packed import pack
from qrtrain.pick import Picked, Picker
from qrtrain.store import Store
from qrtrain.words import NULL_QUERY

WORDS = words()
STORE = Store(WORDS, [GROUP])


def prompts(count: int, seed: int = 1) -> "list[Picked]":
    """Prompts of other numbers of documents and questions."""
    picker, r = Picker([GROUP], most=4), random.Random(seed)
    made = [picker.pick(r, (90 + 40 * i, 100 + 40 * i)) for i in range(count)]
    for i, prompt in enumerate(made):
        prompt.queries = prompt.queries[: 2 + i]
    return made


def text_of(prompt: Picked, place: int, number: int) -> "list[int]":
    """Tokens of a document as it stands in the prompt, encoded as one text."""
    passage = prompt.documents[place]
    title, text = GROUP.titles[passage], GROUP.texts[passage]
    if passage in prompt.scraps:
        return WORDS.encode(f"[{number}]") + WORDS.encode(f" {text}")[: prompt.scraps[passage]]
    return WORDS.encode(f"[{number}] {title}\n{text}" if prompt.titled else f"[{number}] {text}")


def sequence_of(prompt: Picked, query: str, independent: bool):
    """One question's tokens, positions, who sees whom (explicitly, [S, S]), the document of each token, and where rows begin.

    What is read once, then the instruction with the question, in that order.
    """
    head, gap = WORDS.encode(" Here are some paragraphs:"), [WORDS.encode("\n")[0]] * 2
    begin = WORDS.ids["<|im_start|>"]
    texts = [text_of(prompt, i, 1 if independent else i + 1) for i in range(len(prompt.documents))]
    tokens, positions, owner, part, hidden = [], [], [], [], []

    def add(ids, document, own, hide=False):
        at = sum(p == own for p in part)
        tokens.extend(ids)
        positions.extend(range(at, at + len(ids)))
        owner.extend([document] * len(ids))
        part.extend([own] * len(ids))
        hidden.extend([hide] * len(ids))

    for i, text in enumerate(texts):
        own = i if independent else 0
        if independent or i == 0:
            # Each document is read behind the introduction; the question sees it once.
            add([begin, *head, *gap], -1, own, hide=i > 0)
        add(text, i, own)
        add(gap, -1, own)
    context = len(tokens)
    longest = max(sum(p == own for p in part) for own in set(part))
    ask = WORDS.encode("Please find information that are relevant to the following query in the paragraphs above.") + gap + WORDS.encode("Query:")
    ask += WORDS.encode(f" {query}")
    tokens += ask
    positions += range(longest, longest + len(ask))
    sees = torch.zeros(len(tokens), len(tokens), dtype=torch.bool)
    for row in range(len(tokens)):
        for column in range(row + 1):
            if row < context:
                sees[row, column] = part[row] == part[column]
            else:
                sees[row, column] = column >= context or not hidden[column]
    return torch.tensor(tokens), positions, sees, owner, context


def plain(model, tokens, positions, sees):
    """All layers in float64 with an explicit mask: attention of the deepest, [head][row, column]."""
    s = SHAPE
    weights = {name: model.matrix(name).detach().double() for name in [key.replace("-", ".") for key in model.weights]}
    x, n, d = weights["token_embd"][tokens], len(tokens), s.head_dim
    norm = lambda y, w: y / (y.pow(2).mean(-1, keepdim=True) + s.epsilon).sqrt() * w  # noqa: E731

    def rotate(y):
        out = y.clone()
        for pair in range(d // 2):
            angle = torch.tensor([p * s.rope_base ** (-2 * pair / d) for p in positions], dtype=torch.float64)
            a, b = y[:, 2 * pair], y[:, 2 * pair + 1]
            out[:, 2 * pair], out[:, 2 * pair + 1] = a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()
        return out

    for layer in range(s.layers):
        w = lambda part: weights[f"blk.{layer}.{part}"]  # noqa: B023, E731
        h = norm(x, w("attn_norm"))
        q, k = h @ w("attn_q").T, h @ w("attn_k").T
        found, fetched = [], []
        for head in range(s.heads):
            group = head // (s.heads // s.kv_heads)
            score = rotate(q[:, head * d : (head + 1) * d]) @ rotate(k[:, group * d : (group + 1) * d]).T / math.sqrt(d)
            found.append(score.masked_fill(~sees, float("-inf")).softmax(-1))
            if layer < s.layers - 1:
                fetched.append(found[-1] @ (h @ w("attn_v").T)[:, group * d : (group + 1) * d])
        if layer == s.layers - 1:
            return found
        x = x + torch.cat(fetched, 1) @ w("attn_output").T
        h = norm(x, w("ffn_norm"))
        x = x + (torch.nn.functional.silu(h @ w("ffn_gate").T) * (h @ w("ffn_up").T)) @ w("ffn_down").T


class PackedTest(unittest.TestCase):
    def test_masses_are_those_of_one_plain_pass_a_question(self):
        made, model = prompts(2), ranker(rank=3, moved=0.3)
        made[0].scraps = {made[0].documents[1]: 3}
        for independent in (False, True):
            batch = pack(STORE, made, independent)
            with torch.no_grad():
                mass = model.look(batch)
            self.assertEqual(mass.shape[:2], (2, SHAPE.heads))
            for b, prompt in enumerate(made):
                for place, query in [*enumerate(prompt.queries), (mass.shape[2] - 1, NULL_QUERY)]:
                    tokens, positions, sees, owner, context = sequence_of(prompt, query, independent)
                    for head, attention in enumerate(plain(model, tokens, positions, sees)):
                        mean = attention[context:, :context].mean(0)
                        expected = [float(mean[[o == i for o in owner]].sum()) for i in range(len(prompt.documents))]
                        found = mass[b, head, place, : len(expected)].double()
                        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), atol=3e-6, rtol=1e-4)
                    self.assertEqual(float(mass[b, :, place, len(prompt.documents) :].abs().sum()), 0)
            # The float64 pass tells prompts apart: the masses are not all alike.
            self.assertGreater(float(mass[0, :, 0, : len(made[0].documents)].std()), 1e-3)

    def test_padding_and_batch_mates_change_nothing(self):
        made, model = prompts(4, seed=3), ranker()
        self.assertGreater(len({len(p.documents) for p in made}), 1)
        self.assertGreater(len({len(p.queries) for p in made}), 1)
        for independent in (False, True):
            with torch.no_grad():
                together = model.look(pack(STORE, made, independent))
                for b, prompt in enumerate(made):
                    alone = model.look(pack(STORE, [prompt], independent))[0]
                    n, q = alone.shape[-1], len(prompt.queries)
                    torch.testing.assert_close(together[b][:, [*range(q), -1], :n], alone, atol=1e-6, rtol=1e-5)

    def test_masses_of_tokens_sum_to_those_of_documents(self):
        model, batch = ranker(), pack(STORE, prompts(2), True)
        with torch.no_grad():
            columns, mass = model.look(batch, per_token=True), model.look(batch)
        for document in range(mass.shape[-1]):
            inside = (batch.owner == document)[:, None, None]
            torch.testing.assert_close((columns * inside).sum(-1), mass[..., document], atol=1e-6, rtol=1e-5)

    def test_a_parcel_holds_the_batch(self):
        for independent in (False, True):
            batch = pack(STORE, prompts(3), independent)
            parcel = batch.parcel()
            for name, value in vars(parcel.open(torch.device("cpu"))).items():
                self.assertEqual(value.dtype, getattr(batch, name).dtype, name)
                self.assertTrue(torch.equal(value, getattr(batch, name)), name)
            self.assertEqual(parcel.flat.itemsize, 4)

    def test_gold_and_what_counts_stand_where_the_prompt_has_them(self):
        made = prompts(3, seed=7)
        batch = pack(STORE, made, False)
        for b, prompt in enumerate(made):
            for i in range(batch.asked.shape[1]):
                there = i < len(prompt.queries)
                self.assertEqual(bool(batch.asked[b, i]), there)
                self.assertEqual(set(batch.gold[b, i].nonzero().flatten().tolist()), prompt.gold[i] if there else set())
                counted = set(range(len(prompt.documents))) - prompt.ignored[i] if there else set()
                self.assertEqual(set(batch.present[b, i].nonzero().flatten().tolist()), counted)


if __name__ == "__main__":
    unittest.main()
