"""The GGUF writer, read back by other means, and the exported model in the engine where node is at hand."""

import shutil
import struct
import tempfile
import unittest
from pathlib import Path

from made_up import folder

import numpy as np
import torch
from qrmini import checkpoint, gguf, parity
from qrmini.config import ModelConfig
from qrmini.model import Mini

REPOSITORY = Path(__file__).resolve().parents[3]
READY = (REPOSITORY / "node_modules/.bin/tsx").exists() and (REPOSITORY / "build/Release/qrhead.node").exists()


class Quantization(unittest.TestCase):
    def test_q8_0_is_within_half_a_step(self):
        values = np.random.default_rng(0).normal(size=(4, 96)).astype(np.float32)
        values[0, :32] = 0
        data = gguf.quantize_q8_0(values)
        self.assertEqual(data.shape, (4, 3 * 34))
        blocks = data.reshape(-1, 34)
        scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
        back = (scale * blocks[:, 2:].view(np.int8)).reshape(4, 96)
        step = np.abs(values.reshape(-1, 32)).max(1) / 127
        self.assertTrue((np.abs(back - values).reshape(-1, 32).max(1) <= step * 0.57 + 1e-9).all())

    def test_ragged_rows_are_refused(self):
        with self.assertRaises(ValueError):
            gguf.quantize_q8_0(np.zeros((2, 40), np.float32))


class File(unittest.TestCase):
    def test_header_and_data(self):
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "a.gguf"
            tensor = np.arange(6, dtype=np.float32).reshape(2, 3)
            size = gguf.write(path, [("general.architecture", "str", "llama"), ("n", "u32", 7)], {"a": tensor, "b": tensor[0]}, "f16")
            data = path.read_bytes()
            self.assertEqual(len(data), size)
            self.assertEqual(struct.unpack_from("<4sIQQ", data), (b"GGUF", 3, 2, 2))
            # The last padded block is b in f32, the one before it a in f16.
            np.testing.assert_array_equal(np.frombuffer(data[-32:-20], "<f4"), tensor[0])
            np.testing.assert_array_equal(np.frombuffer(data[-64:-52], "<f2"), tensor.ravel())


@unittest.skipUnless(READY and shutil.which("node"), "needs `npm install` in the repository")
class Engine(unittest.TestCase):
    def test_the_engine_gives_the_same_tokens_and_scores(self):
        torch.manual_seed(3)
        config = ModelConfig(400, 64, 3, 2, 32, 96, 1e4, 1024)
        model = Mini(config)
        with tempfile.TemporaryDirectory() as name:
            checkpoint.write_small(Path(name), config, dict(model.named_parameters()), {"temperature": 3.0}, torch.float32)
            found = parity.run(Path(name), folder() / "small.model", REPOSITORY, "f32", Path(name))
        self.assertLess(found["largestDifference"], 2e-3)
        self.assertGreater(found["largestScore"], 10 * found["largestDifference"])
