"""Files: what is written is what was learnt."""

import json
import tempfile
import unittest
import unittest.mock
from pathlib import Path

from made_up import GROUP, SHAPE, ranker, start

import gguf
import numpy as np
import torch
from qrtrain import checkpoint, cli, parity
from qrtrain.engine import REPOSITORY
from qrtrain.errors import InputError
from qrtrain.export import write_adapter, write_model
from qrtrain.losses import Objective
from qrtrain.rate import rate

LINES = [{"id": str(i), "query": question.text, "docs": [{"text": GROUP.texts[p]} for p in [*question.gold, *question.near[:4]]]}
         for i, question in enumerate(GROUP.questions[:3])]


def scores(opened):
    return [own[order][0] for own in rate(opened.model, opened.words, LINES, ("first", "apart")) for order in ("first", "apart")]


class FileTest(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.start = start(self.folder / "start.gguf")

    def learnt(self, rank=None) -> checkpoint.Opened:
        """Opened from a checkpoint whose values are unlike those of the start."""
        model, random = checkpoint.open_model(self.start, rank=rank).model, torch.Generator().manual_seed(4)
        with torch.no_grad():
            for value in model.learnt():
                value.add_(torch.randn(value.shape, generator=random) * 0.2)
        checkpoint.save(self.folder / "a.pt", model, Objective(SHAPE.heads), {"rank": rank})
        return checkpoint.open_model(self.start, self.folder / "a.pt", precision="f32")

    def test_an_exported_model_read_back_gives_the_same_scores(self):
        for rank in (None, 3):
            opened = self.learnt(rank)
            expected = scores(opened)
            before = scores(checkpoint.open_model(self.start, precision="f32"))
            write_model(self.folder / "exact.gguf", self.start, opened.model, {"general.name": "new"}, exact=True)
            found = scores(checkpoint.open_model(self.folder / "exact.gguf", precision="f32"))
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_allclose(one, other, atol=1e-6, rtol=1e-4)
            write_model(self.folder / "out.gguf", self.start, opened.model, {"general.name": "new"})
            rounded = checkpoint.open_model(self.folder / "out.gguf").model
            for name in [key.replace("-", ".") for key in rounded.weights]:
                value = opened.model.matrix(name).detach()
                # Blocks of 32 in steps of the largest value by 127 (Q8_0), or of the span by 15 (Q4_1).
                blocks = value.flatten().unflatten(0, (-1, 32))
                step = (blocks.amax(1) - blocks.amin(1)) / 15 if name == "token_embd" else blocks.abs().amax(1) / 127 * (value.dim() > 1)
                error = (rounded.matrix(name).detach() - value).flatten().unflatten(0, (-1, 32)).abs().amax(1)
                self.assertTrue((error <= 0.51 * step + 2e-3 * blocks.abs().amax(1) * (value.dim() > 1)).all(), name)
            self.assertGreater(max(float(np.abs(a - b).max()) for a, b in zip(before, expected)), 0.02)

    def test_tensors_keep_their_types_and_metadata_is_what_was_asked_for(self):
        opened, path = self.learnt(), self.folder / "out.gguf"
        write_model(path, self.start, opened.model, {"general.name": "new", "general.version": "v9", "general.file_type": ""})
        old, new = gguf.GGUFReader(self.start), gguf.GGUFReader(path)
        self.assertEqual([(t.name, t.tensor_type) for t in new.tensors], [(t.name, t.tensor_type) for t in old.tensors])
        fields = {key: field.contents() for key, field in new.fields.items()}
        self.assertEqual((fields["general.name"], fields["general.version"]), ("new", "v9"))
        self.assertNotIn("general.file_type", fields)
        self.assertEqual(fields["tokenizer.ggml.tokens"], old.fields["tokenizer.ggml.tokens"].contents())
        norm = next(t for t in new.tensors if t.name == "output_norm.weight")
        np.testing.assert_array_equal(norm.data, np.ones(SHAPE.width, np.float32))

    def test_an_adapter_of_share_one_equals_merged_weights(self):
        opened = self.learnt(3)
        path = self.folder / "adapter.gguf"
        for share in (1.0, 0.5):
            write_adapter(path, opened.model, "made up", share)
            reader = gguf.GGUFReader(path)
            tensors = {t.name: np.array(t.data, np.float64) for t in reader.tensors}
            self.assertTrue(all(t.tensor_type == gguf.GGMLQuantizationType.F16 for t in reader.tensors))
            alpha, rank = reader.fields["adapter.lora.alpha"].contents(), 3
            opened.model.share, changed = share, 0
            for key, weight in opened.model.weights.items():
                name = key.replace("-", ".")
                if f"{name}.weight.lora_a" in tensors:
                    made = alpha / rank * tensors[f"{name}.weight.lora_b"] @ tensors[f"{name}.weight.lora_a"]
                    expected = (opened.model.matrix(name) - weight).detach().double().numpy()
                    np.testing.assert_allclose(made, expected, atol=1e-5)
                    self.assertGreater(np.abs(expected).max(), 0.01)
                    changed += 1
        self.assertEqual(changed, 2 * 7 + 2)

    def test_a_checkpoint_of_another_model_and_a_template_are_errors(self):
        self.learnt(3)
        saved = checkpoint.read(self.folder / "a.pt")
        saved["learnt"]["adapter.blk-0-attn_q-a"] = torch.zeros(3, 7)
        checkpoint.write(self.folder / "b.pt", saved)
        with self.assertRaisesRegex(InputError, r"blk-0-attn_q-a is \(3, 7\), and there \(3, 32\)"):
            checkpoint.open_model(self.start, self.folder / "b.pt")
        with self.assertRaisesRegex(InputError, "without chat template"):
            checkpoint.open_model(start(self.folder / "template.gguf", template=True))

    def test_commands_write_the_files(self):
        said = []
        with unittest.mock.patch("builtins.print", lambda *values, **_: said.append(str(values[0]))):
            self.learnt(3)
            base = ["--start", str(self.start), "--checkpoint", str(self.folder / "a.pt"), "--name", "new"]
            self.assertEqual(cli.main(["adapter", *base, "--output", str(self.folder / "adapter.gguf")]), 0)
            self.assertEqual(cli.main(["export", *base, "--output", str(self.folder / "model.gguf"), "--set", "general.version=v3", "--exact"]), 0)
            self.learnt()
            self.assertEqual(cli.main(["adapter", *base, "--output", str(self.folder / "none.gguf")]), 1)
            self.assertEqual(cli.main(["export", *base, "--output", str(self.folder / "none.gguf"), "--set", "general.version"]), 1)
        self.assertEqual(json.loads(said[0])["bytes"], (self.folder / "adapter.gguf").stat().st_size)
        self.assertEqual(gguf.GGUFReader(self.folder / "model.gguf").fields["general.version"].contents(), "v3")
        self.assertRegex(said[2], "every weight")
        self.assertRegex(said[3], "KEY=VALUE")
        self.assertFalse((self.folder / "none.gguf").exists())


class ModelTest(unittest.TestCase):
    def test_share_is_the_way_from_the_released_weights_to_the_tuned_ones(self):
        model, plain = ranker(2, moved=0.3), ranker()
        name = "blk.1.ffn_up"
        model.share = 0.0
        self.assertTrue(torch.equal(model.matrix(name), plain.matrix(name)))
        model.share = 1.0
        whole = model.matrix(name) - plain.matrix(name)
        model.share = 0.25
        torch.testing.assert_close(model.matrix(name) - plain.matrix(name), 0.25 * whole, atol=1e-6, rtol=1e-4)

    def test_the_shipped_file_scores_as_in_the_engine(self):
        files = sorted((REPOSITORY / "models").glob("*.gguf"))
        if not files or not (REPOSITORY / "node_modules" / ".bin" / "tsx").exists():
            self.skipTest("needs a model in models/, `npm install` and the addon")
        for line in parity.run(files[0], 1e-2):
            self.assertGreater(line["largestScore"], 0.05)


if __name__ == "__main__":
    unittest.main()
