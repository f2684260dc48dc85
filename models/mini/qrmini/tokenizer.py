"""The vocabulary: byte pairs with byte fallback, and text to tokens exactly as llama.cpp does it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
BOS = 1


def train(lines: Iterable[str], output: Path, size: int = 16384) -> None:
    """Learns a vocabulary and writes `output` (a sentencepiece model).

    No space is put before a text and no whitespace is dropped: what is encoded is what is written, as with
    `add_space_prefix = false` in a GGUF.
    """
    import sentencepiece as spm

    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_prefix=str(output.with_suffix("")), vocab_size=size, model_type="bpe",
        byte_fallback=True, character_coverage=0.9995, split_digits=True, normalization_rule_name="identity",
        add_dummy_prefix=False, remove_extra_whitespaces=False, num_threads=2, unk_id=0, bos_id=1, eos_id=2, pad_id=-1,
        minloglevel=1,
    )


class Tokenizer:
    """Encodes text literally, whatever the model file says about spaces before it."""

    def __init__(self, path: Path):
        import sentencepiece as spm

        self.model = spm.SentencePieceProcessor(model_file=str(path))
        first = self.model.id_to_piece(self.model.encode("a")[0])
        self._dummy = first.startswith("▁")
        if self._dummy:
            self.model.override_normalizer_spec(add_dummy_prefix=False, remove_extra_whitespaces=False)

    def __len__(self) -> int:
        return self.model.vocab_size()

    def encode(self, text: str) -> list[int]:
        return self.model.encode(text)

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return self.model.encode(texts, num_threads=1)

    def pieces(self) -> "Vocabulary":
        model = self.model
        kinds = [
            UNKNOWN if model.is_unknown(i) else CONTROL if model.is_control(i) else BYTE if model.is_byte(i) else NORMAL
            for i in range(len(self))
        ]
        return Vocabulary([model.id_to_piece(i) for i in range(len(self))], [model.get_score(i) for i in range(len(self))], kinds)


@dataclass
class Vocabulary:
    """Pieces, scores and ggml token types: all that a GGUF and the training need, without sentencepiece."""

    pieces: list[str]
    scores: list[float]
    kinds: list[int]

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(self.__dict__, ensure_ascii=False))

    @staticmethod
    def load(path: Path) -> "Vocabulary":
        return Vocabulary(**json.loads(path.read_text()))

    def text(self, tokens: Iterable[int]) -> str:
        """Tokens back to text; control tokens show nothing."""
        data = b""
        for token in tokens:
            if self.kinds[token] == BYTE:
                data += bytes([int(self.pieces[token][3:5], 16)])
            elif self.kinds[token] == NORMAL:
                data += self.pieces[token].replace("▁", " ").encode()
        return data.decode("utf-8", "replace")
