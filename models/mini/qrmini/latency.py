"""`latency`: what a shape costs in the engine, before anything is trained. Weights are random."""

from pathlib import Path

import torch

from . import export
from .config import MODELS
from .engine import rerank, retrieval_heads
from .model import Mini
from .tokenizer import Tokenizer


def run(shape: str, vocabulary: Path, repository: Path, work: Path, documents: int, document_tokens: int) -> dict:
    """@returns The engine's own times in milliseconds, and the size of the file."""
    torch.manual_seed(0)
    config = MODELS[shape]
    tokenizer = Tokenizer(vocabulary)
    path = work.resolve() / f"latency-{shape}.gguf"
    size = export.write(path, config, dict(Mini(config).named_parameters()), tokenizer.pieces(), "q8_0", f"latency {shape}")
    # Each ` of` is one token in any vocabulary of this size. The number tells the documents apart, so that none is cached.
    texts = [{"text": f"{number} " + " ".join(["of"] * (document_tokens - 2))} for number in range(documents)]
    answer = rerank(repository, path, "How long does this take on a small machine?", texts, retrieval_heads(config), "--context-size", "8192")
    return {"shape": shape, "bytes": size, "promptTokens": answer["usage"]["promptTokens"], "timings": answer["timings"]}
