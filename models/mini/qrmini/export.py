"""`export`: weights to a GGUF that llama.cpp loads as a llama."""

from pathlib import Path

import numpy as np

from . import gguf
from .config import ModelConfig
from .tokenizer import BOS, Vocabulary

_TEMPLATE = "{{ bos_token }}{% for message in messages %}{{ message['content'] }}{% endfor %}"
_FILE_TYPES = {"f32": 0, "f16": 1, "q8_0": 7}


def metadata(config: ModelConfig, vocabulary: Vocabulary, kind: str, name: str, parameters: int) -> list:
    return [
        ("general.architecture", "str", "llama"),
        ("general.name", "str", name),
        ("general.basename", "str", "qrhead-mini"),
        ("general.size_label", "str", f"{parameters / 1e6:.0f}M"),
        ("general.license", "str", "cc-by-sa-4.0"),
        ("general.description", "str",
         "A small transformer whose last two layers hold query-focused retrieval heads; trained on English Wikipedia text"),
        ("general.file_type", "u32", _FILE_TYPES[kind]),
        ("general.quantization_version", "u32", 2),
        ("llama.block_count", "u32", config.layers),
        ("llama.context_length", "u32", config.context),
        ("llama.embedding_length", "u32", config.width),
        ("llama.feed_forward_length", "u32", config.feed_forward),
        ("llama.attention.head_count", "u32", config.heads),
        ("llama.attention.head_count_kv", "u32", config.heads),
        ("llama.attention.key_length", "u32", config.head_dim),
        ("llama.attention.value_length", "u32", config.head_dim),
        ("llama.attention.layer_norm_rms_epsilon", "f32", 1e-5),
        ("llama.rope.freq_base", "f32", config.rope_base),
        ("llama.rope.dimension_count", "u32", config.head_dim),
        ("llama.vocab_size", "u32", config.vocabulary),
        ("tokenizer.ggml.model", "str", "llama"),
        ("tokenizer.ggml.pre", "str", "default"),
        ("tokenizer.ggml.tokens", "str[]", vocabulary.pieces),
        ("tokenizer.ggml.scores", "f32[]", vocabulary.scores),
        ("tokenizer.ggml.token_type", "i32[]", vocabulary.kinds),
        ("tokenizer.ggml.bos_token_id", "u32", BOS),
        ("tokenizer.ggml.eos_token_id", "u32", 2),
        ("tokenizer.ggml.unknown_token_id", "u32", 0),
        ("tokenizer.ggml.add_bos_token", "bool", True),
        ("tokenizer.ggml.add_eos_token", "bool", False),
        ("tokenizer.ggml.add_space_prefix", "bool", False),
        ("tokenizer.chat_template", "str", _TEMPLATE),
    ]


def tensors(config: ModelConfig, weights: dict) -> "dict[str, np.ndarray]":
    """Weights under llama.cpp's names. What the last layer does not have is zero: its output is its input."""
    zeros = {
        "attn_v.weight": (config.heads * config.head_dim, config.width),
        "attn_output.weight": (config.width, config.heads * config.head_dim),
        "ffn_norm.weight": (config.width,),
        "ffn_gate.weight": (config.feed_forward, config.width),
        "ffn_up.weight": (config.feed_forward, config.width),
        "ffn_down.weight": (config.width, config.feed_forward),
    }
    named = {name: value.detach().cpu().float().numpy() for name, value in weights.items()}
    for part, shape in zeros.items():
        named[f"blk.{config.layers - 1}.{part}"] = np.zeros(shape, np.float32)
    return named


def write(path: Path, config: ModelConfig, weights: dict, vocabulary: Vocabulary, kind: str, name: str) -> int:
    """@returns Bytes written."""
    if len(vocabulary.pieces) != config.vocabulary:
        raise SystemExit(f"the vocabulary has {len(vocabulary.pieces)} pieces, the model {config.vocabulary}")
    parameters = sum(value.numel() for value in weights.values())
    return gguf.write(path, metadata(config, vocabulary, kind, name, parameters), tensors(config, weights), kind)
