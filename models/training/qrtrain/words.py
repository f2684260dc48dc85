"""The vocabulary of a GGUF of SmolLM2's family, and the pieces of the prompt that qrhead writes for it."""

from pathlib import Path

from .errors import InputError

INTRODUCTION = " Here are some paragraphs:"
INSTRUCTION = "Please find information that are relevant to the following query in the paragraphs above."
LABEL = "Query:"
NULL_QUERY = "N/A"
#: The special token that stands before every prompt.
BEGIN = "<|im_start|>"
#: Tokens of a query that are read.
QUERY_LIMIT = 96


class Words:
    """Byte pairs with `smollm` splitting: digits stand alone, then GPT-2's pattern."""

    def __init__(self, tokens: "list[str]", merges: "list[tuple[str, str]]"):
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers

        self.ids = {token: i for i, token in enumerate(tokens)}
        self.tokenizer = Tokenizer(models.BPE(self.ids, merges))
        self.tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
        )
        self.tokenizer.decoder = decoders.ByteLevel()
        # Two line breaks before a visible character are two tokens: the pattern splits off the last blank.
        self.separator = self.encode("\n") * 2
        self.newline = self.encode("\n")
        self.head = [self.ids[BEGIN], *self.encode(INTRODUCTION)]
        self.instruction = self.encode(INSTRUCTION) + self.separator + self.encode(LABEL)
        self.null = self.query(NULL_QUERY)

    @staticmethod
    def of(path: Path) -> "Words":
        """@throws InputError for a file with a chat template, whose prompt would be another one."""
        import gguf

        fields = gguf.GGUFReader(path).fields
        if "tokenizer.chat_template" in fields:
            raise InputError(f"Expected a file without chat template but {path} has one; cut it with `plain: true` (scripts/base/cut.ts)")
        merges = [tuple(pair.split(" ", 1)) for pair in fields["tokenizer.ggml.merges"].contents()]
        return Words(fields["tokenizer.ggml.tokens"].contents(), merges)

    def encode(self, text: str) -> "list[int]":
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def query(self, text: str) -> "list[int]":
        """Tokens of ` text`, at most `QUERY_LIMIT`."""
        return self.encode(" " + text)[:QUERY_LIMIT]
