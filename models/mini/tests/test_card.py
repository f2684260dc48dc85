"""The card says what was measured, and nothing when something is missing."""

import unittest

import made_up  # noqa: F401
from qrmini.card import render

FACTS = {
    "name": "qrhead-mini v9", "file": "m.gguf", "layers": 5, "heads": 4, "headDim": 96, "width": 384, "feedForward": 1024,
    "parameters": 13.7, "megabytes": 16.1, "vocabulary": 16384, "context": 8192, "trainedTokens": 8000, "retrievalHeads": "all of 3 and 4",
    "training": "Text.", "cost": "25 minutes", "qualityNote": "nDCG@10.", "limits": "English.", "attribution": "Wikipedia contributors",
    "sets": {"cranfield": {"queries": 225, "bm25": 0.511, "mini": 0.531, "interval": [0.004, 0.036]}},
}


class Card(unittest.TestCase):
    def test_numbers_stand_in_the_table(self):
        self.assertIn("| cranfield | 225 | 0.511 | 0.531 | +0.020 (+0.004 to +0.036) |", render(FACTS))

    def test_a_missing_fact_is_an_error(self):
        with self.assertRaises(KeyError):
            render({key: value for key, value in FACTS.items() if key != "cost"})
