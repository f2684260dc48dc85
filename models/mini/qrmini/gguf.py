"""Writes GGUF files (version 3, little-endian): enough for a llama with a sentencepiece vocabulary."""

import struct
from pathlib import Path

import numpy as np

_ALIGNMENT = 32
_STRING, _ARRAY = 8, 9
#: Format and number of each metadata type.
_SCALARS = {"u32": ("<I", 4), "i32": ("<i", 5), "f32": ("<f", 6), "bool": ("<?", 7)}
#: ggml's numbers of tensor types.
TENSOR_TYPES = {"f32": 0, "f16": 1, "q8_0": 8}


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(kind: str, value) -> bytes:
    if kind == "str":
        return struct.pack("<I", _STRING) + _string(value)
    if kind.endswith("[]"):
        inner = kind[:-2]
        if inner == "str":
            return struct.pack("<IIQ", _ARRAY, _STRING, len(value)) + b"".join(map(_string, value))
        form, number = _SCALARS[inner]
        return struct.pack("<IIQ", _ARRAY, number, len(value)) + b"".join(struct.pack(form, v) for v in value)
    form, number = _SCALARS[kind]
    return struct.pack("<I", number) + struct.pack(form, value)


def quantize_q8_0(values: np.ndarray) -> np.ndarray:
    """Blocks of 32: a half-precision scale of max|x| / 127, then 32 bytes. [rows, columns] → bytes [rows, columns/32·34]."""
    rows, columns = values.shape
    if columns % 32:
        raise ValueError(f"Expected a multiple of 32 columns for q8_0 but received {columns}")
    blocks = values.astype(np.float32).reshape(-1, 32)
    scale = np.abs(blocks).max(1, keepdims=True) / np.float32(127)
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    scaled = blocks * inverse
    # Half away from zero, as C's roundf.
    whole = np.copysign(np.floor(np.abs(scaled) + np.float32(0.5)), scaled).astype(np.int8)
    return np.concatenate([scale.astype("<f2").view(np.uint8), whole.view(np.uint8)], 1).reshape(rows, -1)


def encode_tensor(values: np.ndarray, kind: str) -> tuple[bytes, str]:
    """Bytes and the type used: vectors stay f32."""
    if values.ndim == 1 or kind == "f32":
        return values.astype("<f4").tobytes(), "f32"
    if kind == "f16":
        return values.astype("<f2").tobytes(), "f16"
    return quantize_q8_0(values).tobytes(), "q8_0"


def write(path: Path, metadata: "list[tuple[str, str, object]]", tensors: "dict[str, np.ndarray]", kind: str) -> int:
    """@returns Bytes written. The file is renamed into place."""
    infos, blobs, offset = b"", [], 0
    for name, values in tensors.items():
        data, used = encode_tensor(values, kind)
        shape = values.shape[::-1]
        infos += _string(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", n) for n in shape)
        infos += struct.pack("<IQ", TENSOR_TYPES[used], offset)
        padding = -len(data) % _ALIGNMENT
        blobs.append(data + b"\0" * padding)
        offset += len(data) + padding
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    head += b"".join(_string(key) + _value(type_, value) for key, type_, value in metadata) + infos
    head += b"\0" * (-len(head) % _ALIGNMENT)
    partial = path.with_name(path.name + ".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial.write_bytes(head + b"".join(blobs))
    partial.rename(path)
    return len(head) + offset
