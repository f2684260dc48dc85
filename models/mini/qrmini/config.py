"""Shapes of models, and the stages of a training run."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class ModelConfig:
    """A llama. Of the last layer only queries and keys exist: its heads look, and nothing reads what they fetch."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    head_dim: int
    feed_forward: int
    rope_base: float
    #: Longest prompt in tokens that the exported file declares.
    context: int
    #: How many of the last layers hold retrieval heads.
    retrieval_layers: int = 2

    @property
    def retrieval(self) -> range:
        """Retrieval layers, 0-based."""
        return range(self.layers - self.retrieval_layers, self.layers)

    def to_dict(self) -> dict:
        return asdict(self)


MODELS = {
    # The first model: 8,192 pieces, 4 layers. Its weights are where the tests at small scale start from.
    "v1": ModelConfig(8192, 256, 4, 8, 32, 640, 1e4, 4096),
    # Few wide heads because attention on the CPU costs per head and pair of tokens, hardly per dimension: of the shapes
    # that were timed (README) this is the deepest near a second for 30 documents. A RoPE base of 500,000 leaves a third
    # of each head nearly unrotated over 8k tokens: matching by content, wherever it stands.
    "v2": ModelConfig(16384, 384, 5, 4, 96, 1024, 5e5, 8192),
    "v2-deep": ModelConfig(16384, 384, 6, 6, 64, 1024, 5e5, 8192),
    "v2-8k": ModelConfig(8192, 384, 5, 4, 96, 1024, 5e5, 8192),
    "v2-4": ModelConfig(8192, 384, 4, 4, 96, 1024, 5e5, 4096),
    "tiny": ModelConfig(8192, 64, 3, 4, 32, 128, 1e4, 4096),
}


@dataclass(frozen=True)
class Stage:
    """One stage of a run: what its prompts look like, and how fast it learns."""

    #: Learning rate at the beginning (after the warm-up) and at the end; linear in between.
    rate: float
    rate_end: float
    warmup: int
    #: Document tokens of one step, over all its prompts.
    step_tokens: int
    #: Longest prompt in tokens.
    prompt_tokens: int
    #: Documents of a prompt.
    documents: tuple[int, int]
    #: Longest document, in tokens.
    document_tokens: int
    #: Share of steps whose documents stand each in a sequence of its own.
    independent: float
    #: Share of prompts that begin with real questions.
    real: float
    #: Queries that look at one prompt.
    queries: int
    #: Weight of the language-model loss.
    lm: float
    #: Share of steps that run the same prompts in both modes and pull their rankings together.
    both: float = 0.0
    #: Share of prompts whose documents are hard to tell apart: one neighbourhood of passages, whole pools of questions.
    crowded: float = 0.0


STAGES = {
    # Words: many short documents, mostly apart from each other, which learns fastest.
    "words": Stage(1.5e-3, 1.5e-3, 300, 65536, 2048, (8, 60), 160, 0.6, 0.15, 12, 0.3),
    # Lists: the published prompt up to 4k tokens.
    "lists": Stage(1.5e-3, 1.0e-3, 100, 65536, 4096, (4, 60), 400, 0.35, 0.3, 12, 0.1, 0.1, 0.5),
    # Finish: prompts up to 8k, more real questions, the rate down to zero; the average of the weights is what ships.
    "finish": Stage(1.0e-3, 0.0, 100, 65536, 8000, (3, 60), 700, 0.35, 0.4, 12, 0.0, 0.2, 0.6),
    # What a CPU can prove in minutes.
    "cpu": Stage(3e-4, 0.0, 10, 3000, 900, (4, 16), 110, 0.4, 0.35, 6, 0.1, 0.1),
    "cpu-words": Stage(1.5e-3, 1.5e-3, 100, 8192, 1400, (6, 40), 160, 0.5, 0.2, 12, 0.2),
    "cpu-lists": Stage(1.5e-3, 1.0e-3, 50, 8192, 2400, (4, 40), 300, 0.3, 0.3, 12, 0.05, 0.1, 0.5),
    "cpu-finish": Stage(1.0e-3, 0.0, 50, 8192, 4000, (3, 60), 400, 0.3, 0.4, 24, 0.0, 0.15, 0.6),
    # After any of them: the rate up once more and down, as more of what is asked is learned from few tokens.
    "cpu-again": Stage(8e-4, 0.0, 30, 8192, 2400, (4, 40), 300, 0.3, 0.35, 16, 0.0, 0.1, 0.7),
    "test": Stage(1e-3, 0.0, 2, 400, 300, (2, 5), 40, 0.5, 0.3, 2, 0.1, 0.3, 0.5),
}
